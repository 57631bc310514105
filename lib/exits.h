/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The exits: a device's entries in the two devmaps, which make it a target of redirects, in one of
 * them with turn_shift. Without them what would leave by the device goes to the server.
 */
#ifndef TURNCTL_EXITS_H
#define TURNCTL_EXITS_H

#include <stdbool.h>

#include "instance.h"

/* Adds both, or puts a new turn_shift in the place of an old one. */
int turnctl_exits_add(const struct turnctl_instance *instance, const struct turn_device *device,
		      struct turnctl_error *err);

void turnctl_exits_remove(const struct turnctl_instance *instance, __u32 ifindex);

/* Are both there? */
bool turnctl_exits_present(const struct turnctl_instance *instance, __u32 ifindex);

/* Has any device an exit? The kernel drops one with its device, whatever the network namespace. */
bool turnctl_exits_any(const struct turnctl_instance *instance);

#endif
