/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fast path: find the flow of a frame, judge whether it may be relayed, and if so send it on.
 *
 * Decide, then write: every check comes before the first written byte, so that a frame that is
 * not relayed reaches the stack as it came. One routine (turn_write) writes the new headers, for
 * both directions and for both ways to install:
 *
 *   chained  Recent kernels refuse programs that resize a packet in the dispatchers that are in
 *            use. The headers are written in place, and a program on the devmap's entry
 *            (turn_shift) moves them as the frame leaves. What it needs to know travels in the
 *            EtherType field.
 *   fused    The frame is resized here.
 */
#ifndef TURN_RELAY_H
#define TURN_RELAY_H

#include <stdbool.h>

#include "channel.h"
#include "count.h"
#include "packet.h"
#include "ports.h"
#include "shift.h"

/* What a stage makes of a frame, besides the enum turn_reason for which it leaves it alone. */
enum turn_verdict {
	TURN_DUE = TURN_REASON_COUNT, /* a known flow's, past its deadline: not decided here */
	TURN_STRANGER,                /* no flow's */
	TURN_RELAY,                   /* may be relayed */
	TURN_RELAYED,                 /* is on its way: return XDP_REDIRECT */
};

/* One frame and what is known of it. */
struct turn_view {
	struct packet p;
	void *end;
	struct turn_key4 *key; /* elsewhere, so that the rest can be kept in registers */
	struct turn_flow *flow;
	bool to_peer;
	__u64 pseudo;  /* sum of the UDP pseudo header */
	__u32 length;  /* of the application data */
	__u32 surplus; /* bytes of ChannelData padding behind it */
};

/* The fields of the new headers that do not stand in the flow. */
struct turn_headers {
	__be16 ethertype;
	__u8 tos, ttl;
	__be16 ip_len, id;
	__be16 udp_len;
	__u16 udp_check;
};

static __always_inline int turn_same_mac(const __u8 *a, const volatile __u8 *b)
{
	const __u16 *x = (const __u16 *)a;
	const volatile __u16 *y = (const volatile __u16 *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]));
}

/* Is the frame one that the fast path can read, and at a port of ours? Points @v into it. */
static __always_inline int turn_look(struct xdp_md *ctx, struct turn_view *v,
				     struct turn_key4 *key)
{
	void *data = (void *)(long)ctx->data;

	*v = (struct turn_view){ .end = (void *)(long)ctx->data_end, .key = key };
	if (packet_udp4(data, v->end, &v->p) || !turn_port_used(v->p.udp->dest))
		return 0;
	key->saddr = v->p.ip->saddr;
	key->daddr = v->p.ip->daddr;
	key->sport = v->p.udp->source;
	key->dport = v->p.udp->dest;
	key->channel = 0;
	key->zero = 0;
	return 1;
}

/* The flow of ChannelData from a client. */
static __always_inline void turn_find_cli2rem(struct turn_view *v)
{
	const struct channel_header *header = (const void *)v->p.payload;

	if ((void *)(header + 1) > v->end || !channel_number_ok(packet_be16(header->number)))
		return;
	v->to_peer = true;
	v->key->channel = header->number;
	v->flow = bpf_map_lookup_elem(&turn_flows, v->key);
}

/* The flow of a peer's packet. */
static __always_inline void turn_find_rem2cli(struct turn_view *v)
{
	v->to_peer = false;
	v->key->channel = 0;
	v->flow = bpf_map_lookup_elem(&turn_flows, v->key);
}

/* Is the frame sound and addressed to us? Sets @v->length, @v->surplus and, if it is, @v->pseudo.
 * TURN_RELAY or why not. */
static __always_inline __u32 turn_inspect(struct turn_view *v)
{
	int payload, surplus = 0;

	if (!turn_same_mac(v->p.eth->h_dest, turn_self.mac))
		return TURN_REASON_OTHER_MAC;
	payload = packet_udp4_whole(&v->p, v->end - (void *)v->p.eth);
	if (payload < 0)
		return TURN_REASON_LENGTH;
	v->length = payload;
	if (v->to_peer) {
		const struct channel_header *header = (const void *)v->p.payload;

		if ((void *)(header + 1) > v->end)
			return TURN_REASON_CHANNEL_LENGTH;
		v->length = packet_be16(header->length);
		surplus = channel_surplus(v->length, payload);
		if (surplus < 0)
			return TURN_REASON_CHANNEL_LENGTH;
	}
	v->surplus = surplus;
	if (v->p.ip->ttl <= 1)
		return TURN_REASON_TTL;
	if (csum_ip4(v->p.ip) != 0xffff)
		return TURN_REASON_IP_CHECKSUM;
	v->pseudo = csum_pseudo4(v->p.ip->saddr, v->p.ip->daddr, v->p.udp->len);
	if (csum_is_partial(v->p.udp->check, v->pseudo))
		return TURN_REASON_PARTIAL_CHECKSUM;
	return TURN_RELAY;
}

/* Length of the IP packet that this one becomes. */
static __always_inline __u32 turn_new_ip_len(const struct turn_view *v)
{
	return sizeof(struct iphdr) + sizeof(struct udphdr) + v->length +
	       (v->to_peer ? 0 : CHANNEL_HEADER);
}

/* (The kernel looks at the length before the exit has cut the padding off.) */
static __always_inline int turn_fits(const struct turn_view *v)
{
	return turn_new_ip_len(v) + v->surplus <= v->flow->mtu;
}

/* May the flow be relayed now? TURN_RELAY, TURN_DUE or why not. */
static __always_inline __u32 turn_judge(const struct turn_view *v)
{
	const struct turn_flow *flow = v->flow;
	const struct turn_slot *slot;
	__u32 index = flow->slot;

	if (bpf_jiffies64() >= flow->deadline)
		return TURN_DUE;
	slot = bpf_map_lookup_elem(&turn_slots, &index);
	if (!slot || slot->epoch != flow->epoch)
		return TURN_REASON_ENDED;
	if (!turn_fits(v))
		return TURN_REASON_MTU;
	return TURN_RELAY;
}

/* The share of the padding behind the application data in the UDP checksum, to take away.
 * Which half of its 16-bit word a byte lies in depends on where the data ends. */
static __always_inline __u64 turn_surplus_sum(const struct turn_view *v)
{
	__u8 pad[4] = {};
	__u32 odd = v->length & 1;
	const __u8 *at = v->p.payload + CHANNEL_HEADER + (v->length & PACKET_LONGEST);

	if (!v->surplus)
		return 0;
	if ((void *)(at + 1) > v->end)
		return 0; /* cannot be: turn_inspect has seen that the frame holds it all */
	pad[0] = at[0];
	if (v->surplus > 1 && (void *)(at + 2) <= v->end)
		pad[1] = at[1];
	if (v->surplus > 2 && (void *)(at + 3) <= v->end)
		pad[2] = at[2];
	/* as words in memory order; one byte further when the data has an odd length */
	if (odd)
		return (__u64)packet_be16(pad[0]) +
		       packet_be16((__u16)(pad[1] << 8 | pad[2]));
	return (__u64)packet_be16((__u16)(pad[0] << 8 | pad[1])) +
	       packet_be16((__u16)(pad[2] << 8));
}

/*
 * The UDP checksum after the rewrite: incremental (RFC 1624), so that a wrong one stays wrong.
 * The length counts twice, in the pseudo header and in the header. None (0) stays none.
 */
static __always_inline __u16 turn_udp_check(const struct turn_view *v, __be16 new_len)
{
	const struct turn_flow *flow = v->flow;
	const struct udphdr *udp = v->p.udp;
	__u64 old, new, sum;

	if (!udp->check)
		return 0;
	old = v->pseudo + udp->source + udp->dest + udp->len + udp->check;
	new = csum_pseudo4(flow->saddr.v4, flow->daddr.v4, new_len) + flow->sport + flow->dport +
	      new_len;
	/* the ChannelData header that goes or comes */
	if (v->to_peer)
		old += flow->channel + packet_be16(v->length);
	else
		new += flow->channel + packet_be16(v->length);
	sum = csum_minus(old) + new;
	packet_opaque(sum); /* one register from here on: the compiler would keep a dozen */
	return csum_udp_finish(sum - turn_surplus_sum(v));
}

/* Works out the new headers. */
static __always_inline void turn_prepare(const struct turn_view *v, struct turn_headers *h)
{
	__u32 ip_len = turn_new_ip_len(v);

	h->tos = v->p.ip->tos;
	h->ttl = v->p.ip->ttl - 1;
	h->ip_len = packet_be16(ip_len);
	h->udp_len = packet_be16(ip_len - sizeof(struct iphdr));
	h->udp_check = turn_udp_check(v, h->udp_len);
}

/*
 * Counts the frame as relayed: from here on it is. DF is never set: routers that have a smaller MTU
 * fragment then, instead of telling us by an ICMP message that nothing here would read. So every
 * packet gets an ID of its own (RFC 6864).
 */
static __always_inline void turn_relayed(const struct turn_view *v, struct turn_headers *h)
{
	struct turn_stats *stats = turn_count();
	struct turn_flow *flow = v->flow;
	__u64 sequence;

	if (flow->owner == turn_this_cpu()) {
		sequence = flow->own.packets++;
		flow->own.bytes += v->length;
	} else {
		sequence = ~__sync_fetch_and_add(&flow->others.packets, 1); /* from the other end */
		__sync_fetch_and_add(&flow->others.bytes, v->length);
	}
	h->id = packet_be16(sequence + flow->sport);
	if (!stats)
		return;
	if (v->to_peer) {
		stats->to_peer_packets++;
		stats->to_peer_bytes += v->length;
	} else {
		stats->to_client_packets++;
		stats->to_client_bytes += v->length;
	}
}

/* By words: struct ethhdr is packed, so that a memcpy into it would go byte by byte. */
static __always_inline void turn_copy_mac(__u8 *to, const __u8 *from)
{
	__u16 *a = (__u16 *)to;
	const __u16 *b = (const __u16 *)from;

	a[0] = b[0];
	a[1] = b[1];
	a[2] = b[2];
}

/* Writes the new headers at @at, 42 bytes. */
static __always_inline void turn_write(void *at, const struct turn_flow *flow,
				       const struct turn_headers *h)
{
	struct ethhdr *eth = at;
	struct iphdr *ip = at + PACKET_IP_OFFSET;
	struct udphdr *udp = at + PACKET_UDP_OFFSET;
	/* summed from registers: a load of what was just written in narrower pieces would wait */
	__u16 version_tos = packet_be16(0x4500 | h->tos);
	__u16 ttl_protocol = packet_be16(h->ttl << 8 | IPPROTO_UDP);

	turn_copy_mac(eth->h_dest, flow->dmac);
	turn_copy_mac(eth->h_source, flow->smac);
	eth->h_proto = h->ethertype;
	*(__u16 *)ip = version_tos;
	ip->tot_len = h->ip_len;
	ip->id = h->id;
	ip->frag_off = 0;
	*(__u16 *)&ip->ttl = ttl_protocol;
	ip->check = ~csum_fold((__u64)version_tos + h->ip_len + h->id + ttl_protocol +
			       flow->saddr.v4 + flow->daddr.v4);
	ip->saddr = flow->saddr.v4;
	ip->daddr = flow->daddr.v4;
	udp->source = flow->sport;
	udp->dest = flow->dport;
	udp->len = h->udp_len;
	udp->check = h->udp_check;
}

/* Sends the frame on with the shift left to the exit. TURN_RELAYED, or why it was not touched. */
static __always_inline __u32 turn_emit_chained(struct turn_view *v)
{
	struct turn_flow *flow = v->flow;
	struct turn_headers h;

	if (bpf_redirect_map(&turn_exits, flow->ifindex, XDP_PASS) != XDP_REDIRECT)
		return TURN_REASON_NO_DEVICE;
	turn_prepare(v, &h);
	h.ethertype = v->to_peer ? packet_be16(TURN_ETH_STRIP) : flow->channel;
	turn_relayed(v, &h);
	turn_write(v->p.eth, flow, &h);
	return TURN_RELAYED;
}

/* Sends the frame on, resized here. */
static __always_inline __u32 turn_emit_fused(struct xdp_md *ctx, struct turn_view *v)
{
	int shift = v->to_peer ? (int)CHANNEL_HEADER : -(int)CHANNEL_HEADER;
	int excess = (int)(v->end - (void *)v->p.eth) - shift -
		     (int)(ETH_HLEN + turn_new_ip_len(v));
	struct turn_flow *flow = v->flow;
	struct channel_header *header;
	struct turn_headers h;
	void *data;

	if (bpf_redirect_map(&turn_plain, flow->ifindex, XDP_PASS) != XDP_REDIRECT)
		return TURN_REASON_NO_DEVICE;
	turn_prepare(v, &h);
	h.ethertype = packet_be16(ETH_P_IP);
	if (bpf_xdp_adjust_head(ctx, shift))
		return TURN_REASON_NO_DEVICE;
	if (excess > 0 && bpf_xdp_adjust_tail(ctx, -excess)) {
		bpf_xdp_adjust_head(ctx, -shift);
		return TURN_REASON_NO_DEVICE;
	}
	data = (void *)(long)ctx->data;
	header = data + PACKET_HEADERS;
	if ((void *)(header + 1) > (void *)(long)ctx->data_end) {
		/* an empty datagram: there is room for the headers only */
		if ((void *)header > (void *)(long)ctx->data_end) {
			bpf_xdp_adjust_head(ctx, -shift);
			return TURN_REASON_LENGTH;
		}
	} else if (!v->to_peer) {
		header->number = flow->channel;
		header->length = packet_be16(v->length);
	}
	turn_relayed(v, &h);
	turn_write(data, flow, &h);
	return TURN_RELAYED;
}

/* Relays the frame of a known flow if it is sound and the flow is live. */
static __always_inline __u32 turn_relay(struct xdp_md *ctx, struct turn_view *v, int fused)
{
	__u32 verdict = turn_inspect(v);

	if (verdict == TURN_RELAY)
		verdict = turn_judge(v);
	if (verdict == TURN_RELAY)
		verdict = fused ? turn_emit_fused(ctx, v) : turn_emit_chained(v);
	return verdict;
}

/* The two stages. TURN_STRANGER, TURN_RELAYED, TURN_DUE or an enum turn_reason. */
static __always_inline __u32 turn_stage_cli2rem(struct xdp_md *ctx, struct turn_view *v, int fused)
{
	turn_find_cli2rem(v);
	return v->flow ? turn_relay(ctx, v, fused) : TURN_STRANGER;
}

static __always_inline __u32 turn_stage_rem2cli(struct xdp_md *ctx, struct turn_view *v, int fused)
{
	turn_find_rem2cli(v);
	return v->flow ? turn_relay(ctx, v, fused) : TURN_STRANGER;
}

#endif
