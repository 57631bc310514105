/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The heartbeat stage sees only packets of known flows that the fast path left alone, and has the
 * time for what that one must not do: is the flow's time over, is the server's socket still
 * there, when is the next heartbeat. A heartbeat is a packet that goes to the server although the
 * kernel could relay it; when the server relays it (its twin, see twins.h), that renews the proof.
 */
#ifndef TURN_HEARTBEAT_H
#define TURN_HEARTBEAT_H

#include "allocs.h"
#include "pulse.h"
#include "reader.h"
#include "relay.h"

#define TURN_MISSES 3 /* heartbeats without a twin after which a flow is suspended */
#define TURN_SLOW_MISSES 6 /* the same while the server is known to lose some */
#define TURN_VOTES 120 /* s after its last twin it speaks for the server, then for itself */
#define TURN_LONGEST_SAMPLE 4 /* s that a sample waits for its twin, at most */
#define TURN_PROOF 4  /* intervals that a twin is good for, if no packet comes to be missed */

/* a time from 3/4 to 5/4 of @interval away, so that channels do not beat together */
static __always_inline __u64 turn_in(__u64 interval, __u64 now)
{
	return now + interval - interval / 4 + bpf_get_prandom_u32() % (interval / 2 + 1);
}

/* When the flow is to be looked at next, and when its next heartbeat goes to the server. */
static __always_inline void turn_next_beat(struct turn_flow *flow,
					   const struct turn_config *config, __u32 stretch,
					   __u64 now)
{
	flow->due = turn_in(config->heartbeat, now);
	flow->beat = stretch > 1 ? turn_in((__u64)config->heartbeat * stretch, now) : flow->due;
}

/* Sets the deadline from all that bounds it. */
static __always_inline void turn_set_deadline(struct turn_flow *flow)
{
	__u64 deadline = flow->due;

	if (flow->until < deadline)
		deadline = flow->until;
	if (flow->proof < deadline)
		deadline = flow->proof;
	flow->deadline = deadline;
	/* withdrawn meanwhile, on another CPU? Either we see its flag, or its 0 comes later. */
	if (__sync_fetch_and_or(&flow->flags, 0) & TURN_WITHDRAWN)
		flow->deadline = 0;
}

/*
 * Works out flow->until from channel, permission and allocation. TURN_RELAY if all of them live,
 * else why not.
 */
static __always_inline __u32 turn_reckon(const struct turn_key4 *key, struct turn_flow *flow,
					 struct turn_alloc *alloc, __u64 now)
{
	union turn_ip peer;
	struct turn_permission_key permission_key;
	struct turn_permission *permission;
	__u64 until = flow->expires;

	if (now >= until)
		return TURN_REASON_EXPIRED_CHANNEL;
	if (!alloc)
		return TURN_REASON_EXPIRED_ALLOCATION;
	if (alloc->slot != flow->slot || alloc->epoch != flow->epoch)
		return TURN_REASON_ENDED;
	if (now >= alloc->expires)
		return TURN_REASON_EXPIRED_ALLOCATION;
	if (!turn_alloc_live(alloc, now))
		return TURN_REASON_ENDED;
	if (alloc->expires < until)
		until = alloc->expires;

	peer = key->channel ? flow->daddr : turn_ip4(key->saddr);
	turn_permission_key_of(flow, &peer, &permission_key);
	permission = bpf_map_lookup_elem(&turn_perms, &permission_key);
	if (!permission || now >= permission->expires)
		return TURN_REASON_EXPIRED_PERMISSION;
	if (permission->expires < until)
		until = permission->expires;
	flow->until = until;
	return TURN_RELAY;
}

/*
 * Notes what the packet carries, for its twin to be compared with. A sample that waits for its
 * twin is left alone for a second: at a high rate the next packet always comes before the twin. A
 * server that is overloaded takes longer: what it sends at last has waited in full queues.
 */
static __always_inline void turn_take_sample(struct xdp_md *ctx, const struct turn_view *v,
					     struct turn_alloc *alloc,
					     const struct turn_config *config, __u64 now)
{
	__u32 at = PACKET_HEADERS + (v->to_peer ? CHANNEL_HEADER : 0);
	struct turn_sample *sample = &v->flow->sample;
	__u32 length = v->length & PACKET_LONGEST, stretch = turn_stretch();
	__u64 head = 0, tail = 0, beat = (__u64)config->heartbeat * stretch, wait;

	wait = (stretch > TURN_LONGEST_SAMPLE ? TURN_LONGEST_SAMPLE : stretch) * (__u64)config->hz;
	if (v->flow->state == TURN_OFFLOADED && wait > beat - beat / 4)
		wait = beat - beat / 4; /* each heartbeat has a sample of its own */
	if (sample->when && now - sample->when < wait)
		return;
	if (length >= 8) {
		if (bpf_xdp_load_bytes(ctx, at, &head, 8) ||
		    bpf_xdp_load_bytes(ctx, at + length - 8, &tail, 8))
			return;
	} else if (length) {
		if (bpf_xdp_load_bytes(ctx, at, &head, turn_size(length, 8)))
			return;
	}
	sample->when = 0;
	sample->head = head;
	sample->tail = tail;
	sample->length = length;
	sample->asked = v->flow->confirmed &&
			now < v->flow->confirmed + (__u64)TURN_VOTES * config->hz &&
			turn_pulse_ask(alloc, config, now);
	sample->when = now ? now : 1;
}

/*
 * Has the server closed the relay socket? "Not found" means so only if the lookup has found it
 * once under exactly this address: a wildcard socket of another program hides one that is bound
 * to a device, and the other way round.
 */
static __always_inline int turn_socket_gone(struct xdp_md *ctx, const struct turn_view *v)
{
	struct turn_flow *flow = v->flow;
	struct bpf_sock_tuple tuple = {};
	int found;

	if (v->to_peer) {
		tuple.ipv4.saddr = flow->daddr.v4;
		tuple.ipv4.sport = flow->dport;
		tuple.ipv4.daddr = flow->saddr.v4;
		tuple.ipv4.dport = flow->sport;
	} else {
		tuple.ipv4.saddr = v->key->saddr;
		tuple.ipv4.sport = v->key->sport;
		tuple.ipv4.daddr = v->key->daddr;
		tuple.ipv4.dport = v->key->dport;
	}
	found = turn_has_socket(ctx, &tuple);
	if (found)
		__sync_fetch_and_or(&flow->flags, TURN_SOCKET_SEEN);
	return !found && (flow->flags & TURN_SOCKET_SEEN);
}

/* The next hop of a static channel, asked of the routing table with the relay (or the server) as
 * the source. TURN_RELAY, or why there is none. */
static __always_inline __u32 turn_find_hop(struct xdp_md *ctx, const struct turn_view *v)
{
	struct turn_flow *flow = v->flow;
	/* lo, since its forwarding sysctl is what is asked: see lib/sysctl.h */
	struct bpf_fib_lookup fib = { .family = 2 /* AF_INET */, .l4_protocol = IPPROTO_UDP,
				      .ifindex = 1 };
	union turn_ip hop;
	long code;

	fib.tos = v->p.ip->tos;
	fib.sport = flow->sport;
	fib.dport = flow->dport;
	fib.ipv4_src = flow->saddr.v4;
	fib.ipv4_dst = flow->daddr.v4;
	code = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	/* of either family: a gateway may be IPv6 */
	__builtin_memcpy(&hop, fib.ipv6_dst, sizeof(hop));
	switch (code) {
	case BPF_FIB_LKUP_RET_SUCCESS:
		__builtin_memcpy(flow->dmac, fib.dmac, ETH_ALEN);
		__builtin_memcpy(flow->smac, fib.smac, ETH_ALEN);
		flow->ifindex = fib.ifindex;
		flow->hop = hop;
		if (fib.mtu_result)
			flow->mtu = fib.mtu_result;
		return TURN_RELAY;
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
		/* somebody has reset the sysctl: what netlink said at `channel add` must do */
		return TURN_RELAY;
	case BPF_FIB_LKUP_RET_NO_NEIGH:
		/* The kernel forgets its neighbours with the carrier, and nothing but this
		 * channel's own packets would make it ask again: the MAC of the same hop must do
		 * until then. */
		if (fib.ifindex == flow->ifindex && turn_same_ip(&hop, &flow->hop))
			return TURN_RELAY;
		return TURN_REASON_NO_NEIGHBOUR;
	default:
		return TURN_REASON_NO_ROUTE;
	}
}

/* A static channel's heartbeat is the kernel's own business: renew the next hop and relay. */
static __always_inline __u32 turn_beat_static(struct xdp_md *ctx, const struct turn_view *v,
					      const struct turn_config *config, __u64 now)
{
	struct turn_flow *flow = v->flow;
	__u32 verdict = turn_find_hop(ctx, v);

	if (verdict != TURN_RELAY) {
		turn_suspend(flow, verdict);
		return verdict;
	}
	flow->state = TURN_OFFLOADED;
	flow->deadline = turn_in(config->heartbeat, now);
	return TURN_RELAY;
}

/* The proof has run out. The sample that waits for its twin stays. */
static __always_inline void turn_unconfirmed(struct turn_flow *flow)
{
	flow->deadline = 0;
	flow->state = TURN_SUSPENDED;
	flow->reason = TURN_REASON_UNCONFIRMED;
	turn_event(TURN_EVENT_SUSPENDED);
}

/* Is the datagram sound, so that the stack will hand it to the server? */
static __always_inline int turn_is_sound(struct xdp_md *ctx, const struct turn_view *v)
{
	struct turn_reader *reader = turn_get_reader();

	return reader && turn_read_sound(ctx, &v->p, packet_be16(v->p.udp->len) -
							     sizeof(struct udphdr), reader);
}

/* A stretch that has grown since the heartbeat was set holds at once: the server is short of CPU
 * now. */
static __always_inline void turn_stretch_beat(struct turn_flow *flow,
					      const struct turn_config *config)
{
	__u64 interval = config->heartbeat, slow = interval * turn_stretch();

	if (slow <= interval || flow->beat >= flow->confirmed + slow - slow / 4)
		return;
	flow->beat = flow->confirmed + slow - slow / 4;
	if (flow->proof < flow->beat + slow)
		flow->proof = flow->beat + slow; /* lest it end before the heartbeat */
}

/* The packet goes to the server as a heartbeat. Of packets that come at once on several CPUs, one
 * moves the deadline, and only once. */
static __always_inline void turn_leave_beat(struct turn_flow *flow,
					    const struct turn_config *config, __u64 now)
{
	__u64 deadline = flow->deadline, slow;
	__u32 stretch = turn_stretch();

	/* 0: stopped meanwhile */
	if (!deadline || deadline > now ||
	    __sync_val_compare_and_swap(&flow->deadline, deadline, now + 1) != deadline)
		return;
	turn_next_beat(flow, config, stretch, now);
	if (++flow->missed >= (stretch > 1 ? TURN_SLOW_MISSES : TURN_MISSES)) {
		turn_unconfirmed(flow); /* which this packet's twin will lift */
		return;
	}
	slow = (__u64)config->heartbeat * stretch;
	if (stretch > 1 && flow->proof < now + 2 * slow)
		flow->proof = now + 2 * slow; /* lest it end before the next heartbeat */
	turn_set_deadline(flow);
}

/*
 * A learned flow past its deadline. Returns the reason to count, TURN_DUE for a heartbeat, or
 * TURN_RELAY if it was only to be looked at.
 */
static __always_inline __u32 turn_beat(struct xdp_md *ctx, const struct turn_view *v,
				       const struct turn_config *config, __u64 now)
{
	struct turn_flow *flow = v->flow;
	struct turn_alloc *alloc;
	struct turn_key4 tuple;
	__u32 reason;

	if (flow->flags & TURN_WITHDRAWN)
		return flow->reason;
	turn_tuple_of(v->key, flow, &tuple);
	alloc = bpf_map_lookup_elem(&turn_allocs, &tuple);
	reason = turn_reckon(v->key, flow, alloc, now);
	if (reason != TURN_RELAY || !alloc) {
		turn_suspend(flow, reason);
		return reason;
	}
	if (turn_socket_gone(ctx, v)) {
		/* and with it all channels of the allocation */
		turn_alloc_end(alloc, config, now);
		turn_suspend(flow, TURN_REASON_ENDED);
		turn_event(TURN_EVENT_SOCKET_GONE);
		return TURN_REASON_ENDED;
	}
	if (flow->state == TURN_OFFLOADED &&
	    (now >= flow->proof || turn_is_silent(TURN_MISSES * (__u64)config->heartbeat, now)))
		turn_unconfirmed(flow);
	turn_stretch_beat(flow, config);
	if (flow->state == TURN_OFFLOADED && now < flow->beat && !turn_is_faint(config, now)) {
		flow->due = turn_in(config->heartbeat, now);
		if (flow->beat < flow->due)
			flow->due = flow->beat;
		turn_set_deadline(flow);
		return TURN_RELAY;
	}
	/* what the stack drops, or the server must fragment, has no twin that could be missed */
	if (!turn_is_sound(ctx, v))
		return TURN_REASON_UDP_CHECKSUM;
	if (flow->confirmed && !turn_fits(v))
		return TURN_REASON_MTU;
	turn_take_sample(ctx, v, alloc, config, now);
	if (flow->state != TURN_OFFLOADED) {
		/* what ended before and has been renewed waits for its proof again */
		if (flow->state == TURN_SUSPENDED && flow->reason != TURN_REASON_TAGGED &&
		    flow->reason != TURN_REASON_UNREACHABLE)
			flow->reason = TURN_REASON_UNCONFIRMED;
		return flow->reason;
	}
	turn_leave_beat(flow, config, now);
	return TURN_DUE;
}

/* Relays what the fast path has left for a look, now that it was looked at. */
static __always_inline __u32 turn_relay_late(struct xdp_md *ctx, struct turn_view *v, int fused)
{
	if (!turn_fits(v))
		return TURN_REASON_MTU;
	return fused ? turn_emit_fused(ctx, v) : turn_emit_chained(v);
}

/*
 * The heartbeat stage: @v is a frame of a known flow that the fast path left alone for @verdict.
 * TURN_RELAYED if all that it took was a look (always so for a static channel), else the packet
 * goes to the server and has been counted.
 */
static __always_inline __u32 turn_stage_heartbeat(struct xdp_md *ctx, struct turn_view *v,
						  __u32 verdict, int fused)
{
	struct turn_config *config = turn_configuration();
	struct turn_flow *flow = v->flow;
	struct turn_stats *stats;
	__u64 now = bpf_jiffies64();

	if (!config)
		return verdict;
	if (!flow->owner)
		__sync_val_compare_and_swap(&flow->owner, 0, turn_this_cpu());
	if (verdict == TURN_DUE)
		verdict = flow->flags & TURN_STATIC ? turn_beat_static(ctx, v, config, now)
						    : turn_beat(ctx, v, config, now);
	if (verdict == TURN_RELAY)
		verdict = turn_relay_late(ctx, v, fused);
	if (verdict == TURN_RELAYED)
		return verdict;
	if (verdict != TURN_DUE) {
		turn_pass(flow, verdict);
		return verdict;
	}
	stats = turn_count();
	__sync_fetch_and_add(&flow->heartbeats, 1);
	if (stats)
		stats->heartbeats++;
	return verdict;
}

#endif
