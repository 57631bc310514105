// SPDX-License-Identifier: GPL-2.0
#include "exits.h"

#include <errno.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "objects.h"

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

void turnctl_exits_remove(const struct turnctl_instance *instance, __u32 ifindex)
{
	bpf_map_delete_elem(instance->map[TURNCTL_EXITS], &ifindex);
	bpf_map_delete_elem(instance->map[TURNCTL_PLAIN_EXITS], &ifindex);
}

bool turnctl_exits_present(const struct turnctl_instance *instance, __u32 ifindex)
{
	struct bpf_devmap_val with, plain;

	return !bpf_map_lookup_elem(instance->map[TURNCTL_EXITS], &ifindex, &with) &&
	       with.bpf_prog.id &&
	       !bpf_map_lookup_elem(instance->map[TURNCTL_PLAIN_EXITS], &ifindex, &plain);
}

bool turnctl_exits_any(const struct turnctl_instance *instance)
{
	__u32 ifindex;

	return !bpf_map_get_next_key(instance->map[TURNCTL_PLAIN_EXITS], NULL, &ifindex);
}
