/* SPDX-License-Identifier: GPL-2.0 */
/* Attached devices: the notes that the command keeps of them, taking them out, their state. */
#ifndef TURNCTL_DEVICE_H
#define TURNCTL_DEVICE_H

#include <stdbool.h>

#include "abi.h"
#include "chain.h"
#include "egress.h"
#include "instance.h"
#include "link.h"

/* ---- the notes of what was done to a device (turn_devices) ----------------------------------- */

/* Is there a device at @index (0 to TURN_DEVICES - 1)? Its note is copied to @device. */
bool turnctl_device_at(const struct turnctl_instance *instance, __u32 index,
		       struct turn_device *device);

/* The index of the entry for @ifindex (0: of a free one), copied to @device; -ENOENT. */
int turnctl_device_find(const struct turnctl_instance *instance, __u32 ifindex,
			struct turn_device *device);

/* The index of the entry that @link has: by its ifindex, or by its name if the device of that name
 * is gone and @link has come in its place; -ENOENT. */
int turnctl_device_known(const struct turnctl_instance *instance, const struct turnctl_link *link,
			 struct turn_device *device);

int turnctl_device_write(const struct turnctl_instance *instance, __u32 index,
			 const struct turn_device *device, struct turnctl_error *err);

/* How many devices are attached? */
int turnctl_device_count(const struct turnctl_instance *instance);
/* Is any, or half attached? */
bool turnctl_device_any(const struct turnctl_instance *instance);

/* Takes a device out, XDP first, whatever of it is there. One that is gone has taken all along. */
int turnctl_device_take_out(const struct turnctl_instance *instance, int index,
			    const struct turn_device *device, struct turnctl_error *err);

/* Takes out the devices whose attach did not come to its end. */
int turnctl_clear_remains(const struct turnctl_instance *instance, struct turnctl_error *err);

/* Ends an instance that has no device any more: neighbours, sysctl, pins. */
int turnctl_instance_end(struct turnctl_instance *instance, struct turnctl_error *err);

/* ---- detach and state ------------------------------------------------------------------------ */

/*
 * Detaches one device, or all (@device NULL); the last one takes the instance's pins, sysctl and
 * neighbour entries with it. An instance that cannot be used any more is taken off as well, and
 * so are strays (remains.h). -TURNCTL_NOT_ATTACHED if there is nothing.
 */
int turnctl_detach(const char *instance, const char *device, struct turnctl_error *err);

/* What there is to say about an attached device. */
struct turnctl_device_state {
	struct turn_device device;
	int index;      /* in turn_devices and turn_stats */
	bool exists;    /* there is still a device with this index */
	bool back;      /* there is not, but one with its name */
	struct turnctl_link link; /* if so */
	struct turnctl_egress egress;
	bool exits;     /* it is a target of redirects */
	struct turnctl_chain chain;
	int stages;     /* of ours in the chain */
	int expected;
};

/* Fills @states (TURN_DEVICES of them) with the attached devices; their number, or < 0. */
int turnctl_devices_read(const struct turnctl_instance *instance,
			 struct turnctl_device_state *states, struct turnctl_error *err);

/* The counters of a device, added up over the CPUs. @index as in turnctl_device_state. */
int turnctl_stats_read(const struct turnctl_instance *instance, int index,
		       struct turn_stats *stats, struct turnctl_error *err);

int turnctl_stats_clear(const struct turnctl_instance *instance, __u32 index,
			struct turnctl_error *err);

/* Is the device with @ifindex attached? */
bool turnctl_is_attached(const struct turnctl_instance *instance, __u32 ifindex);

#endif
