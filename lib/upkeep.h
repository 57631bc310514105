/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What static channels need of the network namespace (statics.h): neighbour entries that the kernel
 * keeps resolved without traffic, and a sysctl. It can lapse: the kernel deletes a managed entry
 * when the device goes down or loses its carrier, a route moves to another next hop, and whoever
 * toggles ip_forward resets the sysctl. The channels are relayed all the same, as long as the next
 * hop is known.
 *
 * Each direction of a static channel has a note of the entry that is kept for it, if it was turnctl
 * that had it kept (struct turn_kept): several may share one, and the last gives it back.
 */
#ifndef TURNCTL_UPKEEP_H
#define TURNCTL_UPKEEP_H

#include "table.h"

/*
 * Is the entry @kept, which a direction is to rely on, turnctl's to keep and to give back? If
 * somebody else has it managed, and no channel in @list has a note of it, it is not, and *@kept is
 * emptied.
 * Returns 1 if the entry is managed at present, 0 if it is not, or a negative errno.
 */
int turnctl_upkeep_plan(const struct turnctl_channel *list, size_t count, struct turn_kept *kept,
			struct turnctl_error *err);

/* Gives back what is kept for @channel, one of @list, unless others rely on it. Empties the notes
 * in @list only: the table's go with the channel. */
void turnctl_upkeep_end(const struct turnctl_channel *list, size_t count,
			struct turnctl_channel *channel);

struct turnctl_lapsed {
	bool forwarding;        /* net.ipv4.conf.lo.forwarding is 0 */
	size_t neighbours;      /* directions whose next hop is to be kept resolved, and is not */
	struct turn_kept first; /* such a next hop */
	__u32 elsewhere;        /* a device by which a direction would leave, but is not attached */
};

/* What has lapsed of the static channels in @list. */
void turnctl_upkeep_read(const struct turnctl_instance *instance,
			 const struct turnctl_channel *list, size_t count,
			 struct turnctl_lapsed *lapsed);

/* Has the kernel keep it all again, by the ways that the routes take now. The caller holds the
 * lock. */
int turnctl_upkeep_renew(const struct turnctl_instance *instance, struct turnctl_error *err);

#endif
