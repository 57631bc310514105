// SPDX-License-Identifier: GPL-2.0
#include "attach.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "configure.h"
#include "egress.h"
#include "exits.h"
#include "hint.h"
#include "leftovers.h"
#include "link.h"
#include "names.h"
#include "objects.h"
#include "remains.h"
#include "suited.h"
#include "upkeep.h"

/* ---- what is to be done ---------------------------------------------------------------------- */

/* One device of an attach. */
struct job {
	struct turnctl_link link;
	struct turnctl_chain_plan plan;
	struct turn_device before; /* as noted so far; ifindex 0: it is new */
	bool begun;
};

struct jobs {
	const char *instance; /* its name */
	struct job job[TURN_DEVICES]; /* the client's first */
	int count;
	enum turn_mode mode;
	bool under_way; /* programs are being changed: there is something to undo */
};

static int find_links(const char *instance, const struct turnctl_attach *attach, struct jobs *jobs,
		      struct turnctl_error *err)
{
	int code = 0, i, j;

	memset(jobs, 0, sizeof(*jobs));
	if (attach->relays > TURN_DEVICES - 1)
		return turnctl_fail(err, EINVAL, "more than %d relay devices", TURN_DEVICES - 1);
	jobs->instance = instance;
	jobs->count = attach->relays + 1;
	for (i = 0; i < jobs->count && !code; i++) {
		struct turnctl_link *link = &jobs->job[i].link;

		code = turnctl_link_by_name(i ? attach->relay[i - 1] : attach->client, link, err);
		for (j = 0; j < i && !code; j++)
			if (jobs->job[j].link.ifindex == link->ifindex)
				code = turnctl_fail(err, EINVAL, "%s is named twice; a client "
						    "device is a relay device too", link->name);
	}
	return code;
}

/* One mode for all devices, since devmaps join them: as given, or as the devices have it. */
static int choose_mode(const struct turnctl_attach *attach, const struct turnctl_instance *instance,
		       const struct turn_config *config, struct jobs *jobs,
		       struct turnctl_error *err)
{
	int i, known = 0;

	for (i = 0; i < jobs->count; i++)
		known += jobs->job[i].before.ifindex != 0;
	jobs->mode = attach->mode ? attach->mode
		     : known	  ? (enum turn_mode)config->mode
				  : TURN_NATIVE;
	if (!instance || !config->mode || config->mode == jobs->mode ||
	    turnctl_device_count(instance) == known)
		return 0;
	return turnctl_fail(err, EINVAL,
			    "instance '%s' runs in %s mode, and its devices must all be in one; "
			    "use --mode %s, or name all of them", instance->name,
			    turnctl_mode_name(config->mode), turnctl_mode_name(config->mode));
}

/*
 * The role is given by --relay; a device that is named alone keeps the one that it has, since that
 * is how it is repaired and upgraded.
 */
static enum turn_role choose_role(const struct turnctl_attach *attach, const struct job *job, int i)
{
	if (i)
		return TURN_ROLE_RELAY;
	return job->before.ifindex && !attach->relays ? job->before.role : TURN_ROLE_CLIENT;
}

static void make_plan(const struct turnctl_attach *attach, const struct turnctl_instance *instance,
		      struct jobs *jobs, int i)
{
	struct job *job = &jobs->job[i];
	struct turnctl_chain_plan *plan = &job->plan;
	bool known = job->before.ifindex;

	plan->ifindex = job->link.ifindex;
	plan->device = job->link.name;
	plan->mode = jobs->mode;
	plan->role = choose_role(attach, job, i);
	plan->fused = attach->install ? attach->install == TURNCTL_FUSE
				      : known && (job->before.flags & TURN_FUSED);
	plan->prio = attach->prio ? attach->prio : known ? job->before.prio : TURN_PRIO;
	plan->self.role = plan->role;
	memcpy(plan->self.mac, job->link.mac, sizeof(plan->self.mac));
	plan->instance = jobs->instance;
	if (instance) {
		plan->maps = instance->path;
		plan->id = turnctl_instance_id(instance);
	}
}

/*
 * Fills in what is to be done; @instance is NULL if it does not exist yet. A device whose attach
 * did not come to its end is a new one: what there is of it is taken out first.
 */
static int plan_jobs(const struct turnctl_attach *attach, const struct turnctl_instance *instance,
		     const struct turn_config *config, struct jobs *jobs, struct turnctl_error *err)
{
	int code = 0, i, index;

	for (i = 0; i < jobs->count; i++) {
		struct job *job = &jobs->job[i];

		index = instance ? turnctl_device_known(instance, &job->link, &job->before) : -1;
		if (index < 0 || !(job->before.flags & TURN_UP)) {
			index = -1;
			memset(&job->before, 0, sizeof(job->before));
		}
		job->plan.self.device = index;
	}
	code = choose_mode(attach, instance, config, jobs, err);
	for (i = 0; i < jobs->count && !code; i++) {
		make_plan(attach, instance, jobs, i);
		code = turnctl_suited(&jobs->job[i].link, jobs->mode, err);
	}
	return code;
}

/* ---- one device ------------------------------------------------------------------------------ */

/* Everything but XDP. */
static int prepare(const struct turnctl_instance *instance, struct job *job,
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

static int finish(const struct turnctl_instance *instance, const struct job *job,
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

/* All that can be found out before anything is changed. */
static int check(const struct jobs *jobs, struct turnctl_error *err)
{
	int code = 0, i;

	for (i = 0; i < jobs->count && !code; i++)
		code = turnctl_chain_check(&jobs->job[i].plan, err);
	return code;
}

/* And what the kernel has to be asked. A new device has nothing to lose by an attach that fails. */
static int verify(const struct jobs *jobs, struct turnctl_error *err)
{
	int code = 0, i;

	for (i = 0; i < jobs->count && !code; i++)
		if (jobs->job[i].before.ifindex)
			code = turnctl_chain_verify(&jobs->job[i].plan, err);
	return code;
}

static int clear_strays(const struct jobs *jobs, struct turnctl_error *err)
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
static int carry_out(const struct turnctl_instance *instance, struct jobs *jobs,
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
static void undo_known(const struct turnctl_instance *instance, const struct job *job,
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

static void undo(struct turnctl_instance *instance, const struct jobs *jobs,
		 const struct turn_config *before, struct turnctl_error *err)
{
	struct turn_device device;
	int i, index;

	for (i = 0; i < jobs->count; i++) {
		const struct job *job = &jobs->job[i];

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
	struct jobs jobs;
	bool exists;
	int code;

	code = find_links(name, attach, &jobs, err);
	if (!code)
		code = make_instance(&instance, name, attach->max_channels, &exists, err);
	if (code)
		return code;
	code = turnctl_config_read(&instance, &before, err);
	if (!code)
		code = plan_jobs(attach, &instance, &before, &jobs, err);
	if (!code)
		code = check(&jobs, err);
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

/* ---- the same, only told --------------------------------------------------------------------- */

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

static void tell_job(const struct job *job, void (*step)(const char *text))
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
static int plan_all(struct jobs *jobs, const struct turnctl_attach *attach,
		    const struct turnctl_instance *instance, struct turnctl_error *err)
{
	struct turn_config config = {};
	int code = 0;

	if (instance)
		code = turnctl_config_read(instance, &config, err);
	if (!code && instance)
		code = turnctl_instance_check_size(instance, attach->max_channels, err);
	if (!code)
		code = plan_jobs(attach, instance, &config, jobs, err);
	if (!code)
		code = check(jobs, err);
	return code ? code : turnctl_configure_check(attach, &config, err);
}

int turnctl_attach_plan(const char *name, const struct turnctl_attach *attach,
			void (*step)(const char *text), struct turnctl_error *err)
{
	struct turnctl_instance instance;
	bool exists, opened;
	struct jobs jobs;
	int code, why, i;

	code = turnctl_check_root(err);
	if (!code)
		code = find_links(name, attach, &jobs, err);
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
