/* SPDX-License-Identifier: GPL-2.0 */
/* The tables as a person thinks of them: channels (both directions together) and allocations. */
#ifndef TURNCTL_TABLE_H
#define TURNCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "abi.h"
#include "instance.h"
#include "names.h"

struct turnctl_channel {
	struct turn_key4 key; /* client, server, number */
	struct turn_flow to_peer;
	struct turn_key4 rem_key; /* peer, relay */
	struct turn_flow to_client;
	bool both; /* the other direction is in the table; a newer channel may have its key */
};

/* All channels, sorted by client, server and number, in memory that the caller frees. */
int turnctl_channels_read(const struct turnctl_instance *instance, struct turnctl_channel **list,
			  size_t *count, struct turnctl_error *err);

struct turnctl_allocation {
	struct turn_key4 key; /* client, server */
	union turn_ip relay, public_relay;
	__be16 relay_port;
	__u64 created, expires; /* jiffies */
	bool live;              /* neither ended nor expired at the time of reading */
	bool proven;            /* the relay socket has been seen to send */
};

/* All allocations, sorted, in memory that the caller frees. @now: turnctl_now(). */
int turnctl_allocations_read(const struct turnctl_instance *instance, __u64 now,
			     struct turnctl_allocation **list, size_t *count,
			     struct turnctl_error *err);

/* By what the interval between heartbeats is multiplied at present: 1, or more if the server has
 * not answered enough of them (bpf/pulse.h). */
unsigned int turnctl_stretch(const struct turnctl_instance *instance);

/* The key of the peer's packets, from the flow of the client's. */
void turnctl_peer_key(const struct turn_flow *to_peer, struct turn_key4 *key);

#endif
