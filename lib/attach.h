/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Attaching devices, whole: egress program and exits first, XDP last (detach goes the other way).
 * The order matters: without XDP nothing is relayed, so an attach that is killed half-way relays
 * nothing, and what it left is undone by the next command on the device.
 *
 * A device that is attached already has its programs replaced, which is how it is upgraded, changed
 * and repaired. Maps, channels, counters and its place in turn_devices stay. Its note stays too,
 * whatever happens: killed or refused half-way, it is a degraded device and not a forgotten one.
 */
#ifndef TURNCTL_ATTACH_H
#define TURNCTL_ATTACH_H

#include <stdbool.h>

#include "abi.h"
#include "device.h"

struct turnctl_attach {
	const char *client;                /* device of the clients */
	const char *relay[TURN_DEVICES];   /* further devices, of the peers */
	int relays;
	struct turn_listener listener[TURN_LISTENERS]; /* none: port 3478 on a new instance */
	int listeners;
	struct turn_external external[TURN_EXTERNAL];
	int externals;
	enum turn_mode mode; /* 0: as the devices have it, of new ones native */
	enum { TURNCTL_INSTALL_KEPT, TURNCTL_CHAINED, TURNCTL_FUSE } install; /* new: chained */
	unsigned int prio;   /* 0: as it is, on a new device TURN_PRIO */
	unsigned int heartbeat_ms; /* 0: as it is, on a new instance 2 s */
	unsigned int max_channels; /* 0: as it is, on a new instance the default */
};

#define TURNCTL_HEARTBEAT_LEAST 100 /* ms */
#define TURNCTL_HEARTBEAT_MOST (TURN_HEARTBEAT_MOST * 1000)

/*
 * Checks everything that can be checked without changing anything, and calls @step with a line
 * for each thing that attach would do.
 */
int turnctl_attach_plan(const char *instance, const struct turnctl_attach *attach,
			void (*step)(const char *text), struct turnctl_error *err);

/* Attaches all devices, or none. */
int turnctl_attach(const char *instance, const struct turnctl_attach *attach,
		   struct turnctl_error *err);

#endif
