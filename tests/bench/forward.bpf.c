// SPDX-License-Identifier: GPL-2.0
/*
 * The yardsticks. bench_swap sends a frame back. bench_to_peer and bench_to_client are the least
 * that any TURN relay must do, written as well as we can: one lookup, then the new headers, the
 * UDP checksum by difference, the IP checksum, TTL - 1, the shift by four bytes, the way out. They
 * know nothing of servers, lifetimes, heartbeats, counters per channel, wrong checksums or what
 * else a frame may be but ChannelData or a peer's.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "bench.h"
#include "channel.h"
#include "packet.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, struct turn_key4);
	__type(value, struct bench_flow);
} bench_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 4);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct bpf_devmap_val));
} bench_exits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bench_stats);
} bench_stats SEC(".maps");

static __always_inline void bench_count(__u32 bytes)
{
	__u32 zero = 0;
	struct bench_stats *stats = bpf_map_lookup_elem(&bench_stats, &zero);

	if (!stats)
		return;
	stats->packets++;
	stats->bytes += bytes;
}

SEC("xdp")
int bench_swap(struct xdp_md *ctx)
{
	__u16 *mac = (void *)(long)ctx->data;
	__u16 a, b, c;

	if ((void *)(mac + 7) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	a = mac[0];
	b = mac[1];
	c = mac[2];
	mac[0] = mac[3];
	mac[1] = mac[4];
	mac[2] = mac[5];
	mac[3] = a;
	mac[4] = b;
	mac[5] = c;
	bench_count(0);
	return XDP_TX;
}

static __always_inline int bench_forward(struct xdp_md *ctx, const int to_peer)
{
	const int shift = to_peer ? (int)CHANNEL_HEADER : -(int)CHANNEL_HEADER;
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct channel_header *channel;
	struct turn_key4 key = {};
	struct bench_flow *flow;
	__u32 length, ip_len, tos, sum;
	__u64 udp_sum;
	__u16 check, id_le, frag, old_udp_len;
	struct packet p;
	__u8 ttl;

	if (packet_udp4(data, end, &p))
		return XDP_PASS;
	key.saddr = p.ip->saddr;
	key.daddr = p.ip->daddr;
	key.sport = p.udp->source;
	key.dport = p.udp->dest;
	length = packet_be16(p.udp->len) - sizeof(struct udphdr);
	if (to_peer) {
		channel = (void *)p.payload;
		if ((void *)(channel + 1) > end || !channel_number_ok(packet_be16(channel->number)))
			return XDP_PASS;
		key.channel = channel->number;
		if (packet_be16(channel->length) + CHANNEL_HEADER != length)
			return XDP_PASS;
		length -= CHANNEL_HEADER;
	}
	flow = bpf_map_lookup_elem(&bench_flows, &key);
	if (!flow || p.ip->ttl <= 1 || bpf_redirect_map(&bench_exits, flow->exit, 0) != XDP_REDIRECT)
		return XDP_PASS;

	tos = p.ip->tos;
	id_le = p.ip->id;
	frag = p.ip->frag_off;
	ttl = p.ip->ttl - 1;
	check = p.udp->check;
	old_udp_len = p.udp->len;
	ip_len = sizeof(struct iphdr) + sizeof(struct udphdr) + length +
		 (to_peer ? 0 : CHANNEL_HEADER);

	if (bpf_xdp_adjust_head(ctx, shift))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + PACKET_HEADERS + (to_peer ? 0 : CHANNEL_HEADER) > end)
		return XDP_ABORTED;

	if (check) {
		udp_sum = csum_minus16(check) + csum_minus32(key.saddr) + csum_minus32(key.daddr) +
			  csum_minus16(key.sport) + csum_minus16(key.dport) +
			  2 * csum_minus16(old_udp_len) + flow->saddr + flow->daddr + flow->sport +
			  flow->dport + 2 * (__u64)packet_be16(ip_len - sizeof(struct iphdr));
		if (to_peer)
			udp_sum += csum_minus16(key.channel) + csum_minus16(packet_be16(length));
		else
			udp_sum += (__u64)flow->channel + packet_be16(length);
		check = csum_udp_finish(udp_sum);
	}
	/* the IP checksum of the words as they will lie in memory */
	sum = packet_be16(0x4500 | tos) + packet_be16(ip_len) + id_le + frag +
	      packet_be16(ttl << 8 | IPPROTO_UDP);

	__u16 *mac = data;
	struct iphdr *ip = data + PACKET_IP_OFFSET;
	struct udphdr *udp = data + PACKET_UDP_OFFSET;

	mac[0] = flow->macs[0];
	mac[1] = flow->macs[1];
	mac[2] = flow->macs[2];
	mac[3] = flow->macs[3];
	mac[4] = flow->macs[4];
	mac[5] = flow->macs[5];
	mac[6] = packet_be16(ETH_P_IP);
	*(__be16 *)ip = packet_be16(0x4500 | tos);
	ip->tot_len = packet_be16(ip_len);
	ip->id = id_le;
	ip->frag_off = frag;
	*(__be16 *)&ip->ttl = packet_be16(ttl << 8 | IPPROTO_UDP);
	ip->check = ~csum_fold((__u64)sum + flow->saddr + flow->daddr);
	ip->saddr = flow->saddr;
	ip->daddr = flow->daddr;
	udp->source = flow->sport;
	udp->dest = flow->dport;
	udp->len = packet_be16(ip_len - sizeof(struct iphdr));
	udp->check = check;
	if (!to_peer) {
		channel = data + PACKET_HEADERS;
		channel->number = flow->channel;
		channel->length = packet_be16(length);
	}
	bench_count(length);
	return XDP_REDIRECT;
}

SEC("xdp")
int bench_to_peer(struct xdp_md *ctx)
{
	return bench_forward(ctx, 1);
}

SEC("xdp")
int bench_to_client(struct xdp_md *ctx)
{
	return bench_forward(ctx, 0);
}

char _license[] SEC("license") = "GPL";
