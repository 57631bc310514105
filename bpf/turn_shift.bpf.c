// SPDX-License-Identifier: GPL-2.0
/*
 * turn_shift: on the entries of the devmap that the chained stages redirect into. The frame has
 * its new headers already, lengths and checksums included; here they are moved by the four bytes
 * of the ChannelData header as the frame leaves. What is to be done stands in the EtherType:
 *
 *   TURN_ETH_STRIP     to a peer: cut the ChannelData header out
 *   a channel number   to a client: insert a ChannelData header with that number
 *   anything else      somebody else's frame: leave it alone
 *
 * One program for both ways, and one that knows its own frames, since the kernel gathers what is
 * redirected to a device in one NAPI poll into one bulk, and runs the first frame's program on all
 * of them (bq_enqueue() in kernel/bpf/devmap.c, up to Linux 6.18 at least).
 *
 * There is no going back here: a frame that cannot be shifted is lost, and the tracepoint
 * xdp:xdp_exception tells.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "channel.h"
#include "packet.h"
#include "shift.h"

struct turn_raw_headers {
	__u8 bytes[PACKET_HEADERS];
} __attribute__((packed, aligned(2)));

/* Restores the EtherType, and cuts what lies behind the IP packet: padding of ChannelData and of
 * Ethernet. */
static __always_inline int turn_finish(struct xdp_md *ctx, __u32 ip_len)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 excess = (end - data) - (ETH_HLEN + ip_len);
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > end)
		return XDP_ABORTED;
	eth->h_proto = packet_be16(ETH_P_IP);
	if ((int)excess > 0 && bpf_xdp_adjust_tail(ctx, -(int)excess))
		return XDP_ABORTED;
	return XDP_PASS;
}

static __always_inline int turn_strip(struct xdp_md *ctx, __u32 ip_len)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct turn_raw_headers headers;

	if (data + PACKET_HEADERS + CHANNEL_HEADER > end)
		return XDP_ABORTED;
	headers = *(struct turn_raw_headers *)data;
	*(struct turn_raw_headers *)(data + CHANNEL_HEADER) = headers;
	if (bpf_xdp_adjust_head(ctx, CHANNEL_HEADER))
		return XDP_ABORTED;
	return turn_finish(ctx, ip_len);
}

static __always_inline int turn_insert(struct xdp_md *ctx, __u32 ip_len, __be16 number)
{
	struct channel_header *channel;
	struct turn_raw_headers headers;
	void *data, *end;

	if (bpf_xdp_adjust_head(ctx, -(int)CHANNEL_HEADER))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + CHANNEL_HEADER + PACKET_HEADERS > end)
		return XDP_ABORTED;
	headers = *(struct turn_raw_headers *)(data + CHANNEL_HEADER);
	*(struct turn_raw_headers *)data = headers;
	channel = data + PACKET_HEADERS;
	channel->number = number;
	channel->length = packet_be16(ip_len - sizeof(struct iphdr) - sizeof(struct udphdr) -
				      CHANNEL_HEADER);
	return turn_finish(ctx, ip_len);
}

SEC("xdp/devmap")
int turn_shift(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + PACKET_IP_OFFSET;
	__be16 mark;

	/* no EtherType of ours is that of IPv4, and what follows it always is IPv4 */
	if (data + PACKET_HEADERS > end || *(__u8 *)ip != 0x45)
		return XDP_PASS;
	mark = eth->h_proto;
	if (mark == packet_be16(TURN_ETH_STRIP))
		return turn_strip(ctx, packet_be16(ip->tot_len));
	if (channel_number_ok(packet_be16(mark)))
		return turn_insert(ctx, packet_be16(ip->tot_len), mark);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
