/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What cannot be used any more and is still to be taken off: an instance of another map layout, one
 * with pins missing, and strays, which are programs of turnctl's that belong to no pinned instance
 * (somebody removed the pins; the programs, and the maps they hold, stay). Only what is in this
 * network namespace can be seen.
 *
 * What such an instance had changed besides (static channels' neighbours and sysctl, the clsact
 * qdisc) is undone as far as its maps are still there, by their pins or in the programs, and are of
 * the sizes that we know.
 */
#ifndef TURNCTL_REMAINS_H
#define TURNCTL_REMAINS_H

#include <linux/if.h>
#include <stdbool.h>

#include "instance.h"

struct turnctl_stray {
	char device[IFNAMSIZ];
	__u32 owner; /* id of the instance that it had */
};

/* Fills @list (@room) with the strays of @device, or all (NULL), those of one device and instance
 * once; returns how many. */
int turnctl_strays_read(const char *device, struct turnctl_stray *list, int room);

/* Does @device run a program of the instance that is pinned as @name, in any layout? */
bool turnctl_device_runs(const char *device, const char *name);

/* Takes off the strays of @device, or all (NULL). The number of them, or a negative errno. The
 * caller holds the lock. */
int turnctl_strays_clear(const char *device, struct turnctl_error *err);

/*
 * Takes instance @name off if it cannot be used, from @device or from all devices (NULL), and with
 * the last device its pins. 1 if there was something, 0 if not, or a negative errno: -EXDEV if its
 * devices are in another network namespace. An instance that can be used is left alone. The caller
 * holds the lock.
 */
int turnctl_remains_clear(const char *name, const char *device, struct turnctl_error *err);

/* Would that work, of all devices? Changes nothing; the same results. */
int turnctl_remains_check(const char *name, struct turnctl_error *err);

#endif
