/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a device's driver can do with XDP. There are two ways to know:
 *
 *   by asking   Linux 6.3 and later tell (netdev family of generic netlink)
 *   by trying   before, whether redirected frames are transmitted shows in what becomes of one
 *               (turn_probe), with live frames of BPF_PROG_TEST_RUN, Linux 5.18
 */
#ifndef TURNCTL_PROBE_H
#define TURNCTL_PROBE_H

#include <linux/types.h>

#include "error.h"

/* Bits of linux/netdev.h, which Debian 12's headers do not have yet. */
enum turnctl_xdp_feature {
	TURNCTL_XDP_BASIC = 1 << 0,    /* runs programs in native mode */
	TURNCTL_XDP_REDIRECT = 1 << 1, /* can redirect out of itself */
	TURNCTL_XDP_XMIT = 1 << 2,     /* can transmit what others redirect to it, at this moment */
};

/* Fills @features for the device @ifindex. -EOPNOTSUPP where the kernel does not tell. */
int turnctl_xdp_features(int ifindex, __u64 *features);

/*
 * Does @device transmit what is redirected to it in native mode? By asking, else by trying: then
 * frames of 60 bytes leave by it, one as a rule, from its own address @mac (6 bytes) to the same,
 * EtherType 0x9000. Returns 1 (yes), 0 (no), or a negative errno and *@err: it cannot be known.
 */
int turnctl_xdp_transmits(int ifindex, const char *device, const __u8 *mac,
			  struct turnctl_error *err);

#endif
