// SPDX-License-Identifier: GPL-2.0
#include "device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "exits.h"
#include "leftovers.h"
#include "remains.h"
#include "statics.h"

/* ---- the notes in turn_devices --------------------------------------------------------------- */

bool turnctl_device_at(const struct turnctl_instance *instance, __u32 index,
		       struct turn_device *device)
{
	return !bpf_map_lookup_elem(instance->map[TURNCTL_DEVICES], &index, device) &&
	       device->ifindex;
}

int turnctl_device_write(const struct turnctl_instance *instance, __u32 index,
			const struct turn_device *device, struct turnctl_error *err)
{
	if (bpf_map_update_elem(instance->map[TURNCTL_DEVICES], &index, device, BPF_ANY))
		return turnctl_fail_errno(err, errno, "cannot write turn_devices");
	return 0;
}

/* The index of the entry for @ifindex (0: of a free one); -ENOENT. */
int turnctl_device_find(const struct turnctl_instance *instance, __u32 ifindex,
		       struct turn_device *device)
{
	__u32 i;

	for (i = 0; i < TURN_DEVICES; i++)
		if (turnctl_device_at(instance, i, device) ? device->ifindex == ifindex : !ifindex)
			return i;
	return -ENOENT;
}

int turnctl_device_known(const struct turnctl_instance *instance, const struct turnctl_link *link,
			 struct turn_device *device)
{
	int index = turnctl_device_find(instance, link->ifindex, device);
	struct turnctl_link other;
	__u32 i;

	for (i = 0; i < TURN_DEVICES && index < 0; i++)
		if (turnctl_device_at(instance, i, device) &&
		    !strcmp(device->name, link->name) &&
		    turnctl_link_by_index(device->ifindex, &other, NULL) == -ENODEV)
			index = i;
	return index;
}

bool turnctl_is_attached(const struct turnctl_instance *instance, __u32 ifindex)
{
	struct turn_device device;

	return turnctl_device_find(instance, ifindex, &device) >= 0 && (device.flags & TURN_UP);
}

int turnctl_device_count(const struct turnctl_instance *instance)
{
	struct turn_device device;
	int count = 0;
	__u32 i;

	for (i = 0; i < TURN_DEVICES; i++)
		count += turnctl_device_at(instance, i, &device) && (device.flags & TURN_UP);
	return count;
}

bool turnctl_device_any(const struct turnctl_instance *instance)
{
	struct turn_device device;
	bool any = false;
	__u32 i;

	for (i = 0; i < TURN_DEVICES && !any; i++)
		any = turnctl_device_at(instance, i, &device);
	return any;
}

int turnctl_stats_clear(const struct turnctl_instance *instance, __u32 index,
		       struct turnctl_error *err)
{
	int cpus = libbpf_num_possible_cpus(), code = 0;
	struct turn_stats *zero;

	if (cpus < 1)
		return turnctl_fail(err, EIO, "cannot tell the number of CPUs");
	zero = calloc(cpus, sizeof(*zero));
	if (!zero)
		return turnctl_fail(err, ENOMEM, "out of memory");
	if (bpf_map_update_elem(instance->map[TURNCTL_STATS], &index, zero, BPF_ANY))
		code = turnctl_fail_errno(err, errno, "cannot clear the counters");
	free(zero);
	return code;
}

/* ---- detach ---------------------------------------------------------------------------------- */

/* No device is left: what static channels needed goes, and the pins. */
int turnctl_instance_end(struct turnctl_instance *instance, struct turnctl_error *err)
{
	int code = turnctl_statics_end(instance, err);

	return code ? code : turnctl_instance_remove(instance, err);
}

int turnctl_clear_remains(const struct turnctl_instance *instance, struct turnctl_error *err)
{
	struct turn_device device;
	int code = 0;
	__u32 i;

	for (i = 0; i < TURN_DEVICES && !code; i++)
		if (turnctl_device_at(instance, i, &device) && !(device.flags & TURN_UP))
			code = turnctl_device_take_out(instance, i, &device, err);
	return code;
}

/* Takes a device out, XDP first. A device that is gone has taken all of it along. */
int turnctl_device_take_out(const struct turnctl_instance *instance, int index,
		    const struct turn_device *device, struct turnctl_error *err)
{
	struct turn_device none = {};
	struct turnctl_link link;
	int code = 0;

	code = turnctl_link_by_index(device->ifindex, &link, err);
	if (!code)
		code = turnctl_chain_detach(device->ifindex, link.name,
					    turnctl_instance_id(instance), err);
	if (code && code != -ENODEV)
		return code;
	turnctl_leftovers_remove(turnctl_instance_id(instance));
	code = turnctl_egress_detach(device, instance->path, turnctl_instance_id(instance), err);
	if (code)
		return code;
	/* last: while there is one, something is attached */
	turnctl_exits_remove(instance, device->ifindex);
	return turnctl_device_write(instance, index, &none, err);
}

/*
 * The instance belongs to another network namespace. If that has gone with its devices, only pins
 * are left, and are removed: 1. Else -EXDEV. The caller holds the lock.
 */
static int remove_deserted(struct turnctl_instance *instance, struct turnctl_error *err)
{
	int code = turnctl_instance_open_pins(instance, err);

	if (!code)
		code = turnctl_exits_any(instance) ? -EXDEV
						   : turnctl_instance_remove(instance, err);
	turnctl_instance_forget(instance);
	return code ? code : 1;
}

/* The instance lives in another network namespace, says @err: is @wanted done with all the same,
 * since all that was on it were strays? */
static int only_strays(const char *name, const char *wanted, int strays, struct turnctl_error *err)
{
	if (turnctl_device_runs(wanted, name))
		return turnctl_fail(err, EXDEV,
				    "%s runs programs of instance '%s', which belongs to another "
				    "network namespace; move it back there, and detach it there",
				    wanted, name);
	return strays ? 0 : -EXDEV;
}

/*
 * There is no instance to be used here: @code says why. Takes off what is left of it, and strays,
 * but nothing of one that lives in another network namespace.
 */
static int detach_remains(const char *name, const char *wanted, int code, struct turnctl_error *err)
{
	struct turnctl_error why = *err, failure;
	struct turnctl_instance instance;
	struct turnctl_stray stray;
	int found, strays = 0;

	if (access(TURNCTL_PINS, F_OK) && !turnctl_strays_read(wanted, &stray, 1))
		return code;
	turnctl_instance_init(&instance, name);
	found = turnctl_instance_lock(&instance, &why);
	if (!found && code != -EXDEV)
		found = turnctl_remains_clear(name, wanted, &why);
	else if (!found)
		found = wanted ? -EXDEV : remove_deserted(&instance, &why);
	if (found >= 0 || found == -EXDEV)
		strays = turnctl_strays_clear(wanted, &failure);
	rmdir(TURNCTL_PINS);
	turnctl_instance_close(&instance);
	if (found < 0)
		*err = why;
	if (strays < 0) {
		*err = failure;
		return strays;
	}
	if (found == -EXDEV && wanted)
		return only_strays(name, wanted, strays, err);
	return found < 0 ? found : found + strays ? 0 : code;
}

/* By the name that it has now; by the one that it had, when it is gone. */
static bool is_named(const struct turn_device *device, const char *wanted)
{
	struct turnctl_link link;

	return !strcmp(wanted, turnctl_link_by_index(device->ifindex, &link, NULL) ? device->name
										    : link.name);
}

int turnctl_detach(const char *name, const char *wanted, struct turnctl_error *err)
{
	struct turnctl_instance instance;
	struct turn_device device;
	int code, strays = 0;
	bool found = false;
	__u32 i;

	code = turnctl_instance_open(&instance, name, true, err);
	if (code == -TURNCTL_NOT_ATTACHED || code == -EPROTO || code == -ESTALE || code == -EXDEV)
		return detach_remains(name, wanted, code, err);
	if (code)
		return code;
	for (i = 0; i < TURN_DEVICES && !code; i++) {
		if (!turnctl_device_at(&instance, i, &device) ||
		    (wanted && !is_named(&device, wanted)))
			continue;
		found = true;
		code = turnctl_device_take_out(&instance, i, &device, err);
	}
	if (!code)
		strays = turnctl_strays_clear(wanted, err);
	if (!code && !wanted)
		code = turnctl_remains_clear(name, NULL, err);
	/* last, since the lock goes with the last instance's pins */
	if (code >= 0 && strays >= 0 && !turnctl_device_any(&instance))
		code = turnctl_instance_end(&instance, err);
	if (code >= 0 && wanted && !found && !strays)
		code = turnctl_fail(err, TURNCTL_NOT_ATTACHED, "%s is not attached", wanted);
	turnctl_instance_close(&instance);
	return code < 0 ? code : strays < 0 ? strays : 0;
}

/* ---- state ----------------------------------------------------------------------------------- */

int turnctl_devices_read(const struct turnctl_instance *instance,
			 struct turnctl_device_state *states, struct turnctl_error *err)
{
	__u32 id = turnctl_instance_id(instance), i;
	int count = 0, j, code;

	for (i = 0; i < TURN_DEVICES; i++) {
		struct turnctl_device_state *state = &states[count];

		memset(state, 0, sizeof(*state));
		if (!turnctl_device_at(instance, i, &state->device))
			continue;
		count++;
		state->index = i;
		state->expected = turnctl_chain_count(state->device.role,
						      state->device.flags & TURN_FUSED);
		state->exists = !turnctl_link_by_index(state->device.ifindex, &state->link, NULL);
		state->back = !state->exists &&
			      !turnctl_link_by_name(state->device.name, &state->link, NULL);
		if (!state->exists)
			continue;
		turnctl_egress_read(state->device.ifindex, id, &state->egress);
		state->exits = turnctl_exits_present(instance, state->device.ifindex);
		code = turnctl_chain_read(state->device.ifindex, id, &state->chain, err);
		if (code)
			return code;
		for (j = 0; j < state->chain.count; j++)
			state->stages += state->chain.program[j].ours;
	}
	return count;
}

int turnctl_stats_read(const struct turnctl_instance *instance, int index,
		       struct turn_stats *stats, struct turnctl_error *err)
{
	size_t words = sizeof(*stats) / sizeof(__u64), word;
	int cpus = libbpf_num_possible_cpus(), cpu, code = 0;
	struct turn_stats *each;
	__u32 key = index;

	memset(stats, 0, sizeof(*stats));
	if (cpus < 1)
		return turnctl_fail(err, EIO, "cannot tell the number of CPUs");
	each = calloc(cpus, sizeof(*each));
	if (!each)
		return turnctl_fail(err, ENOMEM, "out of memory");
	if (bpf_map_lookup_elem(instance->map[TURNCTL_STATS], &key, each))
		code = turnctl_fail_errno(err, errno, "cannot read turn_stats");
	for (cpu = 0; !code && cpu < cpus; cpu++)
		for (word = 0; word < words; word++)
			((__u64 *)stats)[word] += ((__u64 *)&each[cpu])[word];
	free(each);
	return code;
}
