// SPDX-License-Identifier: GPL-2.0
#include "egress.h"

#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_sched.h>
#include <netlink/cache.h>
#include <netlink/route/classifier.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/tc.h>
#include <netlink/socket.h>

#include "owner.h"

/* of Linux 6.6; Debian 12's headers are older */
#define ATTACH_TCX_EGRESS 47
#define FLAG_BEFORE (1U << 3)
#define TCX_MOST 64 /* BPF_MPROG_MAX */

static void link_path(char *path, size_t size, const char *maps, __u32 ifindex)
{
	snprintf(path, size, "%s/egress_%u", maps, ifindex);
}

/* ---- what is there --------------------------------------------------------------------------- */

/* The programs at the tcx hook; negative errno where the kernel has none. */
static int tcx_query(__u32 ifindex, __u32 *programs)
{
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = programs, .prog_cnt = TCX_MOST);

	if (bpf_prog_query_opts(ifindex, ATTACH_TCX_EGRESS, &opts))
		return errno == ENOENT ? 0 : -errno;
	return opts.prog_cnt;
}

/* The hook and filter of the clsact way. libbpf minds what is in the struct's padding. */
static void clsact_hook(__u32 ifindex, struct bpf_tc_hook *hook)
{
	memset(hook, 0, sizeof(*hook));
	hook->sz = sizeof(*hook);
	hook->ifindex = ifindex;
	hook->attach_point = BPF_TC_EGRESS;
}

/* The program that has the place of @handle: its id, or 0. */
static __u32 clsact_query(__u32 ifindex, __u32 handle)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = TURNCTL_EGRESS_PREF);
	struct bpf_tc_hook hook;

	clsact_hook(ifindex, &hook);
	return bpf_tc_query(&hook, &opts) ? 0 : opts.prog_id;
}

static const __u32 handles[] = { TURNCTL_EGRESS_HANDLE, TURNCTL_EGRESS_HANDLE_MADE };
#define HANDLES 2

/* The handle of the instance's filter, or 0. */
static __u32 clsact_handle(__u32 ifindex, __u32 id)
{
	__u32 there;
	int i;

	for (i = 0; i < HANDLES; i++) {
		there = clsact_query(ifindex, handles[i]);
		if (id && there && turnctl_program_owner(there) == id)
			return handles[i];
	}
	return 0;
}

int turnctl_egress_owners(__u32 ifindex, __u32 *ids, int room)
{
	__u32 programs[TCX_MOST + HANDLES], id;
	int count = tcx_query(ifindex, programs), found = 0, i;

	if (count < 0)
		count = 0;
	for (i = 0; i < HANDLES; i++)
		programs[count++] = clsact_query(ifindex, handles[i]);
	for (i = 0; i < count && found < room; i++) {
		id = programs[i] ? turnctl_program_owner(programs[i]) : 0;
		if (id)
			ids[found++] = id;
	}
	return found;
}

enum turnctl_egress turnctl_egress_where(__u32 ifindex, __u32 id)
{
	__u32 programs[TCX_MOST];
	int count = tcx_query(ifindex, programs), i;

	for (i = 0; i < count; i++)
		if (id && turnctl_program_owner(programs[i]) == id)
			return TURNCTL_TCX;
	return clsact_handle(ifindex, id) ? TURNCTL_CLSACT : TURNCTL_NO_EGRESS;
}

/* Has the device a clsact (or ingress) qdisc? -1 when the kernel does not tell. */
static int has_qdisc(__u32 ifindex)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct rtnl_qdisc *qdisc;
	struct nl_cache *cache;
	int has = -1;

	if (sock && !nl_connect(sock, NETLINK_ROUTE) && !rtnl_qdisc_alloc_cache(sock, &cache)) {
		qdisc = rtnl_qdisc_get_by_parent(cache, ifindex, TC_H_CLSACT);
		has = qdisc != NULL;
		rtnl_qdisc_put(qdisc);
		nl_cache_free(cache);
	}
	nl_socket_free(sock);
	return has;
}

/* ---- attach ---------------------------------------------------------------------------------- */

void turnctl_egress_plan(struct turn_device *device)
{
	__u32 programs[TCX_MOST];

	device->flags &= ~TURN_TCX;
	if (tcx_query(device->ifindex, programs) >= 0)
		device->flags |= TURN_TCX;
	else if (!has_qdisc(device->ifindex))
		device->flags |= TURN_MADE_CLSACT;
}

static int attach_tcx(const struct turn_device *device, const char *maps, int fd)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = FLAG_BEFORE);
	char path[192];
	int link, code;

	link_path(path, sizeof(path), maps, device->ifindex);
	link = bpf_obj_get(path);
	if (link >= 0) {
		code = bpf_link_update(link, fd, NULL);
		close(link);
		if (!code)
			return 0;
		unlink(path); /* detached, or of a device that had this index before */
	}
	link = bpf_link_create(fd, device->ifindex, ATTACH_TCX_EGRESS, &opts);
	if (link < 0)
		return -errno;
	code = bpf_obj_pin(link, path) ? -errno : 0;
	close(link);
	return code;
}

static int attach_clsact(const struct turn_device *device, __u32 id, int fd,
			 struct turnctl_error *err)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .priority = TURNCTL_EGRESS_PREF, .prog_fd = fd);
	struct bpf_tc_hook hook;
	int code;

	clsact_hook(device->ifindex, &hook);
	opts.handle = clsact_handle(device->ifindex, id);
	if (opts.handle)
		opts.flags = BPF_TC_F_REPLACE;
	else
		opts.handle = device->flags & TURN_MADE_CLSACT ? TURNCTL_EGRESS_HANDLE_MADE
								: TURNCTL_EGRESS_HANDLE;
	if (!opts.flags && clsact_query(device->ifindex, opts.handle))
		return turnctl_fail(err, EEXIST,
				    "%s has another egress filter at preference %d, handle %#x; "
				    "remove it with 'tc filter del dev %s egress pref %d'",
				    device->name, TURNCTL_EGRESS_PREF, opts.handle, device->name,
				    TURNCTL_EGRESS_PREF);
	code = bpf_tc_hook_create(&hook);
	if (code && code != -EEXIST)
		return turnctl_fail_errno(err, -code, "cannot add a clsact qdisc to %s",
					  device->name);
	code = bpf_tc_attach(&hook, &opts);
	return code ? turnctl_fail_errno(err, -code, "cannot attach turn_egress to %s",
					 device->name)
		    : 0;
}

int turnctl_egress_attach(const struct turn_device *device, const char *maps, __u32 id, int fd,
			  struct turnctl_error *err)
{
	int code;

	if (!(device->flags & TURN_TCX))
		return attach_clsact(device, id, fd, err);
	code = attach_tcx(device, maps, fd);
	return code ? turnctl_fail_errno(err, -code, "cannot attach turn_egress to %s (tcx)",
					 device->name)
		    : 0;
}

/* ---- detach ---------------------------------------------------------------------------------- */

/* Filters at one of clsact's two hooks; -1 when the kernel does not tell. */
static int count_filters(struct nl_sock *sock, __u32 ifindex, __u32 minor)
{
	struct nl_cache *cache;
	int count;

	if (rtnl_cls_alloc_cache(sock, ifindex, TC_H_MAKE(TC_H_CLSACT, minor), &cache))
		return -1;
	count = nl_cache_nitems(cache);
	nl_cache_free(cache);
	return count;
}

/* Removes the qdisc that we made, unless somebody has come to use it: then it is theirs. */
static void remove_clsact(__u32 ifindex)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct bpf_tc_hook hook;

	clsact_hook(ifindex, &hook);
	if (sock && !nl_connect(sock, NETLINK_ROUTE) &&
	    !count_filters(sock, ifindex, TC_H_MIN_INGRESS) &&
	    !count_filters(sock, ifindex, TC_H_MIN_EGRESS)) {
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		bpf_tc_hook_destroy(&hook);
	}
	nl_socket_free(sock);
}

int turnctl_egress_detach(const struct turn_device *device, const char *maps, __u32 id,
			  struct turnctl_error *err)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .priority = TURNCTL_EGRESS_PREF);
	bool made = device->flags & TURN_MADE_CLSACT;
	struct bpf_tc_hook hook;
	char path[192];
	int code;

	clsact_hook(device->ifindex, &hook);
	if (maps) {
		link_path(path, sizeof(path), maps, device->ifindex);
		if (unlink(path) && errno != ENOENT)
			return turnctl_fail_errno(err, errno, "cannot remove %s", path);
	}
	opts.handle = clsact_handle(device->ifindex, id);
	if (opts.handle) {
		made |= opts.handle == TURNCTL_EGRESS_HANDLE_MADE;
		code = bpf_tc_detach(&hook, &opts);
		if (code && code != -ENOENT)
			return turnctl_fail_errno(err, -code, "cannot take turn_egress off %s",
						  device->name);
	}
	if (made)
		remove_clsact(device->ifindex);
	return 0;
}
