/* SPDX-License-Identifier: GPL-2.0 */
/* What a chained stage tells turn_shift by way of the EtherType field, besides a channel number. */
#ifndef TURN_SHIFT_H
#define TURN_SHIFT_H

/* Below 0x0600 a length stands there (IEEE 802.3), and no such frame holds IPv4 right behind it. */
#define TURN_ETH_STRIP 0x0001

#endif
