/* SPDX-License-Identifier: GPL-2.0 */
/*
 * turn_egress on a device, first at the hook: a tcx link where the kernel has them (Linux 6.6),
 * else a clsact filter (clsact.h). A program before it that ends the hook, or sends a packet another
 * way, hides from it what the server sends. An instance is named by its id (owner.h).
 */
#ifndef TURNCTL_EGRESS_H
#define TURNCTL_EGRESS_H

#include "abi.h"
#include "error.h"

/*
 * What turnctl_egress_attach() will do, as device->flags: TURN_TCX, or TURN_MADE_CLSACT if the
 * qdisc is to be made. To be noted before it is done, so that what a killed command has done can
 * be undone.
 */
void turnctl_egress_plan(struct turn_device *device);

/* Is there something on the device that leaves no room for it? The errors are those of attach. */
int turnctl_egress_check(__u32 ifindex, const char *device, __u32 id, struct turnctl_error *err);

/*
 * Attaches the program @fd to the egress of @device, before all that is there, in the place of the
 * instance's own if there is one. A tcx link is pinned as @maps/egress_IFINDEX. -EBUSY: what is
 * there leaves no room for a clsact filter.
 */
int turnctl_egress_attach(const struct turn_device *device, const char *maps, __u32 id, int fd,
			  struct turnctl_error *err);

/*
 * Takes it off, and with it the qdisc if that was made for it and nobody else uses it. @maps is the
 * directory of the pins (NULL: there is none any more). Nothing there, or the device gone, is no
 * error.
 */
int turnctl_egress_detach(const struct turn_device *device, const char *maps, __u32 id,
			  struct turnctl_error *err);

#define TURNCTL_BEHIND 8
#define TURNCTL_BEHIND_NAMES 256

/* Where it is, and which programs, not turnctl's, run before it there. */
struct turnctl_egress {
	enum { TURNCTL_NO_EGRESS, TURNCTL_TCX, TURNCTL_CLSACT } where;
	int behind; /* how many, TURNCTL_BEHIND at most */
	struct turnctl_before {
		__u32 id; /* 0: classic BPF, which has none */
		char name[16];
	} before[TURNCTL_BEHIND];
};

void turnctl_egress_read(__u32 ifindex, __u32 id, struct turnctl_egress *egress);

/* As in "one (id 5), another (id 8)". Returns @names. */
const char *turnctl_egress_behind(const struct turnctl_egress *egress,
				  char names[TURNCTL_BEHIND_NAMES]);

/* The ids of the instances that have a turn_egress on the device; how many, @room at most. */
int turnctl_egress_owners(__u32 ifindex, __u32 *ids, int room);

#endif
