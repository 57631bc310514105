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

/* How many entries the two tables hold, without copying them out. */
int turnctl_tables_count(const struct turnctl_instance *instance, size_t *channels,
			 size_t *allocations, struct turnctl_error *err);

/* The five things that name a static channel. */
struct turnctl_static {
	struct turnctl_endpoint client, server, relay, peer;
	__u16 number; /* host order */
};

/*
 * Adds a static channel: finds route and next hop of both directions over netlink, has the kernel
 * keep the neighbour entries, and puts both directions into the table. Errors, with nothing
 * changed: -EINVAL (number), -EADDRNOTAVAIL (server or relay is not an address of ours),
 * -ENETUNREACH, -EHOSTUNREACH (no route, nobody answers), -ENODEV (the route leaves by a device
 * that is not attached), -EEXIST, -ENOSPC. The instance is locked.
 */
int turnctl_static_add(const struct turnctl_instance *instance, const struct turnctl_static *add,
		       struct turnctl_error *err);

/*
 * Removes a static channel; withdraws a learned one from the kernel path until its next
 * ChannelBind (the server goes on relaying it). -ENOENT. The instance is locked.
 */
int turnctl_channel_delete(const struct turnctl_instance *instance, const struct turn_key4 *key,
			   struct turnctl_error *err);

/* Gives back what was changed outside of the tables for static channels: sysctl and neighbours. */
int turnctl_statics_end(const struct turnctl_instance *instance, struct turnctl_error *err);

#endif
