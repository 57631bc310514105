/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Channels that an operator adds by hand, and taking channels out of the kernel path. A static
 * channel needs more than its entry: a next hop that stays fresh (managed neighbour entries) and a
 * route lookup that answers (sysctl.h). Both are given back with the last one.
 */
#ifndef TURNCTL_STATICS_H
#define TURNCTL_STATICS_H

#include "instance.h"
#include "names.h"

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
