// SPDX-License-Identifier: GPL-2.0
#include "owner.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define PROGRAM_MAPS 64 /* the kernel's own bound on the maps that a program uses */

static int map_info(int fd, struct bpf_map_info *info)
{
	__u32 size = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &size);
}

int turnctl_program_map(__u32 program_id, const char *name)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info), maps[PROGRAM_MAPS], i;
	struct bpf_map_info map;
	int fd, code;

	fd = bpf_prog_get_fd_by_id(program_id);
	if (fd < 0)
		return -ENOENT;
	info.nr_map_ids = PROGRAM_MAPS;
	info.map_ids = (__u64)(unsigned long)maps;
	code = bpf_obj_get_info_by_fd(fd, &info, &size);
	close(fd);
	for (i = 0; !code && i < info.nr_map_ids && i < PROGRAM_MAPS; i++) {
		fd = bpf_map_get_fd_by_id(maps[i]);
		if (fd < 0)
			continue;
		if (!map_info(fd, &map) && !strcmp(map.name, name))
			return fd;
		close(fd);
	}
	return -ENOENT;
}

__u32 turnctl_map_id(int fd)
{
	struct bpf_map_info map;

	return fd < 0 || map_info(fd, &map) ? 0 : map.id;
}

__u32 turnctl_program_owner(__u32 program_id)
{
	int fd = turnctl_program_map(program_id, "turn_ports");
	__u32 id = turnctl_map_id(fd);

	if (fd >= 0)
		close(fd);
	return id;
}

void turnctl_program_label(__u32 program_id, char name[16])
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	int fd = program_id ? bpf_prog_get_fd_by_id(program_id) : -1;

	name[0] = '\0';
	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size))
		snprintf(name, 16, "%s", info.name);
	close(fd);
}

bool turnctl_is_layout(const char *name)
{
	return !strncmp(name, "abi-", 4);
}

/* By turn_ports, or by turn_control, which uses it: one of them may have been removed. */
__u32 turnctl_pinned_id(const char *dir)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info), id;
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/turn_ports", dir);
	fd = bpf_obj_get(path);
	id = turnctl_map_id(fd);
	if (fd >= 0)
		close(fd);
	if (id)
		return id;
	snprintf(path, sizeof(path), "%s/turn_control", dir);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size))
		id = turnctl_program_owner(info.id);
	close(fd);
	return id;
}

static bool has_layout_with(const char *name, __u32 id)
{
	struct dirent *entry;
	bool found = false;
	char path[600];
	DIR *dir;

	snprintf(path, sizeof(path), TURNCTL_PINS "/%s", name);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), TURNCTL_PINS "/%s/%s", name, entry->d_name);
		found = turnctl_is_layout(entry->d_name) && turnctl_pinned_id(path) == id;
	}
	if (dir)
		closedir(dir);
	return found;
}

bool turnctl_instance_of(__u32 id, char name[TURNCTL_NAME])
{
	struct dirent *entry;
	bool found = false;
	DIR *dir = opendir(TURNCTL_PINS);

	while (dir && !found && (entry = readdir(dir))) {
		if (!turnctl_instance_name_ok(entry->d_name) || !has_layout_with(entry->d_name, id))
			continue;
		found = true;
		snprintf(name, TURNCTL_NAME, "%.*s", TURNCTL_NAME - 1, entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}
