/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libxdp pins the programs of a dispatcher, and removes the pins when it takes the programs off.
 * Whoever takes them off otherwise ('ip link set DEV xdp off', a device that goes away, a command
 * that was killed) leaves the pins, and with them the programs and the maps that they use.
 */
#ifndef TURNCTL_LEFTOVERS_H
#define TURNCTL_LEFTOVERS_H

#include <linux/types.h>

/* Removes the pins of the dispatchers that had programs of the instance @id and run no more. */
void turnctl_leftovers_remove(__u32 id);

#endif
