/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The clsact way of egress.h, for kernels before tcx: a filter of preference 1 at the egress of a
 * clsact qdisc, which may be there already, and may be others' too.
 */
#ifndef TURNCTL_CLSACT_H
#define TURNCTL_CLSACT_H

#include <stdbool.h>

#include "abi.h"
#include "error.h"

#define TURNCTL_EGRESS_PREF 1
#define TURNCTL_EGRESS_HANDLE 0x7475 /* "tu" */
/* The filter's handle when the qdisc was made for it: so much is known even when the notes of what
 * was done are lost. */
#define TURNCTL_EGRESS_HANDLE_MADE 0x7476

/* Is there no clsact (or ingress) qdisc on the device? False when the kernel does not tell. */
bool turnctl_clsact_missing(__u32 ifindex);

/*
 * Can turn_egress of the instance @id be a filter of the device? -EBUSY if not: an ingress qdisc
 * has the place, the egress side is a block that devices share, or a filter at the preference is of
 * a kind that does not share it, or has a handle of ours.
 */
int turnctl_clsact_check(__u32 ifindex, const char *device, __u32 id, struct turnctl_error *err);

/* Puts the program @fd first among the filters, in the place of the instance's own if there is one.
 * The errors are those of the check, and what the kernel says. */
int turnctl_clsact_attach(const struct turn_device *device, __u32 id, int fd,
			  struct turnctl_error *err);

/* Takes the instance's filter off, and the qdisc if that was made for it and has no other. */
int turnctl_clsact_detach(const struct turn_device *device, __u32 id, struct turnctl_error *err);

/*
 * The programs that run at the egress of clsact with the first preference, in the order in which
 * they do; 0 is one of classic BPF. How many, @room at most.
 */
int turnctl_clsact_programs(__u32 ifindex, __u32 *programs, int room);

#endif
