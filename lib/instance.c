// SPDX-License-Identifier: GPL-2.0
#include "instance.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/magic.h>

#include "objects.h"

static const char *const map_names[TURNCTL_MAPS] = {
	[TURNCTL_FLOWS] = "turn_flows",
	[TURNCTL_ALLOCS] = "turn_allocs",
	[TURNCTL_SLOTS] = "turn_slots",
	[TURNCTL_PERMS] = "turn_perms",
	[TURNCTL_PORTS] = "turn_ports",
	[TURNCTL_CONFIG] = "turn_config",
	[TURNCTL_PULSE] = "turn_pulse",
	[TURNCTL_DEVICES] = "turn_devices",
	[TURNCTL_STATS] = "turn_stats",
	[TURNCTL_EXITS] = "turn_exits",
	[TURNCTL_PLAIN_EXITS] = "turn_plain",
};

bool turnctl_instance_name_ok(const char *name)
{
	const char *c;

	for (c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
			return false;
	return c > name && c - name < 32;
}

static void instance_init(struct turnctl_instance *instance, const char *name)
{
	char copy[sizeof(instance->name)]; /* @name may be the instance's own */
	int i;

	snprintf(copy, sizeof(copy), "%s", name);
	memset(instance, 0, sizeof(*instance));
	memcpy(instance->name, copy, sizeof(copy));
	snprintf(instance->path, sizeof(instance->path), TURNCTL_PINS "/%s/abi-%d", instance->name,
		 TURN_ABI);
	if (strcmp(instance->name, TURNCTL_DEFAULT_INSTANCE))
		snprintf(instance->option, sizeof(instance->option), " -i %s", instance->name);
	instance->lock = instance->control = -1;
	for (i = 0; i < TURNCTL_MAPS; i++)
		instance->map[i] = -1;
}

void turnctl_instance_close(struct turnctl_instance *instance)
{
	int i;

	for (i = 0; i < TURNCTL_MAPS; i++)
		if (instance->map[i] >= 0)
			close(instance->map[i]);
	if (instance->control >= 0)
		close(instance->control);
	if (instance->lock >= 0)
		close(instance->lock);
	instance_init(instance, instance->name);
}

static int check_bpffs(struct turnctl_error *err)
{
	struct statfs fs;

	if (!statfs(TURNCTL_BPFFS, &fs) && fs.f_type == BPF_FS_MAGIC)
		return 0;
	return turnctl_fail(err, ENOENT,
			    "no BPF file system at " TURNCTL_BPFFS
			    "; mount one with 'mount -t bpf -o mode=700 bpf " TURNCTL_BPFFS
			    "' (under 'ip netns exec', which hides it, use 'nsenter --net=' instead)");
}

int turnctl_check_root(struct turnctl_error *err)
{
	return geteuid() ? turnctl_fail(err, EPERM, "only root may change what is attached") : 0;
}

static int make_dir(const char *path, struct turnctl_error *err)
{
	if (mkdir(path, 0700) && errno != EEXIST)
		return turnctl_fail_errno(err, errno, "cannot make %s", path);
	return 0;
}

/*
 * Locks the directory of all pins, which lives in the BPF file system: no file of ours is left
 * elsewhere. The last detach may have removed the directory while we waited for it, so look
 * whether what we hold is still what the path names.
 */
static int take_lock(struct turnctl_instance *instance, struct turnctl_error *err)
{
	struct stat held, named;
	int attempt, fd, code;

	code = turnctl_check_root(err);
	if (code)
		return code;
	for (attempt = 0; attempt < 100; attempt++) {
		code = make_dir(TURNCTL_PINS, err);
		if (code)
			return code;
		fd = open(TURNCTL_PINS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return turnctl_fail_errno(err, errno, "cannot open " TURNCTL_PINS);
		if (!fstat(fd, &held) && (held.st_uid != 0 || (held.st_mode & 022))) {
			/* a BPF file system lets anybody make directories by default */
			close(fd);
			return turnctl_fail(err, EPERM, TURNCTL_PINS " belongs to user %u or others may "
					    "write it; remove it ('rm -r " TURNCTL_PINS "')",
					    held.st_uid);
		}
		while ((code = flock(fd, LOCK_EX)) && errno == EINTR)
			;
		if (!code && !fstat(fd, &held) && !stat(TURNCTL_PINS, &named) &&
		    held.st_ino == named.st_ino && held.st_dev == named.st_dev) {
			instance->lock = fd;
			return 0;
		}
		close(fd);
	}
	return turnctl_fail(err, EAGAIN, "cannot lock " TURNCTL_PINS
			    ": it keeps being removed; try again");
}

/* Another layout under the same name? */
static int check_layout(const struct turnctl_instance *instance, struct turnctl_error *err)
{
	char path[96];
	struct dirent *entry;
	int other = 0;
	DIR *dir;

	snprintf(path, sizeof(path), TURNCTL_PINS "/%s", instance->name);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		if (!strncmp(entry->d_name, "abi-", 4) && atoi(entry->d_name + 4) != TURN_ABI)
			other = atoi(entry->d_name + 4);
	closedir(dir);
	if (!other)
		return 0;
	return turnctl_fail(err, EPROTO,
			    "instance '%s' was made by a turnctl with map layout %d, this one has %d; "
			    "run 'detach --all' with that one first",
			    instance->name, other, TURN_ABI);
}

static int open_pin(const struct turnctl_instance *instance, const char *name, int *fd,
		    struct turnctl_error *err)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", instance->path, name);
	*fd = bpf_obj_get(path);
	if (*fd >= 0)
		return 0;
	return turnctl_fail_errno(err, errno,
				  "cannot open %s (were pins removed by hand? turnctl(8) says how to clean "
				  "up then)", path);
}

/* There is no such instance; the user may have meant another one. */
static int nothing_attached(const struct turnctl_instance *instance, struct turnctl_error *err)
{
	DIR *dir = opendir(TURNCTL_PINS);
	struct dirent *entry;
	char others[256] = "";
	size_t used = 0;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && used < sizeof(others))
			used += snprintf(others + used, sizeof(others) - used, "%s%s",
					 used ? ", " : "", entry->d_name);
	if (dir)
		closedir(dir);
	if (!used)
		return turnctl_fail(err, TURNCTL_NOT_ATTACHED, "nothing is attached");
	return turnctl_fail(err, TURNCTL_NOT_ATTACHED,
			    "nothing is attached as instance '%s'; instances are: %s",
			    instance->name, others);
}

static int open_pins(struct turnctl_instance *instance, struct turnctl_error *err)
{
	int code, i;

	if (access(instance->path, F_OK)) {
		if (errno == EACCES)
			return turnctl_fail(err, EACCES, "cannot read %s: be root", instance->path);
		code = check_layout(instance, err);
		return code ? code : nothing_attached(instance, err);
	}
	for (i = 0; i < TURNCTL_MAPS; i++) {
		code = open_pin(instance, map_names[i], &instance->map[i], err);
		if (code)
			return code;
	}
	return open_pin(instance, "turn_control", &instance->control, err);
}

static int check_netns(const struct turnctl_instance *instance, struct turnctl_error *err)
{
	struct turn_config config;
	int code = turnctl_config_read(instance, &config, err);

	if (code || !config.netns || config.netns == turnctl_own_netns())
		return code;
	return turnctl_fail(err, EXDEV,
			    "instance '%s' belongs to another network namespace; enter that one with "
			    "'nsenter --net=', or use another --instance here", instance->name);
}

int turnctl_instance_open(struct turnctl_instance *instance, const char *name, bool change,
			  struct turnctl_error *err)
{
	int code = turnctl_instance_open_anywhere(instance, name, change, err);

	if (code)
		return code;
	code = check_netns(instance, err);
	if (code)
		turnctl_instance_close(instance);
	return code;
}

int turnctl_instance_open_anywhere(struct turnctl_instance *instance, const char *name, bool change,
				   struct turnctl_error *err)
{
	int code;

	instance_init(instance, name);
	code = check_bpffs(err);
	if (code)
		return code;
	if (access(TURNCTL_PINS, F_OK) && errno == ENOENT)
		return nothing_attached(instance, err);
	if (change)
		code = take_lock(instance, err);
	if (!code)
		code = open_pins(instance, err);
	if (code)
		turnctl_instance_close(instance);
	return code;
}

/* jiffies a second: the coarse clock's resolution is one tick */
static __u32 kernel_hz(void)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) || !tick.tv_nsec)
		return 250;
	return (1000000000 + tick.tv_nsec / 2) / tick.tv_nsec;
}

static void set_sizes(struct bpf_object *object, unsigned int channels)
{
	static const struct {
		const char *map;
		unsigned int per_channel;
	} sizes[] = {
		{ "turn_flows", 2 },
		{ "turn_allocs", 1 },
		{ "turn_slots", 2 },
		{ "turn_perms", 1 },
	};
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		bpf_map__set_max_entries(bpf_object__find_map_by_name(object, sizes[i].map),
					 channels * sizes[i].per_channel);
}

static int pin_all(struct bpf_object *object, const char *dir, struct turnctl_error *err)
{
	struct bpf_map *map;
	char path[192];

	bpf_object__for_each_map(map, object) {
		if (strstr(bpf_map__name(map), ".rodata"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, bpf_map__name(map));
		if (bpf_obj_pin(bpf_map__fd(map), path))
			return turnctl_fail_errno(err, errno, "cannot pin %s", path);
	}
	snprintf(path, sizeof(path), "%s/turn_control", dir);
	if (bpf_obj_pin(turnctl_object_fd(object, TURNCTL_CONTROL), path))
		return turnctl_fail_errno(err, errno, "cannot pin %s", path);
	return 0;
}

/* Empties and removes a directory of pins; one that is not there is no error. */
static int remove_dir(const char *path, struct turnctl_error *err)
{
	struct dirent *entry;
	char file[400];
	DIR *dir = opendir(path);

	if (!dir)
		return errno == ENOENT ? 0 : turnctl_fail_errno(err, errno, "cannot read %s", path);
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		if (unlink(file) && errno != ENOENT && errno != EISDIR && errno != EPERM) {
			closedir(dir);
			return turnctl_fail_errno(err, errno, "cannot remove %s", file);
		}
	}
	closedir(dir);
	if (rmdir(path) && errno != ENOENT)
		return turnctl_fail_errno(err, errno, "cannot remove %s", path);
	return 0;
}

static int fill_config(struct bpf_object *object, unsigned int channels,
		       struct turnctl_error *err)
{
	struct turn_config config = {
		.hz = kernel_hz(),
		.heartbeat = 2 * kernel_hz(),
		.channel_lifetime = 600,
		.permission_lifetime = 300,
		.allocation_lifetime = 600,
		.slots = 2 * channels,
		.max_channels = channels,
	};
	__u32 zero = 0;
	int fd = bpf_map__fd(bpf_object__find_map_by_name(object, "turn_config"));

	if (bpf_map_update_elem(fd, &zero, &config, BPF_ANY))
		return turnctl_fail_errno(err, errno, "cannot write turn_config");
	return 0;
}

static int create(struct turnctl_instance *instance, unsigned int channels,
		  struct turnctl_error *err)
{
	char parent[96], aside[128];
	struct bpf_object *object;
	int code;

	snprintf(parent, sizeof(parent), TURNCTL_PINS "/%s", instance->name);
	snprintf(aside, sizeof(aside), "%s/new", parent);
	code = make_dir(parent, err);
	if (!code)
		code = remove_dir(aside, err); /* left by an attach that was killed */
	if (!code)
		code = make_dir(aside, err);
	if (code)
		return code;
	object = turnctl_object_open(TURNCTL_CONTROL, NULL, NULL, &code, err);
	if (!object)
		goto out;
	set_sizes(object, channels);
	code = bpf_object__load(object);
	if (code) {
		turnctl_fail_errno(err, -code,
				   code == -ENOMEM || code == -E2BIG
					   ? "cannot make tables for %u channels"
					   : "the kernel refuses the tables for %u channels (-v shows "
					     "its reasons)",
				   channels);
		goto out;
	}
	code = fill_config(object, channels, err);
	if (!code)
		code = pin_all(object, aside, err);
	if (!code && rename(aside, instance->path))
		code = turnctl_fail_errno(err, errno, "cannot rename %s", aside);
out:
	bpf_object__close(object);
	if (code) {
		remove_dir(aside, NULL);
		rmdir(parent);
		rmdir(TURNCTL_PINS);
	}
	return code;
}

static int check_size(const struct turnctl_instance *instance, unsigned int channels,
		      struct turnctl_error *err)
{
	struct turn_config config;
	int code = turnctl_config_read(instance, &config, err);

	if (code || !channels || channels == config.max_channels)
		return code;
	return turnctl_fail(err, EINVAL,
			    "instance '%s' has room for %u channels already; its size cannot change "
			    "while devices are attached (detach all first)",
			    instance->name, config.max_channels);
}

int turnctl_instance_make(struct turnctl_instance *instance, const char *name,
			  unsigned int channels, struct turnctl_error *err)
{
	int code;

	instance_init(instance, name);
	code = check_bpffs(err);
	if (!code)
		code = take_lock(instance, err);
	if (!code && access(instance->path, F_OK)) {
		code = check_layout(instance, err);
		if (!code)
			code = create(instance, channels ? channels : TURNCTL_DEFAULT_CHANNELS, err);
	}
	if (!code)
		code = open_pins(instance, err);
	if (!code)
		code = check_netns(instance, err);
	if (!code)
		code = check_size(instance, channels, err);
	if (code)
		turnctl_instance_close(instance);
	return code;
}

int turnctl_instance_remove(struct turnctl_instance *instance, struct turnctl_error *err)
{
	char parent[96], aside[128];
	int code;

	snprintf(parent, sizeof(parent), TURNCTL_PINS "/%s", instance->name);
	snprintf(aside, sizeof(aside), "%s/new", parent);
	/* out of the way at once: a command that is killed in here leaves no half instance */
	code = remove_dir(aside, err);
	if (!code && rename(instance->path, aside) && errno != ENOENT)
		code = turnctl_fail_errno(err, errno, "cannot rename %s", instance->path);
	if (!code)
		code = remove_dir(aside, err);
	rmdir(parent);       /* another layout's pins may be there */
	rmdir(TURNCTL_PINS); /* and other instances' */
	return code;
}

int turnctl_config_read(const struct turnctl_instance *instance, struct turn_config *config,
			struct turnctl_error *err)
{
	__u32 zero = 0;

	if (bpf_map_lookup_elem(instance->map[TURNCTL_CONFIG], &zero, config))
		return turnctl_fail_errno(err, errno, "cannot read turn_config");
	return 0;
}

int turnctl_config_write(const struct turnctl_instance *instance,
			 const struct turn_config *config, struct turnctl_error *err)
{
	__u32 zero = 0;

	if (bpf_map_update_elem(instance->map[TURNCTL_CONFIG], &zero, config, BPF_EXIST))
		return turnctl_fail_errno(err, errno, "cannot write turn_config");
	return 0;
}

__u64 turnctl_own_netns(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : st.st_ino;
}

__u32 turnctl_instance_id(const struct turnctl_instance *instance)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(instance->map[TURNCTL_PORTS], &info, &size))
		return 0;
	return info.id;
}
