/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Doubts about a listener. An operator may have taken an echo service for a TURN server, and what
 * such a service "answers" is what its client has sent it. So of whoever sends the answer to an
 * Allocate *to* a listener's port, or what may be one, no allocation is learned for a while. This
 * covers what the fast path does not read: fragments, IP options, priority tags, other MACs.
 *
 * The doubt is about a client's address and port, by a time that others' packets can renew but
 * never remove: clients that share a place share its doubts, which costs speed only.
 */
#ifndef TURN_DOUBTS_H
#define TURN_DOUBTS_H

#include "count.h"
#include "relay.h"
#include "stun.h"

#define TURN_TAGS 4         /* most VLAN tags that are looked behind */
#define TURN_ALLOCATED (STUN_SUCCESS | STUN_ALLOCATE)

/* Since when there are doubts: about @tuple if there is one, else about everybody. */
static __always_inline __u32 *turn_doubt_place(const struct turn_key4 *tuple)
{
	__u32 zero = 0, place;
	struct turn_doubts *doubts = bpf_map_lookup_elem(&turn_doubts, &zero);

	if (!doubts)
		return NULL;
	if (!tuple)
		return &doubts->everybody;
	place = tuple->saddr * 0x9e3779b1u ^ ((__u32)tuple->sport << 16 | tuple->dport);
	place = place * 0x85ebca6bu >> 15;
	packet_opaque(place);
	return &doubts->about[place % TURN_DOUBTS];
}

static __always_inline void turn_doubt(const struct turn_key4 *tuple)
{
	struct turn_config *config = turn_configuration();
	__u32 *since = turn_doubt_place(tuple);

	if (since && config && config->hz)
		*(volatile __u32 *)since = bpf_jiffies64() / config->hz;
	turn_event(TURN_EVENT_ECHOED);
}

/* At @now, in seconds as the doubts are. (Another CPU's may be newer.) */
static __always_inline int turn_is_doubted(const struct turn_key4 *tuple, __u32 now)
{
	const __u32 *one = turn_doubt_place(tuple), *all = turn_doubt_place(NULL);

	return !one || !all || (__s32)(now - *one) <= TURN_ANSWER_LASTS ||
	       (__s32)(now - *all) <= TURN_ANSWER_LASTS;
}

static __always_inline int turn_is_tag(__be16 proto)
{
	return proto == packet_be16(ETH_P_8021Q) || proto == packet_be16(ETH_P_8021AD);
}

/*
 * A frame that turn_look() does not take. Behind tags with the VLAN 0 or options the stack finds
 * the datagram all the same. What does not even show the first two bytes of its payload, as no
 * client's first fragment does, may be an answer, too.
 */
static __always_inline void turn_doubt_unread(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *plain = (void *)(eth + 1), ip;
	struct turn_key4 tuple = {};
	__u32 at = ETH_HLEN, headers;
	__be16 proto, tag[2], type;
	struct turn_config *config;
	struct udphdr udp;
	int i;

	if ((void *)(plain + 1) > end)
		return;
	proto = eth->h_proto;
	if (proto == packet_be16(ETH_P_IP) &&
	    (plain->protocol != IPPROTO_UDP ||
	     (*(__u8 *)plain == 0x45 && !(plain->frag_off & packet_be16(PACKET_FRAGMENT)))))
		return; /* what most traffic is; at no port of ours */
	config = turn_configuration();
	if (!config)
		return;
	TURN_UNROLL
	for (i = 0; i < TURN_TAGS && turn_is_tag(proto); i++, at += sizeof(tag)) {
		if (bpf_xdp_load_bytes(ctx, at, tag, sizeof(tag)))
			return;
		proto = tag[1];
	}
	if (turn_is_tag(proto)) {
		turn_doubt(NULL);
		return;
	}
	if (proto != packet_be16(ETH_P_IP) || bpf_xdp_load_bytes(ctx, at, &ip, sizeof(ip)) ||
	    ip.protocol != IPPROTO_UDP || (ip.frag_off & packet_be16(PACKET_OFFSET)))
		return;
	headers = (*(__u8 *)&ip & 0xf) * 4;
	at += headers;
	headers += sizeof(udp);
	if (bpf_xdp_load_bytes(ctx, at, &udp, sizeof(udp)) || !turn_port_used(udp.dest) ||
	    !turn_served_anywhere(config, udp.dest))
		return;
	tuple.saddr = ip.saddr;
	tuple.daddr = ip.daddr;
	tuple.sport = udp.source;
	tuple.dport = udp.dest;
	if (packet_be16(ip.tot_len) < headers + sizeof(type) || /* what follows is padding */
	    bpf_xdp_load_bytes(ctx, at + sizeof(udp), &type, sizeof(type)) ||
	    type == packet_be16(TURN_ALLOCATED))
		turn_doubt(&tuple);
}

/* A datagram that turn_look() takes: true if it is such an answer. */
static __always_inline int turn_doubt_read(const struct turn_view *v)
{
	struct turn_config *config = turn_configuration();

	if (!config || (void *)(v->p.payload + STUN_HEADER) > v->end ||
	    !stun_is_stun(v->p.payload) || stun_read16(v->p.payload) != TURN_ALLOCATED ||
	    !turn_served_anywhere(config, v->key->dport))
		return 0;
	turn_doubt(v->key);
	return 1;
}

#endif
