// SPDX-License-Identifier: GPL-2.0
#include "attach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "configure.h"
#include "egress.h"
#include "exits.h"
#include "hint.h"
#include "jobs.h"
#include "leftovers.h"
#include "objects.h"
#include "remains.h"
#include "suited.h"
#include "upkeep.h"

/* ---- one device ------------------------------------------------------------------------------ */

/* Everything but XDP. */
static int prepare(const struct turnctl_instance *instance, struct turnctl_job *job,
		   struct turnctl_error *err)
{
	const struct turnctl_chain_plan *plan = &job->plan;
	struct turn_device device = job->before, other;
	int index = plan->self.device, code = 0;
	struct bpf_object *egress;

	if (device.ifindex && device.ifindex != (__u32)plan->ifindex) {
		/* of a device that is gone; another has come in its place */
		code = turnctl_egress_detach(&device, instance->path, plan->id, err);
		turnctl_exits_remove(instance, device.ifindex);
		device.flags &= ~(TURN_TCX | TURN_MADE_CLSACT);
	} else if (!device.ifindex) {
		index = turnctl_device_find(instance, 0, &other);
		if (index < 0)
			code = turnctl_fail(err, ENOSPC, "an instance has room for %d devices",
					    TURN_DEVICES);
		else
			code = turnctl_stats_clear(instance, index, err);
	}
	if (code)
		return code;
	job->plan.self.device = index;
	device.ifindex = plan->ifindex;
	device.role = plan->role;
	device.flags = (device.flags & ~TURN_FUSED) | (plan->fused ? TURN_FUSED : 0);
	device.prio = plan->prio;
	snprintf(device.name, sizeof(device.name), "%s", plan->device);
	memcpy(device.mac, plan->self.mac, sizeof(device.mac));
	turnctl_egress_plan(&device);

	/* noted first, so that whatever follows can be undone by the next command */
	job->begun = true;
	code = turnctl_device_write(instance, index, &device, err);
	if (!code)
		code = turnctl_exits_add(instance, &device, err);
	if (code)
		return code;
	egress = turnctl_object_load(TURNCTL_EGRESS, instance->path, &plan->self, &code, err);
	if (!egress)
		return code;
	code = turnctl_egress_attach(&device, instance->path, plan->id,
				     turnctl_object_fd(egress, TURNCTL_EGRESS), err);
	bpf_object__close(egress);
	return code;
}

static int finish(const struct turnctl_instance *instance, const struct turnctl_job *job,
		  struct turnctl_error *err)
{
	const struct turnctl_chain_plan *plan = &job->plan;
	struct turn_device device;
	int index, code;

	code = turnctl_chain_attach(plan, err);
	if (!code) {
		code = turnctl_suited_transmits(plan, err);
		if (code)
			turnctl_chain_detach(plan->ifindex, plan->device, plan->id, NULL);
	}
	if (code)
		return code;
	index = turnctl_device_find(instance, plan->ifindex, &device);
	if (index < 0)
		return turnctl_fail(err, ENOENT, "%s has vanished from turn_devices", plan->device);
	device.flags |= TURN_UP;
	return turnctl_device_write(instance, index, &device, err);
}

/* ---- all of them ----------------------------------------------------------------------------- */

/*
 * Opens the instance, or makes it, without what killed commands have left: a configuration by which
 * nothing runs is not one that the operator still wants, and one with pins missing is of no use.
 */
static int make_instance(struct turnctl_instance *instance, const char *name,
			 unsigned int max_channels, bool *exists, struct turnctl_error *err)
{
	int code = turnctl_instance_open(instance, name, true, err);

	*exists = false;
	if (!code) {
		code = turnctl_clear_remains(instance, err);
		*exists = turnctl_device_any(instance);
		if (!code && !*exists)
			code = turnctl_instance_end(instance, err);
		turnctl_instance_close(instance);
	} else if (code == -ESTALE) {
		turnctl_instance_init(instance, name);
		code = turnctl_instance_lock(instance, err);
		if (!code)
			code = turnctl_remains_clear(name, NULL, err);
		turnctl_instance_close(instance);
	}
	if (code < 0 && code != -TURNCTL_NOT_ATTACHED)
		return code;
	return turnctl_instance_make(instance, name, max_channels, err);
}

/* What only the kernel can tell. A new device has nothing to lose by an attach that fails. */
static int verify(const struct turnctl_jobs *jobs, struct turnctl_error *err)
{
	int code = 0, i;

	for (i = 0; i < jobs->count && !code; i++)
		if (jobs->job[i].before.ifindex)
			code = turnctl_chain_verify(&jobs->job[i].plan, err);
	return code;
}

static int clear_strays(const struct turnctl_jobs *jobs, struct turnctl_error *err)
{
	int code = 0, i;

	for (i = 0; i < jobs->count && code >= 0; i++)
		code = turnctl_strays_clear(jobs->job[i].link.name, err);
	return code < 0 ? code : 0;
}

/*
 * In each device the old programs are off before anything of the new ones is on, unless there is
 * only one, which is replaced in one step.
 */
static int carry_out(const struct turnctl_instance *instance, struct turnctl_jobs *jobs,
		     struct turnctl_error *err)
{
	int code = 0, i;

	jobs->under_way = true;
	for (i = 0; i < jobs->count && !code; i++)
		code = turnctl_chain_make_way(&jobs->job[i].plan, err);
	turnctl_leftovers_remove(turnctl_instance_id(instance));
	for (i = 0; i < jobs->count && !code; i++)
		code = prepare(instance, &jobs->job[i], err);
	for (i = 0; i < jobs->count && !code; i++)
		code = finish(instance, &jobs->job[i], err);
	return code;
}

/* What was attached before stays, with all its state, even if its programs are off now. */
static void undo_known(const struct turnctl_instance *instance, const struct turnctl_job *job,
		       enum turn_mode mode, struct turnctl_error *err)
{
	struct turnctl_chain chain;
	struct turn_device device;
	int index = turnctl_device_find(instance, job->plan.ifindex, &device), i, ours = 0;
	size_t used = strlen(err->text);

	if (job->begun && index >= 0) {
		device.role = job->before.role;
		device.prio = job->before.prio;
		device.flags = (device.flags & ~TURN_FUSED) | (job->before.flags & TURN_FUSED);
		turnctl_device_write(instance, index, &device, NULL);
	}
	/* its exits are of devices in the other mode */
	if (mode && job->plan.mode != mode)
		turnctl_chain_detach(job->plan.ifindex, job->link.name, job->plan.id, NULL);
	if (turnctl_chain_read(job->plan.ifindex, job->plan.id, &chain, NULL))
		return;
	for (i = 0; i < chain.count; i++)
		ours += chain.program[i].ours;
	if (!ours)
		snprintf(err->text + used, sizeof(err->text) - used,
			 "; %s stays attached without XDP programs, so the server relays "
			 "everything: %s tries again, %s gives up", job->link.name,
			 turnctl_hint(instance->name, "attach %s", job->link.name).text,
			 turnctl_hint(instance->name, "detach %s", job->link.name).text);
}

static void undo(struct turnctl_instance *instance, const struct turnctl_jobs *jobs,
		 const struct turn_config *before, struct turnctl_error *err)
{
	struct turn_device device;
	int i, index;

	for (i = 0; i < jobs->count; i++) {
		const struct turnctl_job *job = &jobs->job[i];

		if (job->before.ifindex) {
			if (jobs->under_way)
				undo_known(instance, job, before->mode, err);
			continue;
		}
		index = job->begun ? turnctl_device_find(instance, job->link.ifindex, &device) : -1;
		if (index >= 0)
			turnctl_device_take_out(instance, index, &device, NULL);
	}
	if (!turnctl_device_any(instance))
		turnctl_instance_end(instance, NULL);
	else
		turnctl_configure_back(instance, before);
}

int turnctl_attach(const char *name, const struct turnctl_attach *attach,
		   struct turnctl_error *err)
{
	struct turnctl_instance instance;
	struct turn_config before;
	struct turnctl_jobs jobs;
	bool exists;
	int code;

	code = turnctl_jobs_find(name, attach, &jobs, err);
	if (!code)
		code = make_instance(&instance, name, attach->max_channels, &exists, err);
	if (code)
		return code;
	code = turnctl_config_read(&instance, &before, err);
	if (!code)
		code = turnctl_jobs_plan(attach, &instance, &before, &jobs, err);
	if (!code)
		code = verify(&jobs, err);
	if (!code)
		code = clear_strays(&jobs, err);
	if (!code && exists)
		code = turnctl_control_renew(&instance, err);
	if (!code)
		code = turnctl_configure(&instance, attach, jobs.mode, &before, err);
	if (!code)
		code = carry_out(&instance, &jobs, err);
	if (code)
		undo(&instance, &jobs, &before, err);
	else if (exists)
		code = turnctl_upkeep_renew(&instance, err);
	turnctl_instance_close(&instance);
	return code;
}
