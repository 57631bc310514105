// SPDX-License-Identifier: GPL-2.0
#include "remains.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "chain.h"
#include "device.h"
#include "egress.h"
#include "exits.h"
#include "leftovers.h"
#include "link.h"
#include "owner.h"
#include "statics.h"

#define OWNERS 8 /* instances with programs on one device: one, or two after an accident */

/* ---- the programs of a device ---------------------------------------------------------------- */

static void add_owner(__u32 *owners, int *count, __u32 id)
{
	int i;

	for (i = 0; i < *count; i++)
		if (owners[i] == id)
			return;
	if (*count < OWNERS)
		owners[(*count)++] = id;
}

/* The ids of all instances that have a program on the device. */
static int device_owners(int ifindex, __u32 *owners)
{
	struct turnctl_chain chain = {};
	__u32 egress[OWNERS];
	int count = 0, found, i;

	turnctl_chain_read(ifindex, 0, &chain, NULL);
	for (i = 0; i < chain.count; i++)
		if (chain.program[i].owner)
			add_owner(owners, &count, chain.program[i].owner);
	found = turnctl_egress_owners(ifindex, egress, OWNERS);
	for (i = 0; i < found; i++)
		add_owner(owners, &count, egress[i]);
	return count;
}

static bool has_programs(int ifindex, __u32 id)
{
	__u32 owners[OWNERS];
	int count = device_owners(ifindex, owners), i;

	for (i = 0; i < count; i++)
		if (owners[i] == id)
			return true;
	return false;
}

/* ---- taking off ------------------------------------------------------------------------------ */

/* Closes those maps whose contents we would misread. */
static void close_unknown(struct turnctl_instance *old)
{
	static const struct {
		enum turnctl_map map;
		__u32 key, value;
	} sizes[] = {
		{ TURNCTL_FLOWS, sizeof(struct turn_key4), sizeof(struct turn_flow) },
		{ TURNCTL_CONFIG, sizeof(__u32), sizeof(struct turn_config) },
		{ TURNCTL_DEVICES, sizeof(__u32), sizeof(struct turn_device) },
	};
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct bpf_map_info info = {};
		__u32 size = sizeof(info);
		int *fd = &old->map[sizes[i].map];

		if (*fd < 0 || (!bpf_obj_get_info_by_fd(*fd, &info, &size) &&
				info.key_size == sizes[i].key && info.value_size == sizes[i].value))
			continue;
		close(*fd);
		*fd = -1;
	}
}

/* The maps that are not pinned any more, from the programs that hold them. */
static void take_maps(struct turnctl_instance *old, int ifindex, __u32 id)
{
	struct turnctl_chain chain = {};
	int i, map;

	turnctl_chain_read(ifindex, id, &chain, NULL);
	for (i = 0; i < chain.count; i++)
		for (map = 0; chain.program[i].ours && map < TURNCTL_MAPS; map++)
			if (old->map[map] < 0)
				old->map[map] = turnctl_program_map(chain.program[i].id,
								    turnctl_map_name(map));
}

static int take_off_device(const struct turnctl_instance *old, const struct turnctl_link *link,
			   __u32 id, struct turnctl_error *err)
{
	struct turn_device device = {};
	int code;

	if (old->map[TURNCTL_DEVICES] < 0 ||
	    turnctl_device_find(old, link->ifindex, &device) < 0)
		device.flags = 0;
	device.ifindex = link->ifindex;
	snprintf(device.name, sizeof(device.name), "%s", link->name);
	code = turnctl_chain_detach(link->ifindex, link->name, id, err);
	return code ? code : turnctl_egress_detach(&device, *old->path ? old->path : NULL, id, err);
}

/*
 * Takes the programs of the instance @id off @device (NULL: all), and with the last of them what
 * static channels had changed. *@left: there are some on other devices. Returns on how many devices
 * there were any, or a negative errno.
 */
static int take_off(struct turnctl_instance *old, __u32 id, const char *device, bool *left,
		    struct turnctl_error *err)
{
	struct turnctl_link *links;
	int code, found = 0;
	size_t count, i;

	*left = false;
	code = turnctl_links_read(&links, &count, err);
	if (code)
		return code;
	/* all maps before the first program goes that holds them */
	for (i = 0; id && i < count; i++)
		take_maps(old, links[i].ifindex, id);
	close_unknown(old);
	for (i = 0; !code && i < count; i++) {
		bool there = id && has_programs(links[i].ifindex, id);

		if (device && strcmp(device, links[i].name)) {
			*left |= there;
			continue;
		}
		found += there;
		code = take_off_device(old, &links[i], id, err);
	}
	free(links);
	if (!code)
		turnctl_leftovers_remove(id);
	if (!code && !*left && old->map[TURNCTL_FLOWS] >= 0 && old->map[TURNCTL_CONFIG] >= 0)
		code = turnctl_statics_end(old, err);
	return code ? code : found;
}

/* ---- strays ---------------------------------------------------------------------------------- */

int turnctl_strays_read(const char *device, struct turnctl_stray *list, int room)
{
	char name[TURNCTL_NAME];
	struct turnctl_link *links;
	int count = 0, of_device, j;
	__u32 owners[OWNERS];
	size_t all, i;

	if (turnctl_links_read(&links, &all, NULL))
		return 0;
	for (i = 0; i < all; i++) {
		if (device && strcmp(device, links[i].name))
			continue;
		of_device = device_owners(links[i].ifindex, owners);
		for (j = 0; j < of_device && count < room; j++) {
			if (turnctl_instance_of(owners[j], name))
				continue;
			list[count].owner = owners[j];
			snprintf(list[count++].device, IFNAMSIZ, "%s", links[i].name);
		}
	}
	free(links);
	return count;
}

bool turnctl_device_runs(const char *device, const char *name)
{
	char instance[TURNCTL_NAME];
	struct turnctl_link link;
	__u32 owners[OWNERS];
	int count, i;

	if (turnctl_link_by_name(device, &link, NULL))
		return false;
	count = device_owners(link.ifindex, owners);
	for (i = 0; i < count; i++)
		if (turnctl_instance_of(owners[i], instance) && !strcmp(instance, name))
			return true;
	return false;
}

int turnctl_strays_clear(const char *device, struct turnctl_error *err)
{
	struct turnctl_stray *list = calloc(TURN_DEVICES, sizeof(*list));
	int count = list ? turnctl_strays_read(device, list, TURN_DEVICES) : 0, code = 0, i;

	for (i = 0; i < count && code >= 0; i++) {
		struct turnctl_instance old;
		bool left;

		turnctl_instance_init(&old, "");
		*old.path = 0;
		code = take_off(&old, list[i].owner, list[i].device, &left, err);
		turnctl_instance_close(&old);
	}
	free(list);
	return code < 0 ? code : count;
}

/* ---- instances that cannot be used ----------------------------------------------------------- */

/* Are its devices in another network namespace? What cannot be read is found out by its exits. */
static int check_elsewhere(const struct turnctl_instance *old, bool found,
			   struct turnctl_error *err)
{
	if (!turnctl_exits_any(old))
		return 0;
	if (old->map[TURNCTL_CONFIG] >= 0)
		return turnctl_instance_check_netns(old, err);
	return found ? 0
		     : turnctl_fail(err, EXDEV,
				    "no device here runs programs of instance '%s', but it has "
				    "devices: enter their network namespace with 'nsenter --net='",
				    old->name);
}

static bool runs_here(__u32 id)
{
	struct turnctl_link *links;
	bool found = false;
	size_t count, i;

	if (turnctl_links_read(&links, &count, NULL))
		return true; /* when in doubt, it is not said to be elsewhere */
	for (i = 0; i < count; i++)
		found |= has_programs(links[i].ifindex, id);
	free(links);
	return found;
}

/*
 * Opens what is there of one directory of pins below the instance's. 0: nothing to do, since it can
 * be used; 1: it cannot, *@id is its instance's.
 */
static int open_layout(struct turnctl_instance *old, const char *layout, __u32 *id,
		       struct turnctl_error *err)
{
	char own[16];
	bool whole;
	int code;

	snprintf(own, sizeof(own), "abi-%d", TURN_ABI);
	snprintf(old->path, sizeof(old->path), TURNCTL_PINS "/%.31s/%.31s", old->name, layout);
	whole = !turnctl_instance_open_pins(old, NULL);
	if (whole && !strcmp(layout, own)) {
		turnctl_instance_forget(old);
		return 0;
	}
	close_unknown(old);
	*id = turnctl_pinned_id(old->path);
	code = check_elsewhere(old, *id && runs_here(*id), err);
	if (code)
		turnctl_instance_forget(old);
	return code ? code : 1;
}

static int check_layout(struct turnctl_instance *old, const char *layout, const char *device,
			struct turnctl_error *err)
{
	__u32 id;
	int code = open_layout(old, layout, &id, err);

	(void)device;
	turnctl_instance_forget(old);
	return code;
}

static int clear_layout(struct turnctl_instance *old, const char *layout, const char *device,
			struct turnctl_error *err)
{
	bool left = false;
	__u32 id;
	int code = open_layout(old, layout, &id, err);

	if (code <= 0)
		return code;
	code = take_off(old, id, device, &left, err);
	if (code >= 0 && !left)
		code = turnctl_instance_remove(old, err);
	turnctl_instance_forget(old);
	return code < 0 ? code : 1;
}

/* Does @act with each layout of the instance; 1 if one of them was not to be used. */
static int each_layout(const char *name, const char *device,
		       int (*act)(struct turnctl_instance *old, const char *layout,
				  const char *device, struct turnctl_error *err),
		       struct turnctl_error *err)
{
	struct turnctl_instance old;
	struct dirent *entry;
	int code = 0, found = 0;
	char path[96];
	DIR *dir;

	snprintf(path, sizeof(path), TURNCTL_PINS "/%s", name);
	turnctl_instance_init(&old, name);
	dir = opendir(path);
	while (dir && code >= 0 && (entry = readdir(dir))) {
		if (!turnctl_is_layout(entry->d_name))
			continue;
		code = act(&old, entry->d_name, device, err);
		found |= code > 0;
	}
	if (dir)
		closedir(dir);
	return code < 0 ? code : found;
}

int turnctl_remains_check(const char *name, struct turnctl_error *err)
{
	return each_layout(name, NULL, check_layout, err);
}

int turnctl_remains_clear(const char *name, const char *device, struct turnctl_error *err)
{
	int code, found;
	char path[96];

	snprintf(path, sizeof(path), TURNCTL_PINS "/%s", name);
	if (access(path, F_OK))
		return 0;
	code = found = each_layout(name, device, clear_layout, err);
	/* a command was killed while it made an instance or removed one */
	snprintf(path, sizeof(path), TURNCTL_PINS "/%s/new", name);
	if (code >= 0 && !access(path, F_OK)) {
		code = turnctl_remove_dir(path, err);
		found = 1;
	}
	if (code >= 0) {
		snprintf(path, sizeof(path), TURNCTL_PINS "/%s", name);
		found |= !rmdir(path);
		rmdir(TURNCTL_PINS);
	}
	return code < 0 ? code : found;
}
