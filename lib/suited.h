/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Is a device fit to be attached, in this mode? Not by a list of kinds: the kernel is asked what the
 * device's driver can do, and where it does not tell (before Linux 6.3) the attach itself shows it.
 */
#ifndef TURNCTL_SUITED_H
#define TURNCTL_SUITED_H

#include "chain.h"
#include "link.h"

/* All that can be told before: state, VLAN devices above it, the driver's word. */
int turnctl_suited(const struct turnctl_link *link, enum turn_mode mode, struct turnctl_error *err);

/* After the attach: does the driver transmit what is redirected to the device? Of a bond, do the
 * drivers of all its ports? */
int turnctl_suited_transmits(const struct turnctl_chain_plan *plan, struct turnctl_error *err);

/*
 * Does it still, of a device that was attached as @mode? Only by asking, nothing is sent: where the
 * kernel does not tell, 0. -EOPNOTSUPP and the sentence when it does not.
 */
int turnctl_suited_still(const struct turnctl_link *link, enum turn_mode mode,
			 struct turnctl_error *err);

/*
 * The kernel has refused the attach with @code (< 0): writes why, in its own words if it had any
 * (log.h), else in @otherwise, and what to do. Returns @code.
 */
int turnctl_suited_explain(const struct turnctl_chain_plan *plan, int code, const char *otherwise,
			   struct turnctl_error *err);

#endif
