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
#define TURNCTL_DEFAULT_INSTANCE "default"
#define TURNCTL_DEFAULT_CHANNELS 16384
#define TURNCTL_MOST_CHANNELS 1000000

enum turnctl_map {
	TURNCTL_FLOWS,
	TURNCTL_ALLOCS,
	TURNCTL_SLOTS,
	TURNCTL_PERMS,
	TURNCTL_PORTS,
	TURNCTL_CONFIG,
	TURNCTL_PULSE,
	TURNCTL_DOUBTS,
	TURNCTL_DEVICES,
	TURNCTL_STATS,
	TURNCTL_EXITS,
	TURNCTL_PLAIN_EXITS,
	TURNCTL_MAPS,
};

const char *turnctl_map_name(enum turnctl_map map);

#define TURNCTL_NAME 32

struct turnctl_instance {
	char name[TURNCTL_NAME];
	char path[128]; /* of the pins */
	int lock;       /* descriptor that holds the lock, -1 = none */
	int map[TURNCTL_MAPS];
	int control; /* turn_control, pinned */
};

/* -EPERM for anybody but root, who would leave directories behind that root then refuses. */
int turnctl_check_root(struct turnctl_error *err);

/* Is @name fit for an instance: 1 to 31 of [A-Za-z0-9_-]? */
bool turnctl_instance_name_ok(const char *name);

/*
 * Opens the pinned instance. -TURNCTL_NOT_ATTACHED: there is none; -EPROTO: there is one of another
 * layout; -ESTALE: there is one with pins missing (remains.h clears those two); -EXDEV: its devices
 * are in another network namespace, where their indices mean others. With @change, the lock is
 * taken first (waiting for other commands); readers do without. Close with turnctl_instance_close()
 * after success only.
 */
int turnctl_instance_open(struct turnctl_instance *instance, const char *name, bool change,
			  struct turnctl_error *err);

/* The same from any network namespace: no device's index may be used. */
int turnctl_instance_open_anywhere(struct turnctl_instance *instance, const char *name, bool change,
				   struct turnctl_error *err);

/*
 * Opens the instance (as above) or makes it, locked. @max_channels sizes a new one (0: the
 * default); it is -EINVAL to give another number than an existing one has.
 */
int turnctl_instance_make(struct turnctl_instance *instance, const char *name,
			  unsigned int max_channels, struct turnctl_error *err);

/* -EINVAL if an existing instance has not this number of channels (0: any). */
int turnctl_instance_check_size(const struct turnctl_instance *instance, unsigned int channels,
				struct turnctl_error *err);

void turnctl_instance_close(struct turnctl_instance *instance);

/* Removes all pins of the instance, complete or not. The caller holds the lock and has taken
 * every device out. */
int turnctl_instance_remove(struct turnctl_instance *instance, struct turnctl_error *err);

/* Puts this turnctl's own turn_control in the place of the pinned one. */
int turnctl_control_renew(struct turnctl_instance *instance, struct turnctl_error *err);

/* ---- the steps of opening, for those who find half an instance ------------------------------- */

/* Names and paths, and nothing open. */
void turnctl_instance_init(struct turnctl_instance *instance, const char *name);
int turnctl_check_bpffs(struct turnctl_error *err);
/* Takes the lock, waiting for other commands; makes the directory of all pins for it. */
int turnctl_instance_lock(struct turnctl_instance *instance, struct turnctl_error *err);
int turnctl_instance_check_layout(const struct turnctl_instance *instance,
				  struct turnctl_error *err);
/* Opens the pins in instance->path; on -ESTALE those are open that are there. */
int turnctl_instance_open_pins(struct turnctl_instance *instance, struct turnctl_error *err);
int turnctl_instance_check_netns(const struct turnctl_instance *instance,
				 struct turnctl_error *err);
/* Closes the pins, not the lock. */
void turnctl_instance_forget(struct turnctl_instance *instance);
int turnctl_make_dir(const char *path, struct turnctl_error *err);
/* Empties and removes a directory of pins; one that is not there is no error. */
int turnctl_remove_dir(const char *path, struct turnctl_error *err);

/* ---------------------------------------------------------------------------------------------- */

/* The configuration, all of it. The programs read it on the slow path only. */
int turnctl_config_read(const struct turnctl_instance *instance, struct turn_config *config,
			struct turnctl_error *err);
int turnctl_config_write(const struct turnctl_instance *instance,
			 const struct turn_config *config, struct turnctl_error *err);

/* The inode of our network namespace. */
__u64 turnctl_own_netns(void);

/* The id of the instance's turn_ports map, by which its programs are known (owner.h). */
__u32 turnctl_instance_id(const struct turnctl_instance *instance);

#endif
