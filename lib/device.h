/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Attaching and detaching devices, whole: egress program and exits first, XDP last; and the other
 * way round. The order matters: without XDP nothing is relayed, so an attach that is killed
 * half-way relays nothing, and what it left is undone by the next command on the device.
 */
#ifndef TURNCTL_DEVICE_H
#define TURNCTL_DEVICE_H

#include <stdbool.h>

#include "abi.h"
#include "chain.h"
#include "instance.h"
#include "netlink.h"

struct turnctl_attach {
	const char *client;                /* device of the clients */
	const char *relay[TURN_DEVICES];   /* further devices, of the peers */
	int relays;
	struct turn_listener listener[TURN_LISTENERS]; /* none: port 3478 on a new instance */
	int listeners;
	struct turn_external external[TURN_EXTERNAL];
	int externals;
	enum turn_mode mode;
	bool fused;
	unsigned int prio;
	unsigned int heartbeat_ms; /* 0: as it is, on a new instance 2 s */
	unsigned int max_channels; /* 0: as it is, on a new instance the default */
};

#define TURNCTL_HEARTBEAT_LEAST 100 /* ms */
#define TURNCTL_HEARTBEAT_MOST 60000

/*
 * Checks everything that can be checked without changing anything, and calls @step with a line
 * for each thing that attach would do.
 */
int turnctl_attach_plan(const char *instance, const struct turnctl_attach *attach,
			void (*step)(const char *text), struct turnctl_error *err);

/* Attaches all devices, or none. */
int turnctl_attach(const char *instance, const struct turnctl_attach *attach,
		   struct turnctl_error *err);

/* Detaches one device, or all (@device NULL); the last one takes the instance's pins, sysctl and
 * neighbour entries with it. -ENOENT if it is not attached. */
int turnctl_detach(const char *instance, const char *device, struct turnctl_error *err);

/* What there is to say about an attached device. */
struct turnctl_device_state {
	struct turn_device device;
	int index;      /* in turn_devices and turn_stats */
	bool exists;    /* there is still a device with this index */
	struct turnctl_link link; /* if so */
	bool egress;    /* turn_egress is in its place */
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

/* Is the device with @ifindex attached? */
bool turnctl_is_attached(const struct turnctl_instance *instance, __u32 ifindex);

#endif
