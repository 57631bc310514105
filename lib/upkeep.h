/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What static channels need of the network namespace (statics.h) can lapse: the kernel deletes a
 * managed neighbour entry when the device goes down or loses its carrier, and whoever toggles
 * ip_forward resets the sysctl. The channels are relayed all the same, by the last next hop.
 */
#ifndef TURNCTL_UPKEEP_H
#define TURNCTL_UPKEEP_H

#include "table.h"

struct turnctl_lapsed {
	bool forwarding;   /* net.ipv4.conf.lo.forwarding is 0 */
	size_t neighbours; /* next hops of directions that are to be kept resolved, and are not */
	const struct turn_flow *first; /* such a direction */
};

/* What has lapsed of the static channels in @list. */
void turnctl_upkeep_read(const struct turnctl_channel *list, size_t count,
			 struct turnctl_lapsed *lapsed);

/* Has the kernel keep it all again. The instance is locked. */
int turnctl_upkeep_renew(const struct turnctl_instance *instance, struct turnctl_error *err);

#endif
