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
#include <stddef.h>

#include "error.h"

/* How many masters above each other are looked at: a bond in a bridge, and room. VLANs likewise. */
#define TURNCTL_MASTERS 4

struct turnctl_link {
	int ifindex;
	char name[IFNAMSIZ];
	__u8 mac[6];   /* of its frames for this host: a bridge's, bond's or team's, if it is a port */
	bool ethernet; /* ARPHRD_ETHER with a 6-byte address */
	bool up;       /* IFF_UP */
	bool carrier;  /* IFF_LOWER_UP */
	int mtu;       /* bytes, IP packet */
	int master;    /* index of what it is a port of (VRFs too), or 0 */
	char kind[16]; /* rtnl link kind ("veth", "vlan", "bridge", ...), "" for hardware */
};

/* Does a device of this kind stand for its ports, with its name and MAC address? A bridge, bond or
 * team does, a VRF does not. @kind may be NULL. */
bool turnctl_link_has_ports(const char *kind);

/* One device by name or by index. -ENODEV when there is none (the message names it). */
int turnctl_link_by_name(const char *name, struct turnctl_link *link, struct turnctl_error *err);
int turnctl_link_by_index(int ifindex, struct turnctl_link *link, struct turnctl_error *err);

/* All devices of this network namespace, each with its own MAC address, in memory that the caller
 * frees (NULL after an error). */
int turnctl_links_read(struct turnctl_link **list, size_t *count, struct turnctl_error *err);

typedef int turnctl_port_fn(const struct turnctl_link *port, void *data,
			    struct turnctl_error *err);

/* Of a bond, calls @each for every port, until one returns not 0, which is returned; other devices
 * have none. */
int turnctl_link_each_port(const struct turnctl_link *bond, turnctl_port_fn *each, void *data,
			   struct turnctl_error *err);

/* Room for the names of VLAN devices: three, and how many more. */
#define TURNCTL_VLAN_NAMES 96

/*
 * Does XDP take frames of VLAN devices above @link for the device's own? It does not see a tag that
 * is beside the frame already (skb->vlan_tci, a NIC's descriptor) rather than in it. VLAN devices,
 * also those above the bond or bridge that @link is a port of, count when they are in the network
 * namespace of the caller, be they up or down; those in another one cannot be seen from here.
 * Returns
 *
 *   TURNCTL_TAGS_IN_FRAME   0: no VLAN devices, or hardware that leaves 802.1Q tags in the frame,
 *                           that is with rx-vlan-offload off (ETHTOOL_GFLAGS)
 *   TURNCTL_TAGS_OFFLOADED  > 0: hardware that takes them off, until 'ethtool -K DEV rxvlan off'
 *   TURNCTL_TAGS_HIDDEN     > 0: there is no setting of this device to end it. A veth leaves tags
 *                           as its far end sent them (tx-vlan-offload there), and before what a
 *                           bond or a bridge has below it gives a frame to it, the kernel has taken
 *                           the tag off; so any device that is not hardware counts here. So do
 *                           VLAN devices of 802.1ad, whose tags have an offload of their own
 *
 * or a negative errno. @names receives the VLAN devices, as in "eth0.1, eth0.2, eth0.3 and 4 more",
 * "" when there are none.
 */
enum turnctl_tags { TURNCTL_TAGS_IN_FRAME, TURNCTL_TAGS_OFFLOADED, TURNCTL_TAGS_HIDDEN };

int turnctl_link_hides_tags(const struct turnctl_link *link, char names[TURNCTL_VLAN_NAMES],
			    struct turnctl_error *err);

struct turnctl_queues {
	char driver[32];
	unsigned int now, most; /* pairs of them, "combined" of ethtool -l */
};

/* A negative errno if the driver does not tell. */
int turnctl_link_queues(const struct turnctl_link *link, struct turnctl_queues *queues);

/* How many queues the stack transmits by; -1 if it cannot be told. */
int turnctl_link_transmit_queues(const struct turnctl_link *link);

#endif
