/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sweep: each allocation's timer removes channels that have been over for a second, and at
 * last the allocation itself. It takes no lock: a bind that comes for a channel in the moment in
 * which it is removed may go with it, which costs that channel speed until its next ChannelBind.
 */
#ifndef TURN_SWEEP_H
#define TURN_SWEEP_H

#include "allocs.h"
#include "channel.h"

/* Removes both directions of a learned channel. */
static __always_inline void turn_channel_drop(const struct turn_key4 *key, struct turn_flow *flow)
{
	union turn_ip peer = flow->daddr;
	struct turn_key4 partner;
	struct turn_flow *rem;

	turn_partner_key(key, flow, &partner);
	rem = bpf_map_lookup_elem(&turn_flows, &partner);
	turn_permission_put(flow, &peer);
	if (rem && turn_are_partners(key, rem))
		turn_flow_drop(&partner);
	turn_flow_drop(key);
}

struct turn_sweep {
	struct turn_alloc *alloc;
	struct turn_key4 key;
	__u64 now, hz;
	__u64 next; /* earliest end among what is left */
	__u32 word; /* of the bitmap, in hand */
	__u32 epoch; /* of the allocation's living channels, if @live */
	__u8 live;
	__u8 left; /* channels are left */
};

/* Has the channel been over for a second? If not, when will it? */
static __always_inline int turn_swept(struct turn_sweep *s, struct turn_flow *flow)
{
	__u64 end = flow->expires;

	if (!s->live || flow->epoch != s->epoch) {
		/* its end was not its own expiry: give the packets in flight their second */
		if (!flow->until || flow->until > s->now) {
			flow->deadline = 0;
			flow->until = s->now;
		}
		end = flow->until;
	}
	end += s->hz;
	if (s->now >= end)
		return 1;
	if (end < s->next)
		s->next = end;
	return 0;
}

/* Looks at the up to four channels that a bit stands for. */
static long turn_sweep_bit(__u32 bit, struct turn_sweep *s)
{
	__u32 word = s->word % (TURN_CHANNEL_BITS / 64);
	__u64 mask = 1ULL << (bit & 63);
	struct turn_key4 key = s->key;
	__u32 left = 0;
	int i;

	if (!(s->alloc->channels[word] & mask))
		return 0;
	/* cleared first: a bind that comes meanwhile sets it again */
	__sync_fetch_and_and(&s->alloc->channels[word], ~mask);
	TURN_UNROLL
	for (i = 0; i < 4; i++) {
		__u16 number = CHANNEL_FIRST + i * TURN_CHANNEL_BITS + word * 64 + (bit & 63);
		struct turn_flow *flow;

		key.channel = packet_be16(number);
		flow = bpf_map_lookup_elem(&turn_flows, &key);
		if (!flow || (flow->flags & TURN_STATIC))
			continue;
		if (turn_swept(s, flow)) {
			turn_channel_drop(&key, flow);
			turn_event(TURN_EVENT_SWEPT);
		} else {
			left = 1;
		}
	}
	if (left) {
		s->left = 1;
		__sync_fetch_and_or(&s->alloc->channels[word], mask);
	}
	return 0;
}

static long turn_sweep_word(__u32 word, struct turn_sweep *s)
{
	s->word = word % (TURN_CHANNEL_BITS / 64);
	if (s->alloc->channels[s->word])
		bpf_loop(64, turn_sweep_bit, s, 0);
	return 0;
}

static int turn_timer(void *map __attribute__((unused)), struct turn_key4 *key,
		      struct turn_alloc *alloc)
{
	struct turn_config *config = turn_configuration();
	struct turn_sweep s = {};
	__u64 now = bpf_jiffies64();

	if (!config)
		return 0;
	s.alloc = alloc;
	s.key = *key;
	s.now = now;
	s.hz = config->hz;
	s.epoch = alloc->epoch;
	s.live = turn_alloc_live(alloc, now);
	s.next = s.live ? alloc->expires : now + config->hz;
	if (!s.live)
		turn_epoch_end(alloc->slot, s.epoch); /* a new one may begin on another CPU */
	alloc->armed = 0;
	bpf_loop(TURN_CHANNEL_BITS / 64, turn_sweep_word, &s, 0);
	if (s.live || s.left || turn_alloc_live(alloc, now)) {
		/* once a second at most: when channels end is up to the client */
		turn_arm(alloc, config, now, s.next < now + s.hz ? now + s.hz : s.next);
		return 0;
	}
	turn_slot_free(alloc->slot);
	bpf_map_delete_elem(&turn_allocs, key);
	return 0;
}

#endif
