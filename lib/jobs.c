// SPDX-License-Identifier: GPL-2.0
#include "jobs.h"

#include <errno.h>
#include <string.h>

#include "configure.h"
#include "egress.h"
#include "kernel.h"
#include "names.h"
#include "suited.h"

int turnctl_jobs_find(const char *instance, const struct turnctl_attach *attach,
		      struct turnctl_jobs *jobs, struct turnctl_error *err)
{
	int code = 0, i, j;

	memset(jobs, 0, sizeof(*jobs));
	if (attach->relays > TURN_DEVICES - 1)
		return turnctl_fail(err, EINVAL, "more than %d relay devices", TURN_DEVICES - 1);
	jobs->instance = instance;
	jobs->count = attach->relays + 1;
	code = turnctl_kernel_check(err);
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
		       const struct turn_config *config, struct turnctl_jobs *jobs,
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
static enum turn_role choose_role(const struct turnctl_attach *attach,
				  const struct turnctl_job *job, int i)
{
	if (i)
		return TURN_ROLE_RELAY;
	return job->before.ifindex && !attach->relays ? job->before.role : TURN_ROLE_CLIENT;
}

static void make_plan(const struct turnctl_attach *attach, const struct turnctl_instance *instance,
		      struct turnctl_jobs *jobs, int i)
{
	struct turnctl_job *job = &jobs->job[i];
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

int turnctl_jobs_plan(const struct turnctl_attach *attach, const struct turnctl_instance *instance,
		      const struct turn_config *config, struct turnctl_jobs *jobs,
		      struct turnctl_error *err)
{
	int code = 0, i, index;

	for (i = 0; i < jobs->count; i++) {
		struct turnctl_job *job = &jobs->job[i];

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
	for (i = 0; i < jobs->count && !code; i++)
		code = turnctl_chain_check(&jobs->job[i].plan, err);
	for (i = 0; i < jobs->count && !code; i++)
		code = turnctl_egress_check(jobs->job[i].link.ifindex, jobs->job[i].link.name,
					    jobs->job[i].plan.id, err);
	return code ? code : turnctl_configure_check(attach, config, err);
}
