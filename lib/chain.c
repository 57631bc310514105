// SPDX-License-Identifier: GPL-2.0
#include "chain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/if_link.h>
#include <xdp/libxdp.h>

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

static enum xdp_attach_mode libxdp_mode(enum turn_mode mode)
{
	return mode == TURN_SKB ? XDP_MODE_SKB : XDP_MODE_NATIVE;
}

/* ---- reading ---------------------------------------------------------------------------------- */

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

/* ---- attaching -------------------------------------------------------------------------------- */

int turnctl_chain_stages(const struct turnctl_chain_plan *plan,
			 const char *names[TURNCTL_CHAIN_STAGES],
			 unsigned int priorities[TURNCTL_CHAIN_STAGES])
{
	int i, count = 0;

	if (plan->fused) {
		names[0] = turnctl_program_name(TURNCTL_FUSED);
		priorities[0] = 0;
		return 1;
	}
	for (i = 0; i < TURNCTL_CHAIN_STAGES; i++) {
		if (plan->role == TURN_ROLE_RELAY && !stages[i].on_relay)
			continue;
		names[count] = turnctl_program_name(stages[i].program);
		priorities[count++] = plan->prio + i;
	}
	return count;
}

static int check_freplace(const struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_EXT, NULL) == 1)
		return 0;
	return turnctl_fail(err, EOPNOTSUPP,
			    "this kernel cannot chain XDP programs (it refuses freplace); --fused installs "
			    "one program instead, and %s must then run no other", plan->device);
}

int turnctl_chain_count(enum turn_role role, bool fused)
{
	struct turnctl_chain_plan plan = { .role = role, .fused = fused };
	const char *names[TURNCTL_CHAIN_STAGES];
	unsigned int priorities[TURNCTL_CHAIN_STAGES];

	return turnctl_chain_stages(&plan, names, priorities);
}

/* What runs beside ours: the programs of others, the first one's place, and how many. */
static int count_others(const struct turnctl_chain *chain, int *first)
{
	int i, count = 0;

	for (i = chain->count - 1; i >= 0; i--) {
		if (chain->program[i].ours)
			continue;
		*first = i;
		count++;
	}
	return count;
}

static int check_no_turnctl(const struct turnctl_chain_plan *plan, const struct turnctl_chain *chain,
			    struct turnctl_error *err)
{
	char option[TURNCTL_OPTION];
	int i;

	for (i = 0; i < chain->count; i++) {
		const struct turnctl_chain_program *p = &chain->program[i];

		if (!p->owner || p->ours)
			continue;
		if (turnctl_instance_of(p->owner, option))
			return turnctl_fail(err, EBUSY,
					    "%s already runs %s (id %u) of another instance; 'turnctl%s "
					    "detach %s' takes it off",
					    plan->device, p->name, p->id, option, plan->device);
		return turnctl_fail(err, EBUSY,
				    "%s already runs %s (id %u), which has lost its pins; 'turnctl detach "
				    "%s' takes it off", plan->device, p->name, p->id, plan->device);
	}
	return 0;
}

int turnctl_chain_check(const struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	const char *names[TURNCTL_CHAIN_STAGES];
	unsigned int priorities[TURNCTL_CHAIN_STAGES];
	const struct turnctl_chain_program *other;
	struct turnctl_chain chain;
	int code, need, others, first = 0;

	code = plan->fused ? 0 : check_freplace(plan, err);
	if (!code)
		code = turnctl_chain_read(plan->ifindex, plan->id, &chain, err);
	if (!code)
		code = check_no_turnctl(plan, &chain, err);
	others = code ? 0 : count_others(&chain, &first);
	if (!others)
		return code;
	other = &chain.program[first];
	if (plan->fused)
		return turnctl_fail(err, EBUSY,
				    "%s already runs XDP program '%s' (id %u); --fused needs the device "
				    "for itself: use --chain to run beside it",
				    plan->device, other->name, other->id);
	if (!chain.dispatcher)
		return turnctl_fail(err, EBUSY,
				    "%s already runs XDP program '%s' (id %u) outside a dispatcher; "
				    "unload it with 'ip link set dev %s xdp off', or have it loaded by "
				    "xdp-loader",
				    plan->device, other->name, other->id, plan->device);
	if (chain.mode != plan->mode)
		return turnctl_fail(err, EBUSY,
				    "%s already runs XDP programs in %s mode; attach with --mode %s, or "
				    "reload them in %s mode",
				    plan->device, turnctl_mode_name(chain.mode), turnctl_mode_name(chain.mode),
				    turnctl_mode_name(plan->mode));
	need = turnctl_chain_stages(plan, names, priorities);
	if (others + need > 10)
		return turnctl_fail(err, EBUSY,
				    "%s already runs %d XDP programs, and a dispatcher holds 10: there is "
				    "no room for %d more; unload some",
				    plan->device, others, need);
	return 0;
}

int turnctl_chain_verify(const struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	struct bpf_object *object;
	int i, code = 0;

	for (i = 0; i < TURNCTL_CHAIN_STAGES && !code; i++) {
		if (plan->fused ? i : plan->role == TURN_ROLE_RELAY && !stages[i].on_relay)
			continue;
		object = turnctl_object_load(plan->fused ? TURNCTL_FUSED : stages[i].program,
					     plan->maps, &plan->self, &code, err);
		bpf_object__close(object);
	}
	return code;
}

bool turnctl_chain_in_place(const struct turnctl_chain_plan *plan, const struct turnctl_chain *chain)
{
	return plan->fused && chain->mode == plan->mode && !chain->dispatcher &&
	       chain->count == 1 && chain->program[0].ours;
}

int turnctl_chain_make_way(const struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	struct turnctl_chain chain;
	int code = turnctl_chain_read(plan->ifindex, plan->id, &chain, err);

	if (code || turnctl_chain_in_place(plan, &chain))
		return code;
	return turnctl_chain_detach(plan->ifindex, plan->device, plan->id, err);
}

static int check_attached(const struct turnctl_chain_plan *plan, int expected,
			  struct turnctl_error *err)
{
	struct turnctl_chain chain;
	int code, i, found = 0;

	code = turnctl_chain_read(plan->ifindex, plan->id, &chain, err);
	if (code)
		return code;
	for (i = 0; i < chain.count; i++)
		found += chain.program[i].ours;
	if (found == expected && (plan->fused || chain.dispatcher))
		return 0;
	turnctl_chain_detach(plan->ifindex, plan->device, plan->id, NULL);
	return turnctl_fail(err, EOPNOTSUPP,
			    "%s: %d of %d programs are in place after attaching, so they were taken "
			    "out again; does something else change this device's XDP programs?",
			    plan->device, found, expected);
}

static int no_native(const struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	return turnctl_fail(err, EOPNOTSUPP,
			    "the driver of %s has no native XDP; --mode skb works with any driver, more "
			    "slowly", plan->device);
}

static int attach_fused(const struct turnctl_chain_plan *plan, const struct turnctl_chain *chain,
			struct turnctl_error *err)
{
	__u32 flags = plan->mode == TURN_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts, .old_prog_fd = -1);
	struct bpf_object *object;
	int code;

	object = turnctl_object_load(TURNCTL_FUSED, plan->maps, &plan->self, &code, err);
	if (!object)
		return code;
	if (turnctl_chain_in_place(plan, chain))
		opts.old_prog_fd = bpf_prog_get_fd_by_id(chain->program[0].id);
	/* neither over somebody else's program, nor over one that has come since we looked */
	flags |= opts.old_prog_fd < 0 ? XDP_FLAGS_UPDATE_IF_NOEXIST : XDP_FLAGS_REPLACE;
	code = bpf_xdp_attach(plan->ifindex, turnctl_object_fd(object, TURNCTL_FUSED), flags,
			      opts.old_prog_fd < 0 ? NULL : &opts);
	if (opts.old_prog_fd >= 0)
		close(opts.old_prog_fd);
	bpf_object__close(object);
	if (code == -EOPNOTSUPP && plan->mode == TURN_NATIVE)
		return no_native(plan, err);
	if (code)
		return turnctl_fail_errno(err, -code, "cannot attach turn_fused to %s",
					  plan->device);
	return check_attached(plan, 1, err);
}

static int explain_attach_error(const struct turnctl_chain_plan *plan, int code,
				struct turnctl_error *err)
{
	char text[128];

	if (code == -EOPNOTSUPP && plan->mode == TURN_NATIVE)
		return no_native(plan, err);
	libxdp_strerror(code, text, sizeof(text));
	return turnctl_fail(err, -code, "cannot attach to %s: %s (-v shows more)", plan->device,
			    text);
}

static int attach_chained(const struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	struct xdp_program *programs[TURNCTL_CHAIN_STAGES] = {};
	struct bpf_object *objects[TURNCTL_CHAIN_STAGES] = {};
	int code = 0, count = 0, attempt, i;

	for (i = 0; i < TURNCTL_CHAIN_STAGES && !code; i++) {
		DECLARE_LIBXDP_OPTS(xdp_program_opts, opts);

		if (plan->role == TURN_ROLE_RELAY && !stages[i].on_relay)
			continue;
		objects[count] = turnctl_object_open(stages[i].program, plan->maps, &plan->self,
						     &code, err);
		if (!objects[count])
			break;
		opts.obj = objects[count];
		opts.prog_name = turnctl_program_name(stages[i].program);
		programs[count] = xdp_program__create(&opts);
		code = libxdp_get_error(programs[count]);
		if (code) {
			programs[count] = NULL;
			turnctl_fail_errno(err, -code, "libxdp cannot take %s", opts.prog_name);
			break;
		}
		xdp_program__set_run_prio(programs[count], plan->prio + i);
		count++;
	}
	/* a single program would be attached without a dispatcher where there is no freplace,
	 * silently; there are always two at least */
	for (attempt = 0; !code && attempt < 2; attempt++) {
		code = xdp_program__attach_multi(programs, count, plan->ifindex,
						 libxdp_mode(plan->mode), 0);
		if (code != -EBUSY && code != -EAGAIN) {
			if (code)
				code = explain_attach_error(plan, code, err);
			break;
		}
		/* the first attach of somebody else was under way */
		if (!attempt)
			code = 0;
		else
			code = explain_attach_error(plan, code, err);
	}
	for (i = 0; i < TURNCTL_CHAIN_STAGES; i++) {
		if (programs[i])
			xdp_program__close(programs[i]);
		else
			bpf_object__close(objects[i]);
	}
	return code ? code : check_attached(plan, count, err);
}

int turnctl_chain_attach(const struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	struct turnctl_chain chain;
	int code = turnctl_chain_check(plan, err);

	if (!code)
		code = turnctl_chain_read(plan->ifindex, plan->id, &chain, err);
	if (code)
		return code;
	return plan->fused ? attach_fused(plan, &chain, err) : attach_chained(plan, err);
}

/* ---- detaching -------------------------------------------------------------------------------- */

static int detach_fused(int ifindex, const char *device, const struct turnctl_chain *chain,
			struct turnctl_error *err)
{
	__u32 flags = chain->mode == TURN_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	int code, fd;

	/* only if it is still this one: someone may have put another in its place */
	fd = bpf_prog_get_fd_by_id(chain->program[0].id);
	if (fd < 0)
		return 0;
	opts.old_prog_fd = fd;
	code = bpf_xdp_detach(ifindex, flags | XDP_FLAGS_REPLACE, &opts);
	close(fd);
	if (code && code != -EEXIST && code != -ENOENT)
		return turnctl_fail_errno(err, -code, "cannot take turn_fused off %s", device);
	return 0;
}

static int detach_chained(int ifindex, const char *device, __u32 id, struct turnctl_error *err)
{
	struct xdp_program *ours[TURNCTL_CHAIN_STAGES] = {}, *program = NULL;
	struct xdp_multiprog *multi;
	enum xdp_attach_mode mode;
	int code, count = 0;
	char text[128];

	multi = xdp_multiprog__get_from_ifindex(ifindex);
	if (libxdp_get_error(multi))
		return 0;
	mode = xdp_multiprog__attach_mode(multi);
	while ((program = xdp_multiprog__next_prog(program, multi)) &&
	       count < TURNCTL_CHAIN_STAGES)
		if (turnctl_is_stage(xdp_program__name(program)) &&
		    turnctl_program_owner(xdp_program__id(program)) == id)
			ours[count++] = program;
	code = count ? xdp_program__detach_multi(ours, count, ifindex, mode, 0) : 0;
	xdp_multiprog__close(multi);
	if (!code)
		return 0;
	libxdp_strerror(code, text, sizeof(text));
	return turnctl_fail(err, -code, "cannot take the programs off %s: %s", device, text);
}

int turnctl_chain_detach(int ifindex, const char *device, __u32 id, struct turnctl_error *err)
{
	struct turnctl_chain chain;
	int code, i;

	code = turnctl_chain_read(ifindex, id, &chain, err);
	if (code)
		return code;
	for (i = 0; i < chain.count; i++)
		if (chain.program[i].ours)
			return chain.dispatcher ? detach_chained(ifindex, device, id, err)
						: detach_fused(ifindex, device, &chain, err);
	return 0;
}
