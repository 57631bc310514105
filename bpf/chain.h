/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The four stages as programs of one chain: their priorities, and the note that a fast stage
 * leaves for the heartbeat stage when it declines a packet of a known flow.
 */
#ifndef TURN_CHAIN_H
#define TURN_CHAIN_H

#include "relay.h"

#include <xdp/xdp_helpers.h>

/* Order is by priority; the command may set others (--prio). Only PASS goes on to the next. */
#define TURN_RUN_CONFIG(name, step)                                                                \
	struct {                                                                                   \
		__uint(priority, TURN_PRIO + step);                                                \
		__uint(XDP_PASS, 1);                                                               \
	} XDP_RUN_CONFIG(name)

static __always_inline struct turn_declined *turn_note(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&turn_declined, &zero);
}

static __always_inline int turn_chain_verdict(const struct turn_view *v, __u32 verdict)
{
	struct turn_declined *note;

	if (verdict == TURN_RELAYED)
		return XDP_REDIRECT;
	if (verdict == TURN_STRANGER)
		return XDP_PASS;
	note = turn_note();
	if (note) {
		note->key = *v->key;
		note->verdict = verdict;
		note->noted = 1;
	}
	return XDP_PASS;
}

#endif
