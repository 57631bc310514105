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

/* What the old headers give to the new ones. */
struct bench_old {
	struct turn_key4 key;
	__u32 length; /* of the application data */
	__u16 check, id;
	__be16 udp_len;
	__u8 tos, ttl;
};

/* The UDP checksum by difference (RFC 1624), as turn_udp_check() does it. */
static __always_inline __u16 bench_check(const struct bench_old *old, const struct bench_flow *flow,
					 const int to_peer, __be16 udp_len)
{
	const struct turn_key4 *key = &old->key;
	__u64 before, after;

	if (!old->check)
		return 0;
	before = (__u64)key->saddr + key->daddr + key->sport + key->dport + 2 * old->udp_len;
	after = (__u64)flow->saddr + flow->daddr + flow->sport + flow->dport + 2 * udp_len;
	if (to_peer)
		before += key->channel + packet_be16(old->length);
	else
		after += flow->channel + packet_be16(old->length);
	return csum_udp_finish(csum_minus(old->check + before) + after);
}

/* Writes the new headers at @data. The IP checksum is summed from what is written, not from what
 * was: a load would wait for the narrower stores before it. */
static __always_inline void bench_write(void *data, const struct bench_old *old,
					const struct bench_flow *flow, const int to_peer)
{
	__u32 ip_len = sizeof(struct iphdr) + sizeof(struct udphdr) + old->length +
		       (to_peer ? 0 : CHANNEL_HEADER);
	__u16 first = packet_be16(0x4500 | old->tos), len = packet_be16(ip_len);
	__be16 udp_len = packet_be16(ip_len - sizeof(struct iphdr));
	__u16 ttl = packet_be16((old->ttl - 1) << 8 | IPPROTO_UDP);
	struct udphdr *udp = data + PACKET_UDP_OFFSET;
	struct iphdr *ip = data + PACKET_IP_OFFSET;
	__u16 *mac = data;

	mac[0] = flow->macs[0];
	mac[1] = flow->macs[1];
	mac[2] = flow->macs[2];
	mac[3] = flow->macs[3];
	mac[4] = flow->macs[4];
	mac[5] = flow->macs[5];
	mac[6] = packet_be16(ETH_P_IP);
	*(__u16 *)ip = first;
	ip->tot_len = len;
	ip->id = old->id;
	ip->frag_off = 0;
	*(__u16 *)&ip->ttl = ttl;
	ip->check = ~csum_fold((__u64)first + len + old->id + ttl + flow->saddr + flow->daddr);
	ip->saddr = flow->saddr;
	ip->daddr = flow->daddr;
	udp->source = flow->sport;
	udp->dest = flow->dport;
	udp->len = udp_len;
	udp->check = bench_check(old, flow, to_peer, udp_len);
}

static __always_inline int bench_forward(struct xdp_md *ctx, const int to_peer)
{
	const int shift = to_peer ? (int)CHANNEL_HEADER : -(int)CHANNEL_HEADER;
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct channel_header *channel;
	struct bench_old old = {};
	struct bench_flow *flow;
	struct packet p;

	if (packet_udp4(data, end, &p) || p.ip->ttl <= 1)
		return XDP_PASS;
	old.key.saddr = p.ip->saddr;
	old.key.daddr = p.ip->daddr;
	old.key.sport = p.udp->source;
	old.key.dport = p.udp->dest;
	old.length = packet_be16(p.udp->len) - sizeof(struct udphdr);
	if (to_peer) {
		channel = (void *)p.payload;
		if ((void *)(channel + 1) > end || !channel_number_ok(packet_be16(channel->number)))
			return XDP_PASS;
		old.key.channel = channel->number;
		old.length -= CHANNEL_HEADER;
		if (packet_be16(channel->length) != old.length)
			return XDP_PASS;
	}
	flow = bpf_map_lookup_elem(&bench_flows, &old.key);
	if (!flow || bpf_redirect_map(&bench_exits, flow->exit, XDP_PASS) != XDP_REDIRECT)
		return XDP_PASS;
	old.tos = p.ip->tos;
	old.id = p.ip->id;
	old.ttl = p.ip->ttl;
	old.check = p.udp->check;
	old.udp_len = p.udp->len;

	if (bpf_xdp_adjust_head(ctx, shift))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	channel = data + PACKET_HEADERS;
	if ((void *)channel + (to_peer ? 0 : CHANNEL_HEADER) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	bench_write(data, &old, flow, to_peer);
	if (!to_peer) {
		channel->number = flow->channel;
		channel->length = packet_be16(old.length);
	}
	bench_count(old.length);
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
