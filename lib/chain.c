// SPDX-License-Identifier: GPL-2.0
#include "chain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

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

#define READS 20 /* of a chain that changes meanwhile */

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
	p->passes = !prioritized || xdp_program__chain_call_enabled(program, XDP_PASS);
}

/* The programs in a dispatcher are links that target it; of fentry and the like (xdpdump), too. */
static bool is_chained(const struct bpf_link_info *link, __u32 dispatcher)
{
	return link->type == BPF_LINK_TYPE_TRACING &&
	       link->tracing.target_obj_id == dispatcher &&
	       link->tracing.attach_type != BPF_TRACE_FENTRY &&
	       link->tracing.attach_type != BPF_TRACE_FEXIT;
}

/* Does any program run in the dispatcher, pinned here, elsewhere, or not at all? */
static bool runs_any(__u32 dispatcher)
{
	bool found = false;
	__u32 link = 0;

	errno = 0;
	while (!found && !bpf_link_get_next_id(link, &link)) {
		struct bpf_link_info info = {};
		__u32 size = sizeof(info);
		int fd = bpf_link_get_fd_by_id(link);

		if (fd < 0)
			continue;
		found = !bpf_obj_get_info_by_fd(fd, &info, &size) && is_chained(&info, dispatcher);
		close(fd);
	}
	return found || errno != ENOENT; /* when in doubt, it does */
}

/*
 * libxdp pins by ifindex, and takes the pins of another network namespace's devices for old ones:
 * 'xdp-loader clean' removes them, and the dispatcher stays, without a program. To libxdp it is
 * then a program like any.
 */
static bool is_hollow(const struct xdp_program *main)
{
	return !strcmp(xdp_program__name(main), TURNCTL_DISPATCHER) && !runs_any(xdp_program__id(main));
}

static int read_once(int ifindex, __u32 id, struct turnctl_chain *chain, struct turnctl_error *err)
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
	else if (is_hollow(xdp_multiprog__main_prog(multi)))
		chain->hollow = xdp_program__id(xdp_multiprog__main_prog(multi));
	else
		add_program(chain, xdp_multiprog__main_prog(multi), id, false);
	xdp_multiprog__close(multi);
	return 0;
}

/* Whoever changes the chain puts another dispatcher in the place of this one, whose pins go then. */
int turnctl_chain_read(int ifindex, __u32 id, struct turnctl_chain *chain,
		       struct turnctl_error *err)
{
	__u32 before, after = 0;
	int code, tries = 0;

	bpf_xdp_query_id(ifindex, 0, &after);
	do {
		before = after;
		code = read_once(ifindex, id, chain, err);
		bpf_xdp_query_id(ifindex, 0, &after);
	} while (before != after && ++tries < READS);
	return code;
}

const struct turnctl_chain_program *turnctl_chain_blinds(const struct turnctl_chain *chain)
{
	const struct turnctl_chain_program *found = NULL;
	int i;

	for (i = chain->count - 1; i >= 0 && !chain->program[i].ours; i--)
		;
	for (; i >= 0; i--)
		if (!chain->program[i].ours && !chain->program[i].passes)
			found = &chain->program[i];
	return found;
}

/* 'xdp off' is for the mode that the driver would choose. */
const char *turnctl_chain_ip_word(enum turn_mode mode)
{
	return mode == TURN_SKB ? "xdpgeneric" : "xdp";
}

/* ---- planning -------------------------------------------------------------------------------- */

bool turnctl_chain_after(const struct turnctl_chain_program *program,
			 const struct turnctl_chain_stage *stage)
{
	return program->priority > stage->priority ||
	       (program->priority == stage->priority &&
		strcmp(program->name, turnctl_program_name(stage->program)) > 0);
}

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

int turnctl_chain_count(enum turn_role role, bool fused)
{
	struct turnctl_chain_plan plan = { .role = role, .fused = fused };
	struct turnctl_chain_stage list[TURNCTL_CHAIN_STAGES];

	return turnctl_chain_stages(&plan, list);
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
