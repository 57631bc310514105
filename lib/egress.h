/* SPDX-License-Identifier: GPL-2.0 */
/*
 * turn_egress on a device: a tcx link where the kernel has them (Linux 6.6), at the head of the
 * hook, else a clsact filter of preference 1. An instance is named by its id (owner.h).
 */
#ifndef TURNCTL_EGRESS_H
#define TURNCTL_EGRESS_H

#include <stdbool.h>

#include "abi.h"
#include "error.h"

#define TURNCTL_EGRESS_PREF 1
#define TURNCTL_EGRESS_HANDLE 0x7475 /* "tu" */
/* The filter's handle when the qdisc was made for it: so much is known even when the notes of what
 * was done are lost. */
#define TURNCTL_EGRESS_HANDLE_MADE 0x7476

/*
 * What turnctl_egress_attach() will do, as device->flags: TURN_TCX, or TURN_MADE_CLSACT if the
 * qdisc is to be made. To be noted before it is done, so that what a killed command has done can
 * be undone.
 */
void turnctl_egress_plan(struct turn_device *device);

/*
 * Attaches the program @fd to the egress of @device, in the place of the instance's own if there is
 * one. A tcx link is pinned as @maps/egress_IFINDEX. -EEXIST: a filter with our preference and
 * handle is there and is not ours.
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

/* Where it is. */
enum turnctl_egress { TURNCTL_NO_EGRESS, TURNCTL_TCX, TURNCTL_CLSACT };
enum turnctl_egress turnctl_egress_where(__u32 ifindex, __u32 id);

/* The ids of the instances that have a turn_egress on the device; how many, @room at most. */
int turnctl_egress_owners(__u32 ifindex, __u32 *ids, int room);

#endif
