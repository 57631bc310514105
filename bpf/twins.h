/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The twin is the proof. When the server itself sends on the packet that was left to it, the
 * channel is what we took it for, in this direction, and the packet shows the way out: device,
 * and MACs. Seen at TC egress, where the final headers stand.
 */
#ifndef TURN_TWINS_H
#define TURN_TWINS_H

#include <stddef.h>

#include "heartbeat.h"

#define TURN_MTU_STEP 8 /* bytes: the unit of fragment offsets */

/* One of the server's packets, as far as it is read. */
struct turn_sent {
	__u16 align; /* so that no hole lies between the headers */
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	struct channel_header channel; /* whatever the first four payload bytes are */
	__u32 payload;                 /* bytes of UDP payload */
};

_Static_assert(offsetof(struct turn_sent, udp) ==
		       offsetof(struct turn_sent, eth) + PACKET_UDP_OFFSET,
	       "read in one go");

/* The key, without a channel, of what comes the other way. */
static __always_inline void turn_way_back(const struct turn_sent *sent, struct turn_key4 *key)
{
	key->saddr = sent->ip.daddr;
	key->daddr = sent->ip.saddr;
	key->sport = sent->udp.dest;
	key->dport = sent->udp.source;
	key->channel = 0;
	key->zero = 0;
}

static __always_inline int turn_is_sample(struct __sk_buff *skb, const struct turn_sample *sample,
					  __u32 at, __u32 length)
{
	__u64 head = 0, tail = 0;

	if (!sample->when || sample->length != length)
		return 0;
	length &= PACKET_LONGEST;
	if (length >= 8) {
		if (bpf_skb_load_bytes(skb, at, &head, 8) ||
		    bpf_skb_load_bytes(skb, at + length - 8, &tail, 8))
			return 0;
	} else if (length) {
		if (bpf_skb_load_bytes(skb, at, &head, turn_size(length, 8)))
			return 0;
	}
	return head == sample->head && tail == sample->tail;
}

static __always_inline __u16 turn_device_mtu(struct __sk_buff *skb)
{
	__u32 mtu = 0;

	bpf_check_mtu(skb, 0, &mtu, 0, 0);
	return mtu > 0xffff ? 0xffff : mtu;
}

/*
 * The stack had to fragment what the server sends: the path takes less than the device. From now on
 * packets that are too large for it are left to the stack. A first fragment ends at a multiple of 8
 * bytes of data, so the path may take 7 bytes more than it shows.
 */
static __always_inline void turn_sent_in_pieces(const struct turn_sent *sent,
						struct turn_flow *flow)
{
	__u16 shown = packet_be16(sent->ip.tot_len);

	if (shown + TURN_MTU_STEP <= flow->mtu)
		flow->mtu = shown;
}

/*
 * The stack sends whole what it has fragmented before: the device's MTU was raised, or the kernel
 * has forgotten the path's, as it does after a while, to try again. It will learn it anew, and so
 * will we, by the next large heartbeat. What was too large has always gone to the server, so there
 * is no need to forget by the clock here.
 */
static __always_inline void turn_sent_whole(struct __sk_buff *skb, const struct turn_sent *sent,
					    struct turn_flow *flow)
{
	__u32 size = sizeof(struct iphdr) + sizeof(struct udphdr) + sent->payload;

	if (size <= flow->mtu || flow->ifindex != skb->ifindex)
		return;
	flow->mtu = size < (__u32)flow->mtu + TURN_MTU_STEP ? size : turn_device_mtu(skb);
}

/* Takes the next hop from the twin. */
static __always_inline void turn_take_hop(struct __sk_buff *skb, const struct turn_sent *sent,
					  struct turn_flow *flow)
{
	__u16 mtu = turn_device_mtu(skb);

	__builtin_memcpy(flow->dmac, sent->eth.h_dest, ETH_ALEN);
	__builtin_memcpy(flow->smac, sent->eth.h_source, ETH_ALEN);
	/* what is known of the path is kept while it leaves by the same device */
	if (flow->ifindex != skb->ifindex || !flow->mtu || mtu < flow->mtu)
		flow->mtu = mtu;
	flow->ifindex = skb->ifindex;
}

/* Is the sender the relay socket that we know? The first to send a twin is. */
static __always_inline int turn_same_socket(struct __sk_buff *skb, struct turn_alloc *alloc)
{
	__u64 cookie = bpf_get_socket_cookie(skb);

	if (!alloc->cookie)
		__sync_val_compare_and_swap(&alloc->cookie, 0, cookie);
	return alloc->cookie == cookie;
}

/*
 * The server has sent @sent; is it the twin of what was left to it for the flow @key? @at and
 * @length say where in @skb the application data lies.
 */
static __always_inline void turn_twin(struct __sk_buff *skb, const struct turn_sent *sent,
				      const struct turn_key4 *key, struct turn_flow *flow,
				      __u32 at, __u32 length)
{
	struct turn_config *config = turn_configuration();
	__u64 now = bpf_jiffies64();
	struct turn_alloc *alloc;
	struct turn_key4 tuple;
	__u32 stretch;

	if (!config || (flow->flags & TURN_STATIC))
		return;
	turn_pulse_hear();
	if ((flow->flags & TURN_WITHDRAWN) ||
	    !turn_is_sample(skb, &flow->sample, at, length))
		return;
	turn_tuple_of(key, flow, &tuple);
	alloc = bpf_map_lookup_elem(&turn_allocs, &tuple);
	if (!alloc || alloc->slot != flow->slot || alloc->epoch != flow->epoch ||
	    !turn_alloc_live(alloc, now))
		return;
	if (key->channel && !turn_same_socket(skb, alloc)) {
		turn_alloc_end(alloc, config, now);
		turn_event(TURN_EVENT_OTHER_SOCKET);
		return;
	}
	if (flow->sample.asked)
		turn_pulse_answer();
	if (skb->vlan_present) {
		turn_suspend(flow, TURN_REASON_TAGGED);
		return;
	}
	flow->sample.when = 0;
	turn_take_hop(skb, sent, flow);
	stretch = turn_stretch();
	flow->confirmed = now;
	flow->proof = now + (__u64)TURN_PROOF * config->heartbeat * stretch;
	flow->missed = 0;
	if (flow->state != TURN_OFFLOADED)
		turn_next_beat(flow, config, stretch, now);
	flow->state = TURN_OFFLOADED;
	turn_set_deadline(flow);
	turn_event(TURN_EVENT_CONFIRMED);
}

/* The channel whose data a packet from a relay address to a peer may carry, or NULL. */
static __always_inline struct turn_flow *turn_flow_of_relay(const struct turn_sent *sent,
							    struct turn_key4 *cli_key)
{
	struct turn_flow *rem, *cli;
	struct turn_key4 rem_key;

	turn_way_back(sent, &rem_key);
	rem = bpf_map_lookup_elem(&turn_flows, &rem_key);
	if (!rem)
		return NULL;
	turn_partner_key(&rem_key, rem, cli_key);
	cli = bpf_map_lookup_elem(&turn_flows, cli_key);
	return cli && turn_leads_to(cli, &rem_key) ? cli : NULL;
}

/* Relay to peer: the twin of ChannelData. */
static __always_inline void turn_twin_to_peer(struct __sk_buff *skb, const struct turn_sent *sent)
{
	struct turn_key4 cli_key;
	struct turn_flow *cli = turn_flow_of_relay(sent, &cli_key);

	if (!cli)
		return;
	turn_sent_whole(skb, sent, cli);
	turn_twin(skb, sent, &cli_key, cli, PACKET_HEADERS, sent->payload);
}

/* The peer's data that ChannelData from a listener to a client may carry, or NULL. */
static __always_inline struct turn_flow *turn_flow_of_listener(const struct turn_sent *sent,
							       struct turn_key4 *rem_key)
{
	struct turn_key4 cli_key;
	struct turn_flow *rem, *cli;

	turn_way_back(sent, &cli_key);
	cli_key.channel = sent->channel.number;
	cli = bpf_map_lookup_elem(&turn_flows, &cli_key);
	if (!cli)
		return NULL;
	turn_partner_key(&cli_key, cli, rem_key);
	rem = bpf_map_lookup_elem(&turn_flows, rem_key);
	return rem && turn_are_partners(&cli_key, rem) ? rem : NULL;
}

/*
 * Has the server ever sent to this peer what came by this channel? ChannelData to a client does not
 * tell whose it is: where we were made to read another peer than the server did, another peer's
 * packet of the same content would be taken for the proof.
 */
static __always_inline int turn_peer_is_proven(const struct turn_key4 *rem_key,
					       const struct turn_flow *rem)
{
	struct turn_key4 cli_key;
	struct turn_flow *cli;

	turn_partner_key(rem_key, rem, &cli_key);
	cli = bpf_map_lookup_elem(&turn_flows, &cli_key);
	return cli && cli->confirmed && turn_leads_to(cli, rem_key);
}

/* Listener to client, ChannelData: the twin of a peer's packet. */
static __always_inline void turn_twin_to_client(struct __sk_buff *skb,
						const struct turn_sent *sent)
{
	__u32 length = packet_be16(sent->channel.length);
	struct turn_key4 rem_key;
	struct turn_flow *rem;

	if (channel_surplus(length, sent->payload) < 0)
		return;
	rem = turn_flow_of_listener(sent, &rem_key);
	if (!rem)
		return;
	turn_sent_whole(skb, sent, rem);
	if (turn_peer_is_proven(&rem_key, rem))
		turn_twin(skb, sent, &rem_key, rem, PACKET_HEADERS + CHANNEL_HEADER, length);
	else if (turn_is_sample(skb, &rem->sample, PACKET_HEADERS + CHANNEL_HEADER, length))
		rem->sample.when = 0; /* too early: the next packet may be the proof */
}

#endif
