// SPDX-License-Identifier: GPL-2.0
/* What stands in the way of a plan: the kernel, or the programs of others on the device. */
#include "chain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hint.h"
#include "kernel.h"
#include "names.h"
#include "objects.h"
#include "owner.h"

static int check_freplace(const struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	const char *why = turnctl_kernel_no_chain();

	if (!why)
		return 0;
	return turnctl_fail(err, EOPNOTSUPP,
			    "this kernel cannot chain XDP programs (it %s); --fused "
			    "installs one program instead, and %s must then run no other",
			    why, plan->device);
}

#define SLOTS 10 /* of a dispatcher */

/* What runs beside turnctl's: the programs of others, the first one's place, and how many. */
static int count_others(const struct turnctl_chain *chain, int *first)
{
	int i, count = 0;

	for (i = chain->count - 1; i >= 0; i--) {
		if (chain->program[i].owner)
			continue;
		*first = i;
		count++;
	}
	return count;
}

static int check_no_instance(const struct turnctl_chain_plan *plan,
			     const struct turnctl_chain *chain, struct turnctl_error *err)
{
	char name[TURNCTL_NAME];
	int i;

	for (i = 0; i < chain->count; i++) {
		const struct turnctl_chain_program *p = &chain->program[i];

		if (p->owner && turnctl_instance_of(p->owner, name) && strcmp(name, plan->instance))
			return turnctl_fail(err, EBUSY, "%s already runs %s (id %u) of another "
					    "instance; %s takes it off",
					    plan->device, p->name, p->id,
					    turnctl_hint(name, "detach %s", plan->device).text);
	}
	return 0;
}

static int refuse_unchained(const struct turnctl_chain_plan *plan, const struct turnctl_chain *chain,
			    struct turnctl_error *err)
{
	const struct turnctl_chain_program *other = &chain->program[0];

	if (!strcmp(other->name, TURNCTL_DISPATCHER))
		return turnctl_fail(err, EBUSY,
				    "%s runs a dispatcher (id %u) whose programs are pinned in "
				    "another mount namespace; run turnctl there, with "
				    "'nsenter --mount='", plan->device, other->id);
	return turnctl_fail(err, EBUSY,
			    "%s already runs XDP program '%s' (id %u) outside a dispatcher; unload "
			    "it with 'ip link set dev %s %s off', or have it loaded by xdp-loader",
			    plan->device, other->name, other->id, plan->device,
			    turnctl_chain_ip_word(chain->mode));
}

/* Whoever runs before the last of ours can hide packets. */
static int check_sight(const struct turnctl_chain_plan *plan, const struct turnctl_chain *chain,
		       const struct turnctl_chain_stage *last, struct turnctl_error *err)
{
	int i;

	for (i = 0; i < chain->count; i++) {
		const struct turnctl_chain_program *p = &chain->program[i];

		if (p->owner || p->passes || turnctl_chain_after(p, last))
			continue;
		return turnctl_fail(err, EBUSY,
				    "%s runs XDP program '%s' (id %u) at priority %u, which hands "
				    "no packet on to turnctl, since XDP_PASS is not among its "
				    "chain call actions; load it with 'xdp-loader load --actions "
				    "XDP_PASS', or unload it with 'xdp-loader unload %s --id %u'",
				    plan->device, p->name, p->id, p->priority, plan->device, p->id);
	}
	return 0;
}

int turnctl_chain_check(const struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	struct turnctl_chain_stage list[TURNCTL_CHAIN_STAGES];
	const struct turnctl_chain_program *other;
	struct turnctl_chain chain;
	int code, need, others, first = 0;

	code = plan->fused ? 0 : check_freplace(plan, err);
	if (!code)
		code = turnctl_chain_read(plan->ifindex, plan->id, &chain, err);
	if (!code)
		code = check_no_instance(plan, &chain, err);
	others = code ? 0 : count_others(&chain, &first);
	if (!others)
		return code;
	other = &chain.program[first];
	if (plan->fused)
		return turnctl_fail(err, EBUSY,
				    "%s already runs XDP program '%s' (id %u); --fused needs the "
				    "device for itself: use --chain to run beside it",
				    plan->device, other->name, other->id);
	if (!chain.dispatcher)
		return refuse_unchained(plan, &chain, err);
	if (chain.mode != plan->mode)
		return turnctl_fail(err, EBUSY,
				    "%s already runs XDP programs in %s mode; attach with --mode "
				    "%s, or reload them in %s mode",
				    plan->device, turnctl_mode_name(chain.mode),
				    turnctl_mode_name(chain.mode), turnctl_mode_name(plan->mode));
	need = turnctl_chain_stages(plan, list);
	if (others + need > SLOTS)
		return turnctl_fail(err, EBUSY,
				    "%s already runs %d XDP programs, and a dispatcher holds %d: "
				    "there is no room for %d more; unload some",
				    plan->device, others, SLOTS, need);
	return check_sight(plan, &chain, &list[need - 1], err);
}
