// SPDX-License-Identifier: GPL-2.0
/* Making an instance and removing it: its directory appears and goes whole or not at all. */
#include "instance.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "hint.h"
#include "objects.h"

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
int turnctl_remove_dir(const char *path, struct turnctl_error *err)
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
	code = turnctl_make_dir(parent, err);
	if (!code)
		code = turnctl_remove_dir(aside, err); /* left by an attach that was killed */
	if (!code)
		code = turnctl_make_dir(aside, err);
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
					   : "the kernel refuses the tables for %u channels (-v "
					     "shows its reasons)",
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
		turnctl_remove_dir(aside, NULL);
		rmdir(parent);
		rmdir(TURNCTL_PINS);
	}
	return code;
}

int turnctl_instance_check_size(const struct turnctl_instance *instance, unsigned int channels,
				struct turnctl_error *err)
{
	struct turn_config config;
	int code = turnctl_config_read(instance, &config, err);

	if (code || !channels || channels == config.max_channels)
		return code;
	return turnctl_fail(err, EINVAL,
			    "instance '%s' has room for %u channels already; its size cannot "
			    "change while devices are attached (%s first)", instance->name,
			    config.max_channels, turnctl_hint(instance->name, "detach --all").text);
}

int turnctl_instance_make(struct turnctl_instance *instance, const char *name,
			  unsigned int channels, struct turnctl_error *err)
{
	int code;

	turnctl_instance_init(instance, name);
	code = turnctl_check_bpffs(err);
	if (!code)
		code = turnctl_instance_lock(instance, err);
	if (!code && access(instance->path, F_OK)) {
		code = turnctl_instance_check_layout(instance, err);
		if (!code)
			code = create(instance, channels ? channels : TURNCTL_DEFAULT_CHANNELS,
				      err);
	}
	if (!code)
		code = turnctl_instance_open_pins(instance, err);
	if (!code)
		code = turnctl_instance_check_netns(instance, err);
	if (!code)
		code = turnctl_instance_check_size(instance, channels, err);
	if (code)
		turnctl_instance_close(instance);
	return code;
}

/* By way of another name, so that a reader finds it or does not. */
int turnctl_control_renew(struct turnctl_instance *instance, struct turnctl_error *err)
{
	char path[192], aside[192];
	struct bpf_object *object;
	int code;

	snprintf(path, sizeof(path), "%s/turn_control", instance->path);
	snprintf(aside, sizeof(aside), "%s/turn_control_new", instance->path);
	object = turnctl_object_load(TURNCTL_CONTROL, instance->path, NULL, &code, err);
	if (!object)
		return code;
	unlink(aside); /* left by a command that was killed */
	if (bpf_obj_pin(turnctl_object_fd(object, TURNCTL_CONTROL), aside) || rename(aside, path))
		code = turnctl_fail_errno(err, errno, "cannot pin %s", path);
	bpf_object__close(object);
	if (!code) {
		close(instance->control);
		instance->control = bpf_obj_get(path);
	}
	return code;
}

int turnctl_instance_remove(struct turnctl_instance *instance, struct turnctl_error *err)
{
	char parent[96], aside[128];
	int code;

	snprintf(parent, sizeof(parent), TURNCTL_PINS "/%s", instance->name);
	snprintf(aside, sizeof(aside), "%s/new", parent);
	/* out of the way at once: a command that is killed in here leaves no half instance */
	code = turnctl_remove_dir(aside, err);
	if (!code && rename(instance->path, aside) && errno != ENOENT)
		code = turnctl_fail_errno(err, errno, "cannot rename %s", instance->path);
	if (!code)
		code = turnctl_remove_dir(aside, err);
	rmdir(parent);       /* another layout's pins may be there */
	rmdir(TURNCTL_PINS); /* and other instances' */
	return code;
}

