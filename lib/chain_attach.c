// SPDX-License-Identifier: GPL-2.0
/* Putting the programs of a plan on a device, and taking an instance's off. */
#include "chain.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/if_link.h>
#include <xdp/libxdp.h>

#include "log.h"
#include "objects.h"
#include "owner.h"
#include "suited.h"

#define ATTEMPTS 6 /* to change a chain that others change, in 0.6 s */

/* What libxdp says when others change the chain at the same time, once it has tried a few times. */
static bool others_change(int code, int attempt)
{
	if ((code != -EBUSY && code != -EAGAIN && code != -ENOENT) || attempt >= ATTEMPTS)
		return false;
	usleep(10000 << attempt);
	return true;
}

/* ---- attaching ------------------------------------------------------------------------------- */

static enum xdp_attach_mode libxdp_mode(enum turn_mode mode)
{
	return mode == TURN_SKB ? XDP_MODE_SKB : XDP_MODE_NATIVE;
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
			    "%s: %d of %d programs are in place after attaching, so they were "
			    "taken out again; does something else change this device's XDP "
			    "programs?",
			    plan->device, found, expected);
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
	if (code)
		return turnctl_suited_explain(plan, code, strerror(-code), err);
	return check_attached(plan, 1, err);
}

static int explain_attach_error(const struct turnctl_chain_plan *plan, int code,
				struct turnctl_error *err)
{
	char text[128];

	libxdp_strerror(code, text, sizeof(text));
	return turnctl_suited_explain(plan, code, text, err);
}

static int attach_chained(const struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	struct xdp_program *programs[TURNCTL_CHAIN_STAGES] = {};
	struct bpf_object *objects[TURNCTL_CHAIN_STAGES] = {};
	struct turnctl_chain_stage list[TURNCTL_CHAIN_STAGES];
	int count = turnctl_chain_stages(plan, list), code = 0, attempt, i;

	for (i = 0; i < count && !code; i++) {
		DECLARE_LIBXDP_OPTS(xdp_program_opts, opts);

		objects[i] = turnctl_object_open(list[i].program, plan->maps, &plan->self, &code,
						 err);
		if (!objects[i])
			break;
		opts.obj = objects[i];
		opts.prog_name = turnctl_program_name(list[i].program);
		programs[i] = xdp_program__create(&opts);
		code = libxdp_get_error(programs[i]);
		if (code) {
			programs[i] = NULL;
			turnctl_fail_errno(err, -code, "libxdp cannot take %s", opts.prog_name);
			break;
		}
		xdp_program__set_run_prio(programs[i], list[i].priority);
	}
	/* a single program would be attached without a dispatcher where there is no freplace,
	 * silently; there are always two at least */
	for (attempt = 0; !code; attempt++) {
		code = xdp_program__attach_multi(programs, count, plan->ifindex,
						 libxdp_mode(plan->mode), 0);
		if (!others_change(code, attempt)) {
			if (code)
				code = explain_attach_error(plan, code, err);
			break;
		}
		code = 0;
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
	turnctl_log_forget();
	return plan->fused ? attach_fused(plan, &chain, err) : attach_chained(plan, err);
}

/* ---- detaching ------------------------------------------------------------------------------- */

/* A program outside a dispatcher, or an empty dispatcher. */
static int detach_single(int ifindex, const char *device, const struct turnctl_chain *chain,
			 struct turnctl_error *err)
{
	__u32 flags = chain->mode == TURN_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	int code, fd;

	/* only if it is still this one: someone may have put another in its place */
	fd = bpf_prog_get_fd_by_id(chain->hollow ? chain->hollow : chain->program[0].id);
	if (fd < 0)
		return 0;
	opts.old_prog_fd = fd;
	code = bpf_xdp_detach(ifindex, flags | XDP_FLAGS_REPLACE, &opts);
	close(fd);
	if (code && code != -EEXIST && code != -ENOENT)
		return turnctl_fail_errno(err, -code, "cannot take %s off %s",
					  chain->hollow ? "the empty dispatcher" : "turn_fused",
					  device);
	return 0;
}

static int detach_once(int ifindex, __u32 id)
{
	struct xdp_program *ours[TURNCTL_CHAIN_STAGES] = {}, *program = NULL;
	struct xdp_multiprog *multi;
	enum xdp_attach_mode mode;
	int code, count = 0;

	multi = xdp_multiprog__get_from_ifindex(ifindex);
	code = libxdp_get_error(multi);
	if (code)
		return code;
	mode = xdp_multiprog__attach_mode(multi);
	while ((program = xdp_multiprog__next_prog(program, multi)) &&
	       count < TURNCTL_CHAIN_STAGES)
		if (turnctl_is_stage(xdp_program__name(program)) &&
		    turnctl_program_owner(xdp_program__id(program)) == id)
			ours[count++] = program;
	/* read in the middle of a change, it may seem to hold none */
	code = count ? xdp_program__detach_multi(ours, count, ifindex, mode, 0) : -EAGAIN;
	xdp_multiprog__close(multi);
	return code;
}

static bool runs_ours(const struct turnctl_chain *chain)
{
	int i;

	for (i = 0; i < chain->count; i++)
		if (chain->program[i].ours)
			return true;
	return false;
}

int turnctl_chain_detach(int ifindex, const char *device, __u32 id, struct turnctl_error *err)
{
	struct turnctl_chain chain;
	int code, attempt = 0;
	char text[128];

	do {
		code = turnctl_chain_read(ifindex, id, &chain, err);
		if (code || (!chain.hollow && !runs_ours(&chain)))
			return code;
		if (!chain.dispatcher)
			return detach_single(ifindex, device, &chain, err);
		code = detach_once(ifindex, id);
	} while (others_change(code, attempt++));
	if (!code)
		return 0;
	libxdp_strerror(code, text, sizeof(text));
	return turnctl_fail(err, -code, "cannot take the programs off %s: %s", device, text);
}
