// SPDX-License-Identifier: GPL-2.0
/*
 * turn_strip: on the devmap entry of the way to a peer. The headers are the new ones already;
 * between them and the data lies the ChannelData header. Moves them over it.
 */
#include "shift.h"

SEC("xdp/devmap")
int turn_strip_exit(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct turn_raw_headers headers;
	__u32 ip_len;

	if (data + PACKET_HEADERS + CHANNEL_HEADER > end)
		return XDP_ABORTED;
	ip_len = packet_be16(((struct iphdr *)(data + PACKET_IP_OFFSET))->tot_len);
	headers = *(struct turn_raw_headers *)data;
	*(struct turn_raw_headers *)(data + CHANNEL_HEADER) = headers;
	if (bpf_xdp_adjust_head(ctx, CHANNEL_HEADER) || turn_trim(ctx, ETH_HLEN + ip_len))
		return XDP_ABORTED;
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
