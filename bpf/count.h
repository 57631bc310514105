/* SPDX-License-Identifier: GPL-2.0 */
/* Counting: per device and CPU without atomics; per flow with, but for what its owner relays. */
#ifndef TURN_COUNT_H
#define TURN_COUNT_H

#include "maps.h"

static __always_inline struct turn_stats *turn_count(void)
{
	__u32 device = turn_self.device;

	return bpf_map_lookup_elem(&turn_stats, &device);
}

/* As in turn_flow.owner. */
static __always_inline __u32 turn_this_cpu(void)
{
	return bpf_get_smp_processor_id() + 1;
}

static __always_inline void turn_event(enum turn_event event)
{
	struct turn_stats *stats = turn_count();

	if (stats)
		stats->events[event]++;
}

/* A packet of @flow goes to the server because of @reason. */
static __always_inline void turn_pass(struct turn_flow *flow, __u32 reason)
{
	struct turn_stats *stats = turn_count();

	__sync_fetch_and_add(&flow->passed, 1);
	packet_opaque(reason);
	if (stats)
		stats->passed[reason & (TURN_REASON_ROOM - 1)]++;
}

#endif
