/* SPDX-License-Identifier: GPL-2.0 */
/* What the two programs on the devmaps' entries share. They run as the frame leaves, where there
 * is no going back: a frame that cannot be shifted is lost, and the kernel's xdp:xdp_exception
 * tracepoint tells. */
#ifndef TURN_SHIFT_H
#define TURN_SHIFT_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "channel.h"
#include "packet.h"

struct turn_raw_headers {
	__u8 bytes[PACKET_HEADERS];
} __attribute__((packed, aligned(2)));

/* Cuts what lies behind the IP packet: ChannelData padding, Ethernet padding. */
static __always_inline int turn_trim(struct xdp_md *ctx, __u32 frame_len)
{
	__u32 have = ctx->data_end - ctx->data;

	return have > frame_len ? bpf_xdp_adjust_tail(ctx, (int)(frame_len - have)) : 0;
}

#endif
