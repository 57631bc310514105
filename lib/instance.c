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
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/magic.h>

#include "hint.h"
#include "owner.h"

static const char *const map_names[TURNCTL_MAPS] = {
	[TURNCTL_FLOWS] = "turn_flows",
	[TURNCTL_ALLOCS] = "turn_allocs",
	[TURNCTL_SLOTS] = "turn_slots",
	[TURNCTL_PERMS] = "turn_perms",
	[TURNCTL_PORTS] = "turn_ports",
	[TURNCTL_CONFIG] = "turn_config",
	[TURNCTL_PULSE] = "turn_pulse",
	[TURNCTL_DOUBTS] = "turn_doubts",
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
	return c > name && c - name < TURNCTL_NAME;
}

const char *turnctl_map_name(enum turnctl_map map)
{
	return map_names[map];
}

void turnctl_instance_init(struct turnctl_instance *instance, const char *name)
{
	char copy[sizeof(instance->name)]; /* @name may be the instance's own */
	int i;

	snprintf(copy, sizeof(copy), "%s", name);
	memset(instance, 0, sizeof(*instance));
	memcpy(instance->name, copy, sizeof(copy));
	snprintf(instance->path, sizeof(instance->path), TURNCTL_PINS "/%s/abi-%d", instance->name,
		 TURN_ABI);
	instance->lock = instance->control = -1;
	for (i = 0; i < TURNCTL_MAPS; i++)
		instance->map[i] = -1;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void turnctl_instance_forget(struct turnctl_instance *instance)
{
	int i;

	for (i = 0; i < TURNCTL_MAPS; i++)
		close_fd(&instance->map[i]);
	close_fd(&instance->control);
}

void turnctl_instance_close(struct turnctl_instance *instance)
{
	turnctl_instance_forget(instance);
	if (instance->lock >= 0)
		close(instance->lock);
	turnctl_instance_init(instance, instance->name);
}

int turnctl_check_bpffs(struct turnctl_error *err)
{
	struct statfs fs;

	if (!statfs(TURNCTL_BPFFS, &fs) && fs.f_type == BPF_FS_MAGIC)
		return 0;
	return turnctl_fail(err, ENOENT,
			    "no BPF file system at " TURNCTL_BPFFS
			    "; mount one with 'mount -t bpf -o mode=700 bpf " TURNCTL_BPFFS
			    "' (under 'ip netns exec', which hides it, use 'nsenter --net=' "
			    "instead)");
}

int turnctl_check_root(struct turnctl_error *err)
{
	return geteuid() ? turnctl_fail(err, EPERM, "only root may change what is attached") : 0;
}

int turnctl_make_dir(const char *path, struct turnctl_error *err)
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
int turnctl_instance_lock(struct turnctl_instance *instance, struct turnctl_error *err)
{
	struct stat held, named;
	int attempt, fd, code;

	code = turnctl_check_root(err);
	if (code)
		return code;
	for (attempt = 0; attempt < 100; attempt++) {
		code = turnctl_make_dir(TURNCTL_PINS, err);
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
			return turnctl_fail(err, EPERM, TURNCTL_PINS " belongs to user %u or "
					    "others may write it; remove it ('rm -r " TURNCTL_PINS
					    "')",
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
int turnctl_instance_check_layout(const struct turnctl_instance *instance,
				  struct turnctl_error *err)
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
			    "instance '%s' is of a turnctl with map layout %d, and this one has "
			    "%d: its channels cannot be taken over; %s takes it off (the server "
			    "goes on relaying them), then attach", instance->name, other, TURN_ABI,
			    turnctl_hint(instance->name, "detach --all").text);
}

/* There is no such instance; the user may have meant another one. */
static int nothing_attached(const struct turnctl_instance *instance, struct turnctl_error *err)
{
	DIR *dir = opendir(TURNCTL_PINS);
	struct dirent *entry;
	char others[256] = "";
	size_t used = 0;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, instance->name) &&
		    used < sizeof(others))
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

/* Opens what there is; returns the name of a pin that is missing, if one is. */
static const char *open_what_is_there(struct turnctl_instance *instance)
{
	const char *missing = NULL;
	char path[192];
	int i;

	for (i = 0; i <= TURNCTL_MAPS; i++) {
		const char *name = i < TURNCTL_MAPS ? map_names[i] : "turn_control";
		int *fd = i < TURNCTL_MAPS ? &instance->map[i] : &instance->control;

		snprintf(path, sizeof(path), "%s/%s", instance->path, name);
		*fd = bpf_obj_get(path);
		if (*fd < 0)
			missing = name;
	}
	return missing;
}

int turnctl_instance_open_pins(struct turnctl_instance *instance, struct turnctl_error *err)
{
	struct stat before, after;
	const char *missing;
	int code;

	for (;;) {
		if (stat(instance->path, &before)) {
			if (errno == EACCES)
				return turnctl_fail(err, EACCES, "cannot read %s: be root",
						    instance->path);
			code = turnctl_instance_check_layout(instance, err);
			return code ? code : nothing_attached(instance, err);
		}
		missing = open_what_is_there(instance);
		code = errno;
		/* without the lock it may be removed, and made again, while we look */
		if (!stat(instance->path, &after) && before.st_ino == after.st_ino)
			break;
		turnctl_instance_forget(instance);
	}
	if (!missing)
		return 0;
	if (code != ENOENT)
		return turnctl_fail_errno(err, code, "cannot open %s/%s", instance->path, missing);
	return turnctl_fail(err, ESTALE,
			    "instance '%s' is not whole, since %s/%s is missing (were pins removed "
			    "by hand?); %s takes it off, or %s begins anew",
			    instance->name, instance->path, missing,
			    turnctl_hint(instance->name, "detach --all").text,
			    turnctl_hint(instance->name, "attach DEV").text);
}

int turnctl_instance_check_netns(const struct turnctl_instance *instance, struct turnctl_error *err)
{
	struct turn_config config;
	int code = turnctl_config_read(instance, &config, err);

	if (code || !config.netns || config.netns == turnctl_own_netns())
		return code;
	return turnctl_fail(err, EXDEV,
			    "instance '%s' belongs to another network namespace; enter that one "
			    "with 'nsenter --net=', or use another --instance here",
			    instance->name);
}

int turnctl_instance_open(struct turnctl_instance *instance, const char *name, bool change,
			  struct turnctl_error *err)
{
	int code = turnctl_instance_open_anywhere(instance, name, change, err);

	if (code)
		return code;
	code = turnctl_instance_check_netns(instance, err);
	if (code)
		turnctl_instance_close(instance);
	return code;
}

int turnctl_instance_open_anywhere(struct turnctl_instance *instance, const char *name, bool change,
				   struct turnctl_error *err)
{
	int code;

	turnctl_instance_init(instance, name);
	code = turnctl_check_bpffs(err);
	if (code)
		return code;
	if (access(TURNCTL_PINS, F_OK) && errno == ENOENT)
		return nothing_attached(instance, err);
	if (change)
		code = turnctl_instance_lock(instance, err);
	if (!code)
		code = turnctl_instance_open_pins(instance, err);
	if (code)
		turnctl_instance_close(instance);
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
	return turnctl_map_id(instance->map[TURNCTL_PORTS]);
}
