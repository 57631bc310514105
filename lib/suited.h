/* SPDX-License-Identifier: GPL-2.0 */
/* Is a device fit to be attached, in this mode? */
#ifndef TURNCTL_SUITED_H
#define TURNCTL_SUITED_H

#include "chain.h"
#include "link.h"

/* -EOPNOTSUPP, with the sentence: the driver cannot run programs in native mode. */
int turnctl_suited_no_native(const char *device, struct turnctl_error *err);

/* All that can be told before: kind of device, state, VLAN devices above it, the driver's word. */
int turnctl_suited(const struct turnctl_link *link, enum turn_mode mode, struct turnctl_error *err);

/* After the attach: does the driver transmit what is redirected to the device? */
int turnctl_suited_transmits(const struct turnctl_chain_plan *plan, struct turnctl_error *err);

#endif
