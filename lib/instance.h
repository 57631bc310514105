/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An instance: one set of pinned maps under /sys/fs/bpf/turnctl/NAME/abi-N, and the devices that
 * share it. The directory appears whole or not at all (it is made aside and renamed), and is
 * removed with the last device.
 */
#ifndef TURNCTL_INSTANCE_H
#define TURNCTL_INSTANCE_H

#include <stdbool.h>

#include "abi.h"
#include "error.h"

#define TURNCTL_BPFFS "/sys/fs/bpf"
#define TURNCTL_PINS TURNCTL_BPFFS "/turnctl"
#define TURNCTL_DEFAULT_CHANNELS 16384
#define TURNCTL_MOST_CHANNELS 1000000

enum turnctl_map {
	TURNCTL_FLOWS,
	TURNCTL_ALLOCS,
	TURNCTL_SLOTS,
	TURNCTL_PERMS,
	TURNCTL_PORTS,
	TURNCTL_CONFIG,
	TURNCTL_DEVICES,
	TURNCTL_STATS,
	TURNCTL_EXITS,
	TURNCTL_PLAIN_EXITS,
	TURNCTL_MAPS,
};

struct turnctl_instance {
	char name[32];
	char path[128]; /* of the pins */
	int lock;       /* descriptor that holds the lock, -1 = none */
	int map[TURNCTL_MAPS];
	int control; /* turn_control, pinned */
};

/* Is @name fit for an instance: 1 to 31 of [A-Za-z0-9_-]? */
bool turnctl_instance_name_ok(const char *name);

/*
 * Opens the pinned instance. -ENOENT: there is none (nothing attached under that name); -EPROTO:
 * there is one of another layout. With @change, the lock is taken first (waiting for other
 * commands); readers do without. Close with turnctl_instance_close() after success only.
 */
int turnctl_instance_open(struct turnctl_instance *instance, const char *name, bool change,
			  struct turnctl_error *err);

/*
 * Opens the instance or makes it, locked. @max_channels sizes a new one (0: the default); it is
 * -EINVAL to give another number than an existing one has.
 */
int turnctl_instance_make(struct turnctl_instance *instance, const char *name,
			  unsigned int max_channels, struct turnctl_error *err);

void turnctl_instance_close(struct turnctl_instance *instance);

/* Removes all pins of the instance, complete or not. The caller holds the lock and has taken
 * every device out. */
int turnctl_instance_remove(struct turnctl_instance *instance, struct turnctl_error *err);

/* The configuration, all of it. The programs read it on the slow path only. */
int turnctl_config_read(const struct turnctl_instance *instance, struct turn_config *config,
			struct turnctl_error *err);
int turnctl_config_write(const struct turnctl_instance *instance,
			 const struct turn_config *config, struct turnctl_error *err);

/* Devices are known by index, which means something in one network namespace only: the inode of
 * ours, and -EXDEV if the instance's is another. */
__u64 turnctl_own_netns(void);
bool turnctl_netns_exists(__u64 inode); /* some process, or a name in /run/netns, holds it */
int turnctl_check_netns(const struct turnctl_instance *instance, const struct turn_config *config,
			struct turnctl_error *err);

/* The id of the instance's turn_ports map: every stage reads it, so a program that has it is ours. */
__u32 turnctl_instance_id(const struct turnctl_instance *instance);

#endif
