// SPDX-License-Identifier: GPL-2.0
/* attach --dry-run: what attach would do, only told. */
#include "attach.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "configure.h"
#include "jobs.h"
#include "names.h"
#include "objects.h"
#include "remains.h"

static void __attribute__((format(printf, 2, 3)))
tell(void (*step)(const char *text), const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	step(text);
}

/* What an attach that was killed has left. */
static void tell_remains(const struct turnctl_instance *instance, void (*step)(const char *text))
{
	struct turn_device device;
	__u32 i;

	for (i = 0; i < TURN_DEVICES; i++)
		if (turnctl_device_at(instance, i, &device) && !(device.flags & TURN_UP))
			tell(step, "%s: what an attach that did not come to its end has left comes "
			     "off first", device.name);
}

static void tell_job(const struct turnctl_job *job, void (*step)(const char *text))
{
	struct turnctl_chain_stage list[TURNCTL_CHAIN_STAGES];
	const struct turnctl_chain_plan *plan = &job->plan;
	struct turnctl_chain chain = {};
	struct turnctl_stray stray;
	bool in_place;
	int i, count;

	if (turnctl_strays_read(plan->device, &stray, 1))
		tell(step, "%s: programs that have lost their pins come off first", plan->device);
	turnctl_chain_read(plan->ifindex, plan->id, &chain, NULL);
	if (chain.hollow)
		tell(step, "%s: an empty dispatcher (id %u) comes off first", plan->device,
		     chain.hollow);
	in_place = turnctl_chain_in_place(plan, &chain);
	for (i = 0; i < chain.count; i++)
		if (chain.program[i].ours)
			tell(step, "%s: %s (id %u) %s", plan->device, chain.program[i].name,
			     chain.program[i].id,
			     in_place ? "is replaced in one step" : "comes off first");
	tell(step, "%s: turn_egress at TC egress, exits for redirected frames", plan->device);
	count = turnctl_chain_stages(plan, list);
	for (i = 0; i < count; i++) {
		const char *name = turnctl_program_name(list[i].program);

		if (plan->fused)
			tell(step, "%s: %s as its only XDP program, %s mode", plan->device, name,
			     turnctl_mode_name(plan->mode));
		else
			tell(step, "%s: %s at priority %u, %s mode", plan->device, name,
			     list[i].priority, turnctl_mode_name(plan->mode));
	}
}

/*
 * @instance as make_instance() would leave it: NULL if it is to be made, maybe after what is left
 * of one has gone.
 */
static int plan_all(struct turnctl_jobs *jobs, const struct turnctl_attach *attach,
		    const struct turnctl_instance *instance, struct turnctl_error *err)
{
	struct turn_config config = {};
	int code = 0;

	if (instance)
		code = turnctl_config_read(instance, &config, err);
	if (!code && instance)
		code = turnctl_instance_check_size(instance, attach->max_channels, err);
	return code ? code : turnctl_jobs_plan(attach, instance, &config, jobs, err);
}

int turnctl_attach_plan(const char *name, const struct turnctl_attach *attach,
			void (*step)(const char *text), struct turnctl_error *err)
{
	struct turnctl_instance instance;
	bool exists, opened;
	struct turnctl_jobs jobs;
	int code, why, i;

	code = turnctl_check_root(err);
	if (!code)
		code = turnctl_jobs_find(name, attach, &jobs, err);
	if (code)
		return code;
	why = turnctl_instance_open(&instance, name, false, err);
	opened = !why;
	if (why == -ESTALE)
		code = turnctl_remains_check(name, err);
	else if (why && why != -TURNCTL_NOT_ATTACHED)
		code = why;
	if (code < 0)
		return code;
	exists = opened && turnctl_device_count(&instance);
	code = plan_all(&jobs, attach, exists ? &instance : NULL, err);
	if (!code && why == -ESTALE)
		tell(step, "remove instance '%s', which is not whole, and its programs", name);
	if (!code && opened)
		tell_remains(&instance, step);
	if (!code && !exists)
		tell(step, "make instance '%s' for %u channels under " TURNCTL_PINS, name,
		     attach->max_channels ? attach->max_channels : TURNCTL_DEFAULT_CHANNELS);
	if (!code)
		turnctl_configure_plan(attach, exists, step);
	for (i = 0; i < jobs.count && !code; i++)
		tell_job(&jobs.job[i], step);
	if (opened)
		turnctl_instance_close(&instance);
	return code;
}
