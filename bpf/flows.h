/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flows come in pairs, one a direction, and each is found from the other: the headers that one
 * direction writes are, mirrored, the key of the other.
 *
 * A flow's addresses never change while it is live. What has ended is removed by its
 * allocation's timer, a second later at the earliest, so that no packet in the middle of the
 * fast path finds its flow's memory used for another.
 */
#ifndef TURN_FLOWS_H
#define TURN_FLOWS_H

#include <linux/errno.h>

#include "count.h"
#include "ports.h"

static __always_inline int turn_same_ip(const union turn_ip *a, const union turn_ip *b)
{
	return a->words[0] == b->words[0] && a->words[1] == b->words[1];
}

/* The key of the other direction. From client-to-peer (@key has a channel) it is the peer's, from
 * peer-to-client the client's. */
static __always_inline void turn_partner_key(const struct turn_key4 *key,
					     const struct turn_flow *flow,
					     struct turn_key4 *partner)
{
	partner->saddr = flow->daddr.v4;
	partner->daddr = flow->saddr.v4;
	partner->sport = flow->dport;
	partner->dport = flow->sport;
	partner->channel = key->channel ? 0 : flow->channel;
	partner->zero = 0;
}

/* Are the two directions really each other's? A newer channel may have taken the key of one. */
static __always_inline int turn_are_partners(const struct turn_key4 *cli,
					     const struct turn_flow *rem)
{
	return rem->daddr.v4 == cli->saddr && rem->saddr.v4 == cli->daddr &&
	       rem->dport == cli->sport && rem->sport == cli->dport &&
	       rem->channel == cli->channel;
}

/* Does a channel (client to peer) lead to the peer, and by the relay address, of @rem? */
static __always_inline int turn_leads_to(const struct turn_flow *cli, const struct turn_key4 *rem)
{
	return cli->daddr.v4 == rem->saddr && cli->saddr.v4 == rem->daddr &&
	       cli->dport == rem->sport && cli->sport == rem->dport;
}

/* The 5-tuple of the allocation that a flow belongs to: client and server as the client's packets
 * have them. */
static __always_inline void turn_tuple_of(const struct turn_key4 *key, const struct turn_flow *flow,
					  struct turn_key4 *tuple)
{
	if (key->channel)
		*tuple = *key;
	else
		turn_partner_key(key, flow, tuple);
	tuple->channel = 0;
}

/* From here on packets of the flow go to the server. */
static __always_inline void turn_suspend(struct turn_flow *flow, __u8 reason)
{
	flow->deadline = 0;
	flow->state = TURN_SUSPENDED;
	flow->reason = reason;
	flow->sample.when = 0;
}

/* Inserts a flow, or puts it in the place of the one that has its key. 0 or -errno. */
static __always_inline int turn_flow_put(const struct turn_key4 *key, const struct turn_flow *flow)
{
	int err = bpf_map_update_elem(&turn_flows, key, flow, BPF_NOEXIST);

	if (!err)
		turn_port_get(key->dport);
	else if (err == -EEXIST)
		err = bpf_map_update_elem(&turn_flows, key, flow, BPF_EXIST);
	return err;
}

static __always_inline void turn_flow_drop(const struct turn_key4 *key)
{
	if (!bpf_map_delete_elem(&turn_flows, key))
		turn_port_put(key->dport);
}

/* Mirrors a client-to-peer flow's fresh value into that of its other direction. */
static __always_inline void turn_mirror(const struct turn_key4 *cli_key,
					const struct turn_flow *cli, struct turn_flow *rem)
{
	*rem = *cli;
	rem->saddr = turn_ip4(cli_key->daddr);
	rem->daddr = turn_ip4(cli_key->saddr);
	rem->sport = cli_key->dport;
	rem->dport = cli_key->sport;
}

#endif
