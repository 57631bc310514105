// SPDX-License-Identifier: GPL-2.0
/*
 * turn_insert: on the devmap entry of the way to a client. The headers are the new ones, lengths
 * and checksums included, and the channel's number stands where the EtherType was. Makes room,
 * writes the ChannelData header, restores the EtherType.
 */
#include "shift.h"

SEC("xdp/devmap")
int turn_insert_exit(struct xdp_md *ctx)
{
	struct channel_header *channel;
	struct turn_raw_headers headers;
	void *data, *end;
	struct ethhdr *eth;
	__u32 ip_len;

	if (bpf_xdp_adjust_head(ctx, -(int)CHANNEL_HEADER))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + CHANNEL_HEADER + PACKET_HEADERS > end)
		return XDP_ABORTED;
	headers = *(struct turn_raw_headers *)(data + CHANNEL_HEADER);
	*(struct turn_raw_headers *)data = headers;

	eth = data;
	channel = data + PACKET_HEADERS;
	ip_len = packet_be16(((struct iphdr *)(data + PACKET_IP_OFFSET))->tot_len);
	channel->number = eth->h_proto;
	channel->length = packet_be16(ip_len - sizeof(struct iphdr) - sizeof(struct udphdr) -
				      CHANNEL_HEADER);
	eth->h_proto = packet_be16(ETH_P_IP);
	return turn_trim(ctx, ETH_HLEN + ip_len) ? XDP_ABORTED : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
