/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's neighbour entries (ARP, NDP), read and changed over rtnetlink. Errors: negative
 * errno and a message in @err (see error.h).
 */
#ifndef TURNCTL_NEIGHBOUR_H
#define TURNCTL_NEIGHBOUR_H

#include <linux/types.h>
#include <stdbool.h>

#include "error.h"
#include "ip.h"

/*
 * The MAC of @ip on device @ifindex: read from the neighbour table, and when there is no valid
 * entry the kernel is made to resolve it (RTM_NEWNEIGH with NTF_USE), waiting up to
 * @timeout_ms in small bounded steps. 0 and @mac filled; -EHOSTUNREACH when nobody answers.
 */
int turnctl_neigh_resolve(int ifindex, const struct turnctl_ip *ip, int timeout_ms, __u8 mac[6],
			  struct turnctl_error *err);

/*
 * Makes the kernel keep the entry of @ip on @ifindex resolved without traffic
 * (NTF_EXT_MANAGED, Linux >= 5.16), or ends that. Unmanaging an entry that is not there is no
 * error. A permanent or noarp entry never ages: it is left as it is and counts as managed. The
 * kernel deletes managed entries when the device goes down or loses its carrier. -EOPNOTSUPP: not
 * an Ethernet device, or an older kernel.
 */
int turnctl_neigh_manage(int ifindex, const struct turnctl_ip *ip, bool on,
			 struct turnctl_error *err);

/* Is it managed, or of a kind that needs no managing (permanent, noarp)? Asked before it is made
 * so, for what somebody else has set is not ours to take away. */
int turnctl_neigh_managed(int ifindex, const struct turnctl_ip *ip, bool *managed,
			  struct turnctl_error *err);

#endif
