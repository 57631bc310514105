/* SPDX-License-Identifier: GPL-2.0 */
/*
 * turn_egress on a device: a tcx link where the kernel has them (Linux 6.6), at the head of the
 * hook, else a clsact filter of preference 1.
 */
#ifndef TURNCTL_EGRESS_H
#define TURNCTL_EGRESS_H

#include <stdbool.h>

#include "abi.h"
#include "error.h"

#define TURNCTL_EGRESS_PREF 1
#define TURNCTL_EGRESS_HANDLE 0x7475 /* "tu" */

/*
 * Attaches the program @fd to the egress of @device. A tcx link is pinned as @maps/egress_IFINDEX.
 * device->flags receives TURN_TCX or not, and TURN_MADE_CLSACT if the qdisc had to be made.
 * -EEXIST: a filter with our preference and handle is there and is not ours.
 */
int turnctl_egress_attach(struct turn_device *device, const char *maps, int fd,
			  struct turnctl_error *err);

/* Undoes it. Nothing there, or the device gone, is no error. */
int turnctl_egress_detach(const struct turn_device *device, const char *maps,
			  struct turnctl_error *err);

/* Is it in place? */
bool turnctl_egress_present(const struct turn_device *device, const char *maps);

#endif
