/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Devices, as the kernel tells of them over rtnetlink now: nothing is cached between calls.
 * Errors: negative errno and a message in @err (see error.h).
 */
#ifndef TURNCTL_LINK_H
#define TURNCTL_LINK_H

#include <linux/if.h>
#include <linux/types.h>
#include <stdbool.h>

#include "error.h"

struct turnctl_link {
	int ifindex;
	char name[IFNAMSIZ];
	__u8 mac[6];
	bool ethernet; /* ARPHRD_ETHER with a 6-byte address */
	bool up;       /* IFF_UP */
	bool carrier;  /* IFF_RUNNING */
	int mtu;       /* bytes, IP packet */
	char kind[16]; /* rtnl link kind ("veth", "vlan", "bridge", ...), "" for hardware */
};

/* One device by name or by index. -ENODEV when there is none (the message names it). */
int turnctl_link_by_name(const char *name, struct turnctl_link *link, struct turnctl_error *err);
int turnctl_link_by_index(int ifindex, struct turnctl_link *link, struct turnctl_error *err);

#endif
