/* SPDX-License-Identifier: GPL-2.0 */
/* The frames that are sent through the programs, and the one small network that they are from. */
#ifndef TURN_BENCH_FRAMES_H
#define TURN_BENCH_FRAMES_H

#include <linux/if_ether.h>
#include <linux/types.h>

#include "packet.h"

#define BENCH_CLIENT 0xc633640a /* 198.51.100.10 */
#define BENCH_SERVER 0xcb007105 /* 203.0.113.5: listener and relay */
#define BENCH_PEER 0xc0000214   /* 192.0.2.20 */
#define BENCH_LISTENER_PORT 3478
#define BENCH_PEER_PORT 7000
/* of the first channel; each further one is one higher */
#define BENCH_CLIENT_PORT 20000
#define BENCH_RELAY_PORT 49152
#define BENCH_CHANNEL 0x4001 /* the number that every client uses */
#define BENCH_DATA 160       /* bytes of application data */
#define BENCH_MOST_CHANNELS 16384

extern const __u8 bench_own_mac[ETH_ALEN], bench_hop_mac[ETH_ALEN];

struct bench_frame {
	__u8 bytes[1024];
	__u32 length;
};

enum bench_kind {
	BENCH_CHANNELDATA, /* from the first client */
	BENCH_PEERDATA,    /* to the first relayed address */
	BENCH_OTHER_UDP,   /* to a port that nothing of ours uses */
	BENCH_OTHER_TCP,
	BENCH_OTHER_ARP,
	BENCH_UNBOUND, /* ChannelData, to the listener, of a channel that is not bound */
	BENCH_BIND,    /* a ChannelBind request to the listener */
};

void bench_frame_make(struct bench_frame *frame, enum bench_kind kind);

#endif
