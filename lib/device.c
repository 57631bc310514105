// SPDX-License-Identifier: GPL-2.0
#include "device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "egress.h"
#include "objects.h"
#include "statics.h"

/* ---- the notes in turn_devices ----------------------------------------------------------------- */

static int read_device(const struct turnctl_instance *instance, __u32 index,
		       struct turn_device *device)
{
	return bpf_map_lookup_elem(instance->map[TURNCTL_DEVICES], &index, device) ? -errno : 0;
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
		if (!read_device(instance, i, device) && device->ifindex == ifindex)
			return i;
	return -ENOENT;
}

bool turnctl_is_attached(const struct turnctl_instance *instance, __u32 ifindex)
{
	struct turn_device device;

	return turnctl_device_find(instance, ifindex, &device) >= 0 && (device.flags & TURN_UP);
}

bool turnctl_device_any(const struct turnctl_instance *instance)
{
	struct turn_device device;
	__u32 i;

	for (i = 0; i < TURN_DEVICES; i++)
		if (!read_device(instance, i, &device) && device.ifindex)
			return true;
	return false;
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

/* ---- the exits ---------------------------------------------------------------------------------- */

static int add_exit(const struct turnctl_instance *instance, enum turnctl_map map, int program,
		    const struct turn_device *device, struct turnctl_error *err)
{
	struct bpf_devmap_val value = { .ifindex = device->ifindex, .bpf_prog.fd = program };

	if (bpf_map_update_elem(instance->map[map], &device->ifindex, &value, BPF_ANY))
		return turnctl_fail_errno(err, errno, "cannot make %s an exit", device->name);
	return 0;
}

int turnctl_exits_add(const struct turnctl_instance *instance, const struct turn_device *device,
		     struct turnctl_error *err)
{
	struct bpf_object *shift;
	int code;

	shift = turnctl_object_load(TURNCTL_SHIFT, NULL, NULL, &code, err);
	if (!shift)
		return code;
	code = add_exit(instance, TURNCTL_EXITS, turnctl_object_fd(shift, TURNCTL_SHIFT), device,
			err);
	if (!code)
		code = add_exit(instance, TURNCTL_PLAIN_EXITS, 0, device, err);
	bpf_object__close(shift);
	return code;
}

/* The kernel drops an exit with its device, in whatever network namespace that is. */
static bool any_exit(const struct turnctl_instance *instance)
{
	__u32 ifindex;

	return !bpf_map_get_next_key(instance->map[TURNCTL_PLAIN_EXITS], NULL, &ifindex);
}

static void remove_exits(const struct turnctl_instance *instance, __u32 ifindex)
{
	bpf_map_delete_elem(instance->map[TURNCTL_EXITS], &ifindex);
	bpf_map_delete_elem(instance->map[TURNCTL_PLAIN_EXITS], &ifindex);
}

/* ---- detach ------------------------------------------------------------------------------------- */

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
		if (!read_device(instance, i, &device) && device.ifindex &&
		    !(device.flags & TURN_UP))
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
	code = turnctl_egress_detach(device, instance->path, err);
	if (code)
		return code;
	remove_exits(instance, device->ifindex); /* last: while there is one, something is attached */
	return turnctl_device_write(instance, index, &none, err);
}

/* Of an instance of another network namespace, which has gone with its devices, only pins are left. */
static int remove_remains(const char *name, int refusal, struct turnctl_error *err)
{
	struct turnctl_instance instance;
	int code = turnctl_instance_open_anywhere(&instance, name, true, NULL);

	if (code)
		return refusal;
	code = any_exit(&instance) ? refusal : turnctl_instance_remove(&instance, err);
	turnctl_instance_close(&instance);
	return code;
}

int turnctl_detach(const char *name, const char *wanted, struct turnctl_error *err)
{
	struct turnctl_instance instance;
	struct turn_device device;
	bool found = false;
	int code;
	__u32 i;

	code = turnctl_instance_open(&instance, name, true, err);
	if (code == -EXDEV && !wanted)
		return remove_remains(name, code, err);
	if (code)
		return code;
	for (i = 0; i < TURN_DEVICES && !code; i++) {
		struct turnctl_link link;

		if (read_device(&instance, i, &device) || !device.ifindex)
			continue;
		/* by the name it has now; by the one it had, when it is gone */
		if (wanted && !turnctl_link_by_index(device.ifindex, &link, NULL)) {
			if (strcmp(wanted, link.name))
				continue;
		} else if (wanted && strcmp(wanted, device.name)) {
			continue;
		}
		found = true;
		code = turnctl_device_take_out(&instance, i, &device, err);
	}
	if (!code && !turnctl_device_any(&instance))
		code = turnctl_instance_end(&instance, err);
	if (!code && wanted && !found)
		code = turnctl_fail(err, TURNCTL_NOT_ATTACHED, "%s is not attached", wanted);
	turnctl_instance_close(&instance);
	return code;
}

/* ---- state -------------------------------------------------------------------------------------- */

int turnctl_devices_read(const struct turnctl_instance *instance,
			 struct turnctl_device_state *states, struct turnctl_error *err)
{
	__u32 id = turnctl_instance_id(instance), i;
	int count = 0, j, code;

	for (i = 0; i < TURN_DEVICES; i++) {
		struct turnctl_device_state *state = &states[count];

		memset(state, 0, sizeof(*state));
		if (read_device(instance, i, &state->device) || !state->device.ifindex)
			continue;
		count++;
		state->index = i;
		state->expected = turnctl_chain_count(state->device.role,
						      state->device.flags & TURN_FUSED);
		state->exists = !turnctl_link_by_index(state->device.ifindex, &state->link, NULL);
		if (!state->exists)
			continue;
		state->egress = turnctl_egress_present(&state->device, instance->path);
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
