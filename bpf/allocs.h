/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocations: how they begin and end, and the permissions they hold. One ends by raising its
 * slot's epoch: its channels carry the old one and stop at their next packet, however many they
 * are. The entry itself goes when its timer fires (sweep.h).
 */
#ifndef TURN_ALLOCS_H
#define TURN_ALLOCS_H

#include "flows.h"

#define TURN_NSEC 1000000000ULL

/* Room to build large values in: one per CPU, since none fits on the stack. */
struct turn_work {
	struct turn_flow cli, rem;
	/* a struct turn_alloc, all zero but for its slot; as bytes, since no timer may lie here */
	__u8 alloc[sizeof(struct turn_alloc)] __attribute__((aligned(8)));
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2); /* the second for turn_control, which packets may interrupt */
	__type(key, __u32);
	__type(value, struct turn_work);
} turn_work SEC(".maps");

/* Would a datagram of this tuple find a socket here that is bound to exactly its destination? (One
 * that is bound to any address may be another program's.) @ctx: of XDP or TC. */
static __always_inline int turn_has_socket(void *ctx, struct bpf_sock_tuple *tuple)
{
	struct bpf_sock *sk = bpf_sk_lookup_udp(ctx, tuple, sizeof(tuple->ipv4),
						BPF_F_CURRENT_NETNS, 0);
	int exact;

	if (!sk)
		return 0;
	exact = sk->src_ip4 == tuple->ipv4.daddr;
	bpf_sk_release(sk);
	return exact;
}

static __always_inline struct turn_slot *turn_slot_of(__u32 index)
{
	return bpf_map_lookup_elem(&turn_slots, &index);
}

static __always_inline int turn_alloc_live(const struct turn_alloc *alloc, __u64 now)
{
	const struct turn_slot *slot = turn_slot_of(alloc->slot);

	return slot && slot->epoch == alloc->epoch && now < alloc->expires;
}

/* Ends the generation @epoch of a slot; the second to try finds it ended. */
static __always_inline void turn_epoch_end(__u32 index, __u32 epoch)
{
	struct turn_slot *slot = turn_slot_of(index);

	if (slot && index)
		__sync_val_compare_and_swap(&slot->epoch, epoch, epoch + 1);
}

/* A free slot, taken; 0 when none was found (slot 0 is the static channels'). */
static __always_inline __u32 turn_slot_take(const struct turn_config *config)
{
	__u32 start = bpf_get_prandom_u32();
	int i;

	if (config->slots < 2)
		return 0;
	TURN_UNROLL
	for (i = 0; i < 16; i++) {
		__u32 index = 1 + (start + i) % (config->slots - 1);
		struct turn_slot *slot = turn_slot_of(index);

		if (slot && !__sync_val_compare_and_swap(&slot->used, 0, 1))
			return index;
	}
	return 0;
}

/* Begins a generation of a slot that no channel has lived by before. */
static __always_inline __u32 turn_epoch_begin(__u32 index)
{
	struct turn_slot *slot = turn_slot_of(index);

	return slot ? __sync_fetch_and_add(&slot->epoch, 1) + 1 : 0;
}

static __always_inline void turn_slot_free(__u32 index)
{
	struct turn_slot *slot = turn_slot_of(index);

	if (slot && index)
		__sync_val_compare_and_swap(&slot->used, 1, 0);
}

/* Arms the allocation's timer for @when, unless it fires earlier anyway. */
static __always_inline void turn_arm(struct turn_alloc *alloc, const struct turn_config *config,
				     __u64 now, __u64 when)
{
	__u64 wait = when > now ? when - now : 1;

	if ((alloc->armed && alloc->armed <= when) || !config->hz)
		return;
	alloc->armed = when;
	bpf_timer_start(&alloc->timer, wait * TURN_NSEC / config->hz, 0);
}

/* The allocation is no more: its channels stop now, the entry is swept in a second. */
static __always_inline void turn_alloc_end(struct turn_alloc *alloc,
					   const struct turn_config *config, __u64 now)
{
	turn_epoch_end(alloc->slot, alloc->epoch);
	alloc->expires = now;
	turn_arm(alloc, config, now, now + config->hz);
}

static __always_inline void turn_permission_key_of(const struct turn_flow *flow,
						   const union turn_ip *peer,
						   struct turn_permission_key *key)
{
	key->slot = flow->slot;
	key->epoch = flow->epoch;
	key->peer = *peer;
}

/* A channel of @flow's allocation needs the permission for @peer: there until @expires. */
static __always_inline int turn_permission_get(const struct turn_flow *flow,
					       const union turn_ip *peer, __u64 expires)
{
	struct turn_permission fresh = { .expires = expires };
	struct turn_permission *permission;
	struct turn_permission_key key;
	int err;

	turn_permission_key_of(flow, peer, &key);
	err = bpf_map_update_elem(&turn_perms, &key, &fresh, BPF_NOEXIST);
	if (err && err != -EEXIST)
		return err;
	permission = bpf_map_lookup_elem(&turn_perms, &key);
	if (!permission)
		return -ENOENT;
	__sync_fetch_and_add(&permission->channels, 1);
	permission->expires = expires;
	return 0;
}

static __always_inline void turn_permission_put(const struct turn_flow *flow,
						const union turn_ip *peer)
{
	struct turn_permission *permission;
	struct turn_permission_key key;

	turn_permission_key_of(flow, peer, &key);
	permission = bpf_map_lookup_elem(&turn_perms, &key);
	if (permission && __sync_fetch_and_add(&permission->channels, -1) <= 1)
		bpf_map_delete_elem(&turn_perms, &key);
}

#endif
