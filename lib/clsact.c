// SPDX-License-Identifier: GPL-2.0
#include "clsact.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "owner.h"
#include "tc.h"

#define EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)
#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)

/* ---- what is there --------------------------------------------------------------------------- */

bool turnctl_clsact_missing(__u32 ifindex)
{
	struct turnctl_qdisc qdisc;

	return !turnctl_qdisc_find(ifindex, &qdisc) && !*qdisc.kind;
}

/* The filters of clsact's egress. An ingress qdisc would give its own for them, and a kernel without
 * qdiscs has neither. */
static int find_egress(__u32 ifindex, struct turnctl_filters *filters)
{
	struct turnctl_qdisc qdisc;

	filters->all = filters->count = 0;
	if (turnctl_qdisc_find(ifindex, &qdisc) || strcmp(qdisc.kind, "clsact"))
		return 0;
	return turnctl_filters_find(ifindex, EGRESS, TURNCTL_EGRESS_PREF, filters);
}

static bool is_handle(__u32 handle)
{
	return handle == TURNCTL_EGRESS_HANDLE || handle == TURNCTL_EGRESS_HANDLE_MADE;
}

/* Where among them is the instance's? -1: nowhere. */
static int find_own(const struct turnctl_filters *filters, __u32 id)
{
	int i;

	for (i = 0; i < filters->count; i++)
		if (id && is_handle(filters->first[i].handle) && filters->first[i].program &&
		    turnctl_program_owner(filters->first[i].program) == id)
			return i;
	return -1;
}

int turnctl_clsact_programs(__u32 ifindex, __u32 *programs, int room)
{
	struct turnctl_filters filters;
	int i;

	find_egress(ifindex, &filters);
	for (i = 0; i < filters.count && i < room; i++)
		programs[i] = filters.first[i].program;
	return i;
}

/* ---- attach ---------------------------------------------------------------------------------- */

static int check_qdisc(__u32 ifindex, const char *device, struct turnctl_error *err)
{
	struct turnctl_qdisc qdisc;
	int code = turnctl_qdisc_find(ifindex, &qdisc);

	if (code)
		return turnctl_fail_errno(err, -code, "cannot read the qdiscs of %s", device);
	if (*qdisc.kind && strcmp(qdisc.kind, "clsact"))
		return turnctl_fail(err, EBUSY,
				    "%s has the qdisc '%s' where turn_egress needs clsact, which "
				    "takes filters for incoming packets as well; 'tc qdisc del dev "
				    "%s %s' removes it, and its filters; add them again to clsact "
				    "('tc qdisc add dev %s clsact')", device, qdisc.kind, device,
				    qdisc.kind, device);
	if (qdisc.block)
		return turnctl_fail(err, EBUSY,
				    "the egress filters of %s are block %u, which devices can "
				    "share, and turn_egress is for one; make its clsact qdisc "
				    "anew without egress_block ('tc qdisc del dev %s clsact' "
				    "removes it)", device, qdisc.block, device);
	return 0;
}

static int check_filters(const struct turnctl_filters *filters, const char *device, __u32 id,
			 struct turnctl_error *err)
{
	const struct turnctl_filter *filter;
	int own = find_own(filters, id), i;

	for (i = 0; i < filters->count; i++) {
		filter = &filters->first[i];
		if (i == own || (filter->fits && !is_handle(filter->handle)))
			continue;
		/* what is turnctl's, but not this instance's, others look after: see remains.h */
		if (!filter->program || !turnctl_program_owner(filter->program))
			return turnctl_fail(err, EBUSY,
					    "%s has a filter of kind '%s' at TC egress, preference "
					    "%d%s, which turn_egress needs; move it to preference "
					    "%d or higher ('tc filter del dev %s egress pref %d' "
					    "removes it)", device, filter->kind,
					    TURNCTL_EGRESS_PREF,
					    filter->fits ? ", with its handle" : "",
					    TURNCTL_EGRESS_PREF + 1, device, TURNCTL_EGRESS_PREF);
	}
	return 0;
}

int turnctl_clsact_check(__u32 ifindex, const char *device, __u32 id, struct turnctl_error *err)
{
	struct turnctl_filters filters;
	int code = check_qdisc(ifindex, device, err);

	if (code)
		return code;
	code = find_egress(ifindex, &filters);
	return code ? turnctl_fail_errno(err, -code, "cannot read the filters of %s", device)
		    : check_filters(&filters, device, id, err);
}

/* libbpf minds what is in the struct's padding. */
static void set_hook(__u32 ifindex, struct bpf_tc_hook *hook)
{
	memset(hook, 0, sizeof(*hook));
	hook->sz = sizeof(*hook);
	hook->ifindex = (int)ifindex;
	hook->attach_point = BPF_TC_EGRESS;
}

static int take_off(__u32 ifindex, __u32 handle)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .priority = TURNCTL_EGRESS_PREF, .handle = handle);
	struct bpf_tc_hook hook;
	int code;

	set_hook(ifindex, &hook);
	code = bpf_tc_detach(&hook, &opts);
	return code == -ENOENT ? 0 : code;
}

/* The kernel puts a new filter before those of the same preference, and a replacement where the
 * old one was. */
int turnctl_clsact_attach(const struct turn_device *device, __u32 id, int fd,
			  struct turnctl_error *err)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .priority = TURNCTL_EGRESS_PREF, .prog_fd = fd,
		    .handle = device->flags & TURN_MADE_CLSACT ? TURNCTL_EGRESS_HANDLE_MADE
							       : TURNCTL_EGRESS_HANDLE);
	int code = turnctl_clsact_check(device->ifindex, device->name, id, err), own;
	struct turnctl_filters filters;
	struct bpf_tc_hook hook;

	if (code)
		return code;
	set_hook(device->ifindex, &hook);
	code = bpf_tc_hook_create(&hook);
	if (code && code != -EEXIST)
		return turnctl_fail_errno(err, -code, "cannot add a clsact qdisc to %s",
					  device->name);
	code = find_egress(device->ifindex, &filters);
	own = find_own(&filters, id);
	if (own >= 0)
		opts.handle = filters.first[own].handle;
	if (own == 0)
		opts.flags = BPF_TC_F_REPLACE;
	else if (!code && own > 0)
		code = take_off(device->ifindex, opts.handle);
	if (!code)
		code = bpf_tc_attach(&hook, &opts);
	return code ? turnctl_fail_errno(err, -code, "cannot attach turn_egress to %s",
					 device->name)
		    : 0;
}

/* ---- detach ---------------------------------------------------------------------------------- */

/* Removes the qdisc that we made, unless somebody has come to use it: then it is theirs. */
static void remove_qdisc(__u32 ifindex)
{
	struct turnctl_filters in, out;
	struct bpf_tc_hook hook;

	if (turnctl_filters_find(ifindex, INGRESS, 1, &in) || in.all ||
	    turnctl_filters_find(ifindex, EGRESS, 1, &out) || out.all)
		return;
	set_hook(ifindex, &hook);
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	bpf_tc_hook_destroy(&hook);
}

int turnctl_clsact_detach(const struct turn_device *device, __u32 id, struct turnctl_error *err)
{
	bool made = device->flags & TURN_MADE_CLSACT;
	struct turnctl_filters filters;
	int own, code;

	code = find_egress(device->ifindex, &filters);
	own = find_own(&filters, id);
	if (own >= 0) {
		made |= filters.first[own].handle == TURNCTL_EGRESS_HANDLE_MADE;
		code = take_off(device->ifindex, filters.first[own].handle);
	}
	if (code)
		return turnctl_fail_errno(err, -code, "cannot take turn_egress off %s",
					  device->name);
	if (made)
		remove_qdisc(device->ifindex);
	return 0;
}
