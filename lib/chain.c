// SPDX-License-Identifier: GPL-2.0
#include "chain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <xdp/libxdp.h>

#include "hint.h"
#include "kernel.h"
#include "names.h"
#include "objects.h"
#include "owner.h"

static const struct {
	enum turnctl_program program;
	bool on_relay;
} stages[TURNCTL_CHAIN_STAGES] = {
	{ TURNCTL_CLI2REM, false },
	{ TURNCTL_REM2CLI, true },
	{ TURNCTL_STUN, false },
	{ TURNCTL_HEARTBEAT, true },
};

/* ---- reading --------------------------------------------------------------------------------- */

static void add_program(struct turnctl_chain *chain, const struct xdp_program *program, __u32 id,
			bool prioritized)
{
	struct turnctl_chain_program *p;

	if (chain->count >= TURNCTL_CHAIN_MOST)
		return;
	p = &chain->program[chain->count++];
	snprintf(p->name, sizeof(p->name), "%s", xdp_program__name(program));
	p->id = xdp_program__id(program);
	p->priority = prioritized ? xdp_program__run_prio(program) : 0;
	p->owner = turnctl_is_stage(p->name) ? turnctl_program_owner(p->id) : 0;
	p->ours = id && p->owner == id;
}

int turnctl_chain_read(int ifindex, __u32 id, struct turnctl_chain *chain,
		       struct turnctl_error *err)
{
	struct xdp_program *program = NULL;
	struct xdp_multiprog *multi;
	int code;

	memset(chain, 0, sizeof(*chain));
	multi = xdp_multiprog__get_from_ifindex(ifindex);
	code = libxdp_get_error(multi);
	if (code == -ENOENT)
		return 0;
	if (code)
		return turnctl_fail_errno(err, -code, "cannot read the XDP programs of device %d",
					  ifindex);
	chain->mode = xdp_multiprog__attach_mode(multi) == XDP_MODE_SKB ? TURN_SKB : TURN_NATIVE;
	chain->dispatcher = !xdp_multiprog__is_legacy(multi);
	if (chain->dispatcher)
		while ((program = xdp_multiprog__next_prog(program, multi)))
			add_program(chain, program, id, true);
	else
		add_program(chain, xdp_multiprog__main_prog(multi), id, false);
	xdp_multiprog__close(multi);
	return 0;
}

/* ---- planning -------------------------------------------------------------------------------- */

int turnctl_chain_stages(const struct turnctl_chain_plan *plan,
			 struct turnctl_chain_stage list[TURNCTL_CHAIN_STAGES])
{
	int i, count = 0;

	if (plan->fused) {
		list[0] = (struct turnctl_chain_stage){ TURNCTL_FUSED, 0 };
		return 1;
	}
	for (i = 0; i < TURNCTL_CHAIN_STAGES; i++)
		if (plan->role == TURN_ROLE_CLIENT || stages[i].on_relay)
			list[count++] = (struct turnctl_chain_stage){ stages[i].program,
								      plan->prio + i };
	return count;
}

static int check_freplace(const struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_EXT, NULL) == 1)
		return 0;
	return turnctl_fail(err, EOPNOTSUPP,
			    "this kernel cannot chain XDP programs (it %s); --fused "
			    "installs one program instead, and %s must then run no other",
			    turnctl_kernel_has_btf() ? "refuses freplace"
						     : "has no BTF, CONFIG_DEBUG_INFO_BTF",
			    plan->device);
}

int turnctl_chain_count(enum turn_role role, bool fused)
{
	struct turnctl_chain_plan plan = { .role = role, .fused = fused };
	struct turnctl_chain_stage list[TURNCTL_CHAIN_STAGES];

	return turnctl_chain_stages(&plan, list);
}

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
		return turnctl_fail(err, EBUSY,
				    "%s already runs XDP program '%s' (id %u) outside a "
				    "dispatcher; unload it with 'ip link set dev %s xdp off', or "
				    "have it loaded by xdp-loader",
				    plan->device, other->name, other->id, plan->device);
	if (chain.mode != plan->mode)
		return turnctl_fail(err, EBUSY,
				    "%s already runs XDP programs in %s mode; attach with --mode "
				    "%s, or reload them in %s mode",
				    plan->device, turnctl_mode_name(chain.mode),
				    turnctl_mode_name(chain.mode), turnctl_mode_name(plan->mode));
	need = turnctl_chain_stages(plan, list);
	if (others + need > 10)
		return turnctl_fail(err, EBUSY,
				    "%s already runs %d XDP programs, and a dispatcher holds 10: "
				    "there is no room for %d more; unload some",
				    plan->device, others, need);
	return 0;
}

int turnctl_chain_verify(const struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	struct turnctl_chain_stage list[TURNCTL_CHAIN_STAGES];
	int count = turnctl_chain_stages(plan, list), code = 0, i;
	struct bpf_object *object;

	for (i = 0; i < count && !code; i++) {
		object = turnctl_object_load(list[i].program, plan->maps, &plan->self, &code, err);
		bpf_object__close(object);
	}
	return code;
}

bool turnctl_chain_in_place(const struct turnctl_chain_plan *plan,
			    const struct turnctl_chain *chain)
{
	return plan->fused && chain->mode == plan->mode && !chain->dispatcher &&
	       chain->count == 1 && chain->program[0].ours;
}
