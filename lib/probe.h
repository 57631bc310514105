/* SPDX-License-Identifier: GPL-2.0 */
/* What a device's driver can do with XDP, as the kernel tells it (Linux 6.3, netdev family of
 * generic netlink). */
#ifndef TURNCTL_PROBE_H
#define TURNCTL_PROBE_H

#include <linux/types.h>

/* Bits of linux/netdev.h, which Debian 12's headers do not have yet. */
enum turnctl_xdp_feature {
	TURNCTL_XDP_BASIC = 1 << 0,    /* runs programs in native mode */
	TURNCTL_XDP_REDIRECT = 1 << 1, /* can redirect out of itself */
	TURNCTL_XDP_XMIT = 1 << 2,     /* can transmit what others redirect to it, at this moment */
};

/* Fills @features for the device @ifindex. -EOPNOTSUPP where the kernel does not tell. */
int turnctl_xdp_features(int ifindex, __u64 *features);

#endif
