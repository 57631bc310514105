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
#include <netlink/route/tc.h>
#include <netlink/socket.h>

/* of Linux 6.6; Debian 12's headers are older */
#define ATTACH_TCX_EGRESS 47
#define FLAG_BEFORE (1U << 3)

static void link_path(char *path, size_t size, const char *maps, __u32 ifindex)
{
	snprintf(path, size, "%s/egress_%u", maps, ifindex);
}

/* The hook and filter of the clsact way. */
static struct bpf_tc_hook clsact_hook(__u32 ifindex)
{
	struct bpf_tc_hook hook = { .sz = sizeof(hook), .ifindex = ifindex,
				    .attach_point = BPF_TC_EGRESS };

	return hook;
}

static bool filter_is_ours(__u32 program_id)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(program_id);
	bool ours = false;

	if (fd < 0)
		return false;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size))
		ours = !strncmp(info.name, "turn_egress", sizeof(info.name) - 1);
	close(fd);
	return ours;
}

/* The program that has our place: its id, or 0. */
static __u32 clsact_query(__u32 ifindex)
{
	struct bpf_tc_hook hook = clsact_hook(ifindex);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TURNCTL_EGRESS_HANDLE,
		    .priority = TURNCTL_EGRESS_PREF);

	return bpf_tc_query(&hook, &opts) ? 0 : opts.prog_id;
}

static int attach_tcx(struct turn_device *device, const char *maps, int fd)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = FLAG_BEFORE);
	char path[192];
	int link;

	link = bpf_link_create(fd, device->ifindex, ATTACH_TCX_EGRESS, &opts);
	if (link < 0)
		return -errno;
	link_path(path, sizeof(path), maps, device->ifindex);
	unlink(path); /* of a device that had this index before */
	if (bpf_obj_pin(link, path)) {
		int code = -errno;

		close(link);
		return code;
	}
	close(link);
	device->flags |= TURN_TCX;
	return 0;
}

static int attach_clsact(struct turn_device *device, int fd, struct turnctl_error *err)
{
	struct bpf_tc_hook hook = clsact_hook(device->ifindex);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TURNCTL_EGRESS_HANDLE,
		    .priority = TURNCTL_EGRESS_PREF, .prog_fd = fd);
	__u32 there = clsact_query(device->ifindex);
	int code;

	if (there && !filter_is_ours(there))
		return turnctl_fail(err, EEXIST,
				    "%s has another egress filter at preference %d, handle %#x; remove "
				    "it with 'tc filter del dev %s egress pref %d'",
				    device->name, TURNCTL_EGRESS_PREF, TURNCTL_EGRESS_HANDLE,
				    device->name, TURNCTL_EGRESS_PREF);
	code = bpf_tc_hook_create(&hook);
	if (code && code != -EEXIST)
		return turnctl_fail_errno(err, -code, "cannot add a clsact qdisc to %s",
					  device->name);
	if (!code)
		device->flags |= TURN_MADE_CLSACT;
	if (there)
		opts.flags = BPF_TC_F_REPLACE;
	code = bpf_tc_attach(&hook, &opts);
	if (!code)
		return 0;
	if (device->flags & TURN_MADE_CLSACT) {
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		bpf_tc_hook_destroy(&hook);
	}
	return turnctl_fail_errno(err, -code, "cannot attach turn_egress to %s", device->name);
}

int turnctl_egress_attach(struct turn_device *device, const char *maps, int fd,
			  struct turnctl_error *err)
{
	int code = attach_tcx(device, maps, fd);

	if (!code)
		return 0;
	if (code != -EINVAL && code != -EOPNOTSUPP)
		return turnctl_fail_errno(err, -code, "cannot attach turn_egress to %s (tcx)",
					  device->name);
	return attach_clsact(device, fd, err);
}

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
	struct bpf_tc_hook hook = clsact_hook(ifindex);
	struct nl_sock *sock = nl_socket_alloc();

	if (sock && !nl_connect(sock, NETLINK_ROUTE) &&
	    !count_filters(sock, ifindex, TC_H_MIN_INGRESS) &&
	    !count_filters(sock, ifindex, TC_H_MIN_EGRESS)) {
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		bpf_tc_hook_destroy(&hook);
	}
	nl_socket_free(sock);
}

int turnctl_egress_detach(const struct turn_device *device, const char *maps,
			  struct turnctl_error *err)
{
	struct bpf_tc_hook hook = clsact_hook(device->ifindex);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TURNCTL_EGRESS_HANDLE,
		    .priority = TURNCTL_EGRESS_PREF);
	char path[192];
	__u32 there;
	int code;

	link_path(path, sizeof(path), maps, device->ifindex);
	if (unlink(path) && errno != ENOENT)
		return turnctl_fail_errno(err, errno, "cannot remove %s", path);
	if (device->flags & TURN_TCX)
		return 0;
	there = clsact_query(device->ifindex);
	if (there && filter_is_ours(there)) {
		code = bpf_tc_detach(&hook, &opts);
		if (code && code != -ENOENT)
			return turnctl_fail_errno(err, -code, "cannot take turn_egress off %s",
						  device->name);
	}
	if (device->flags & TURN_MADE_CLSACT)
		remove_clsact(device->ifindex);
	return 0;
}

bool turnctl_egress_present(const struct turn_device *device, const char *maps)
{
	char path[192];
	__u32 there;
	int fd;

	if (!(device->flags & TURN_TCX)) {
		there = clsact_query(device->ifindex);
		return there && filter_is_ours(there);
	}
	link_path(path, sizeof(path), maps, device->ifindex);
	fd = bpf_obj_get(path);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}
