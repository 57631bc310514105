/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's routes, asked for over rtnetlink. Errors: negative errno and a message in @err (see
 * error.h).
 */
#ifndef TURNCTL_ROUTE_H
#define TURNCTL_ROUTE_H

#include <stdbool.h>

#include "error.h"
#include "ip.h"

struct turnctl_route {
	int ifindex;                /* egress device */
	bool gatewayed;             /* @next_hop is a gateway, not the destination itself */
	struct turnctl_ip next_hop; /* whose neighbour entry gives the MAC */
	int mtu;                    /* bytes: that of the route (path), else of the device */
	unsigned char type;         /* RTN_UNICAST, RTN_LOCAL, ... */
};

/*
 * The route the kernel would take to @dst with source address @src (NULL: none given), as
 * `ip route get DST from SRC` says for a locally generated packet, policy rules included.
 * -ENETUNREACH / -EHOSTUNREACH when there is none.
 */
int turnctl_route_get(const struct turnctl_ip *dst, const struct turnctl_ip *src,
		      struct turnctl_route *route, struct turnctl_error *err);

#endif
