/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What turnctl asks the kernel over rtnetlink, by way of libnl-3 and libnl-route-3: devices,
 * addresses, routes and neighbours. Every call opens and closes its own socket; nothing is
 * cached between calls. Errors: negative errno and a message in @err (see error.h).
 */
#ifndef TURNCTL_NETLINK_H
#define TURNCTL_NETLINK_H

#include <linux/if.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/* An IP address without a port: @family is AF_INET or AF_INET6; @bytes is in network order
 * (4 bytes used for AF_INET). */
struct turnctl_ip {
	int family;
	__u8 bytes[16];
};

struct turnctl_link {
	int ifindex;
	char name[IFNAMSIZ];
	__u8 mac[6];
	bool ethernet; /* ARPHRD_ETHER with a 6-byte address */
	bool up;       /* IFF_UP */
	bool carrier;  /* IFF_RUNNING */
	int mtu;       /* bytes, IP packet */
	int master;    /* ifindex of the bridge or bond it belongs to, 0 = none */
	char kind[16]; /* rtnl link kind ("veth", "vlan", "bridge", ...), "" for hardware */
};

/* One device by name or by index. -ENODEV when there is none (the message names it). */
int turnctl_link_by_name(const char *name, struct turnctl_link *link, struct turnctl_error *err);
int turnctl_link_by_index(int ifindex, struct turnctl_link *link, struct turnctl_error *err);

/* 1 if @ip is an address of this host (in this network namespace), 0 if not, < 0 on error.
 * @ifindex (may be NULL) receives the device that carries it. */
int turnctl_ip_is_local(const struct turnctl_ip *ip, int *ifindex, struct turnctl_error *err);

struct turnctl_route {
	int ifindex;                 /* egress device */
	bool gatewayed;              /* @next_hop is a gateway, not the destination itself */
	struct turnctl_ip next_hop;  /* whose neighbour entry gives the MAC */
	struct turnctl_ip source;    /* preferred source the kernel would choose */
	int mtu;                     /* route (path) MTU in bytes if the kernel has one, else the device's */
	unsigned char type;          /* RTN_UNICAST, RTN_LOCAL, ... */
};

/*
 * The route the kernel would take to @dst with source address @src (NULL: none given), as
 * `ip route get DST from SRC` says for a locally generated packet, policy rules included.
 * -ENETUNREACH / -EHOSTUNREACH when there is none.
 */
int turnctl_route_get(const struct turnctl_ip *dst, const struct turnctl_ip *src,
		      struct turnctl_route *route, struct turnctl_error *err);

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
 * error. *@was_managed (may be NULL) says whether it already was before the call, so that a
 * caller does not take away what somebody else had set. A permanent or noarp entry never ages:
 * it is left as it is and counts as managed. The kernel deletes managed entries when the device
 * goes down or loses its carrier. -EOPNOTSUPP: not an Ethernet device, or an older kernel.
 */
int turnctl_neigh_manage(int ifindex, const struct turnctl_ip *ip, bool on, bool *was_managed,
			 struct turnctl_error *err);

/* "192.0.2.1" or "2001:db8::1" and back. Parse: 0, or -EINVAL. Format: returns @buf. */
int turnctl_ip_parse(const char *text, struct turnctl_ip *ip);
const char *turnctl_ip_format(const struct turnctl_ip *ip, char *buf, size_t size);

#endif
