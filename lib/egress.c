// SPDX-License-Identifier: GPL-2.0
#include "egress.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "clsact.h"
#include "owner.h"
#include "tc.h"

#define FLAG_BEFORE (1U << 3) /* of Linux 6.6; Debian 12's headers are older */
#define MOST TURNCTL_TCX_MOST

static void link_path(char *path, size_t size, const char *maps, __u32 ifindex)
{
	snprintf(path, size, "%s/egress_%u", maps, ifindex);
}

/* ---- what is there --------------------------------------------------------------------------- */

static void read_before(__u32 id, struct turnctl_before *before)
{
	memset(before, 0, sizeof(*before));
	before->id = id;
	turnctl_program_label(id, before->name);
	if (!before->name[0])
		snprintf(before->name, sizeof(before->name), "a BPF filter");
}

/* Is the instance's program among them? Then @egress tells who stands before it. */
static bool find(const __u32 *programs, int count, __u32 id, struct turnctl_egress *egress)
{
	int i;

	egress->behind = 0;
	for (i = 0; i < count; i++) {
		__u32 owner = programs[i] ? turnctl_program_owner(programs[i]) : 0;

		if (owner && owner == id)
			return true;
		if (!owner && egress->behind < TURNCTL_BEHIND)
			read_before(programs[i], &egress->before[egress->behind++]);
	}
	egress->behind = 0;
	return false;
}

void turnctl_egress_read(__u32 ifindex, __u32 id, struct turnctl_egress *egress)
{
	__u32 programs[MOST];

	if (find(programs, turnctl_tcx_programs(ifindex, TURNCTL_TCX_EGRESS, programs), id, egress))
		egress->where = TURNCTL_TCX;
	else if (find(programs, turnctl_clsact_programs(ifindex, programs, MOST), id, egress))
		egress->where = TURNCTL_CLSACT;
	else
		egress->where = TURNCTL_NO_EGRESS;
}

const char *turnctl_egress_behind(const struct turnctl_egress *egress,
				  char names[TURNCTL_BEHIND_NAMES])
{
	size_t used = 0;
	int i;

	*names = 0;
	for (i = 0; i < egress->behind && used < TURNCTL_BEHIND_NAMES; i++)
		used += snprintf(names + used, TURNCTL_BEHIND_NAMES - used, "%s%s (id %u)",
				 i ? ", " : "", egress->before[i].name, egress->before[i].id);
	return names;
}

int turnctl_egress_owners(__u32 ifindex, __u32 *ids, int room)
{
	int count, found = 0, i;
	__u32 programs[2 * MOST], id;

	count = turnctl_tcx_programs(ifindex, TURNCTL_TCX_EGRESS, programs);
	if (count < 0)
		count = 0;
	count += turnctl_clsact_programs(ifindex, programs + count, MOST);
	for (i = 0; i < count && found < room; i++) {
		id = programs[i] ? turnctl_program_owner(programs[i]) : 0;
		if (id)
			ids[found++] = id;
	}
	return found;
}

/* ---- attach ---------------------------------------------------------------------------------- */

void turnctl_egress_plan(struct turn_device *device)
{
	__u32 programs[MOST];

	device->flags &= ~TURN_TCX;
	if (turnctl_tcx_programs(device->ifindex, TURNCTL_TCX_EGRESS, programs) >= 0)
		device->flags |= TURN_TCX;
	else if (turnctl_clsact_missing(device->ifindex))
		device->flags |= TURN_MADE_CLSACT;
}

int turnctl_egress_check(__u32 ifindex, const char *device, __u32 id, struct turnctl_error *err)
{
	__u32 programs[MOST];

	if (turnctl_tcx_programs(ifindex, TURNCTL_TCX_EGRESS, programs) >= 0)
		return 0;
	return turnctl_clsact_check(ifindex, device, id, err);
}

/*
 * A link keeps its place for life, so the head is for a new one each time. It is there before the
 * old one goes: what the server sends meanwhile is seen twice rather than not at all, and the
 * second time says nothing new.
 */
static int attach_tcx(const struct turn_device *device, const char *maps, int fd)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = FLAG_BEFORE);
	int link, old, code = 0;
	char path[192];

	link = bpf_link_create(fd, device->ifindex, TURNCTL_TCX_EGRESS, &opts);
	if (link < 0)
		return -errno;
	link_path(path, sizeof(path), maps, device->ifindex);
	old = bpf_obj_get(path); /* maybe of a device that had this index before */
	if (old >= 0 && unlink(path))
		code = -errno;
	if (!code && bpf_obj_pin(link, path))
		code = -errno;
	if (old >= 0) {
		if (!code)
			bpf_link_detach(old);
		close(old);
	}
	close(link);
	return code;
}

int turnctl_egress_attach(const struct turn_device *device, const char *maps, __u32 id, int fd,
			  struct turnctl_error *err)
{
	int code;

	if (!(device->flags & TURN_TCX))
		return turnctl_clsact_attach(device, id, fd, err);
	code = attach_tcx(device, maps, fd);
	return code ? turnctl_fail_errno(err, -code, "cannot attach turn_egress to %s (tcx)",
					 device->name)
		    : 0;
}

/* ---- detach ---------------------------------------------------------------------------------- */

int turnctl_egress_detach(const struct turn_device *device, const char *maps, __u32 id,
			  struct turnctl_error *err)
{
	char path[192];

	if (maps) {
		link_path(path, sizeof(path), maps, device->ifindex);
		if (unlink(path) && errno != ENOENT)
			return turnctl_fail_errno(err, errno, "cannot remove %s", path);
	}
	return turnctl_clsact_detach(device, id, err);
}
