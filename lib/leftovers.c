// SPDX-License-Identifier: GPL-2.0
#include "leftovers.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "instance.h"
#include "owner.h"

#define LIBXDP_PINS TURNCTL_BPFFS "/xdp"
#define LIBXDP_SLOTS 10

static __u32 pinned_owner(const char *path)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info), owner = 0;
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return 0;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size))
		owner = turnctl_program_owner(info.id);
	close(fd);
	return owner;
}

static bool has_program_of(const char *dir, __u32 id)
{
	char path[400];
	int slot;

	for (slot = 0; slot < LIBXDP_SLOTS; slot++) {
		snprintf(path, sizeof(path), "%s/prog%d-prog", dir, slot);
		if (pinned_owner(path) == id)
			return true;
	}
	return false;
}

void turnctl_leftovers_remove(__u32 id)
{
	DIR *dir = opendir(LIBXDP_PINS);
	struct dirent *entry;
	char path[320];

	if (!dir)
		return;
	/* libxdp's own lock: it pins a dispatcher before it runs. Its directories of other network
	 * namespaces' devices are among them, and have no program of @id */
	flock(dirfd(dir), LOCK_EX);
	while (id && (entry = readdir(dir))) {
		unsigned int dispatcher;
		__u32 runs = 0;
		int ifindex;

		if (sscanf(entry->d_name, "dispatch-%d-%u", &ifindex, &dispatcher) != 2)
			continue;
		snprintf(path, sizeof(path), LIBXDP_PINS "/%s", entry->d_name);
		if ((bpf_xdp_query_id(ifindex, 0, &runs) || runs != dispatcher) &&
		    has_program_of(path, id))
			turnctl_remove_dir(path, NULL);
	}
	closedir(dir);
}
