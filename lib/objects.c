// SPDX-License-Identifier: GPL-2.0
#include "objects.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "turn_cli2rem.skel.h"
#include "turn_control.skel.h"
#include "turn_egress.skel.h"
#include "turn_fused.skel.h"
#include "turn_heartbeat.skel.h"
#include "turn_rem2cli.skel.h"
#include "turn_shift.skel.h"
#include "turn_stun.skel.h"

static const struct {
	const char *function;
	const void *(*elf)(size_t *size);
	bool stage;
} programs[TURNCTL_PROGRAMS] = {
	[TURNCTL_CLI2REM] = { "turn_cli2rem", skel_turn_cli2rem__elf_bytes, true },
	[TURNCTL_REM2CLI] = { "turn_rem2cli", skel_turn_rem2cli__elf_bytes, true },
	[TURNCTL_STUN] = { "turn_stun", skel_turn_stun__elf_bytes, true },
	[TURNCTL_HEARTBEAT] = { "turn_heartbeat", skel_turn_heartbeat__elf_bytes, true },
	[TURNCTL_FUSED] = { "turn_fused", skel_turn_fused__elf_bytes, true },
	[TURNCTL_EGRESS] = { "turn_egress", skel_turn_egress__elf_bytes, false },
	[TURNCTL_SHIFT] = { "turn_shift", skel_turn_shift__elf_bytes, false },
	[TURNCTL_CONTROL] = { "turn_control", skel_turn_control__elf_bytes, false },
};

const char *turnctl_program_name(enum turnctl_program which)
{
	return programs[which].function;
}

bool turnctl_is_stage(const char *name)
{
	int i;

	for (i = 0; i < TURNCTL_PROGRAMS; i++)
		if (programs[i].stage && !strcmp(programs[i].function, name))
			return true;
	return false;
}

static bool is_read_only_data(const struct bpf_map *map)
{
	return strstr(bpf_map__name(map), ".rodata") != NULL;
}

/* Gives the object the instance's maps. */
static int adopt_maps(struct bpf_object *object, const char *maps, struct turnctl_error *err)
{
	struct bpf_map *map;
	char path[256];
	int code, fd;

	bpf_object__for_each_map(map, object) {
		if (is_read_only_data(map))
			continue;
		snprintf(path, sizeof(path), "%s/%s", maps, bpf_map__name(map));
		fd = bpf_obj_get(path);
		if (fd < 0)
			return turnctl_fail_errno(err, errno, "cannot open pinned map %s", path);
		code = bpf_map__reuse_fd(map, fd);
		close(fd);
		if (code)
			return turnctl_fail_errno(err, -code, "cannot use pinned map %s", path);
	}
	return 0;
}

/* Where in the read-only data the variable @name lies, by the object's BTF. -ENOENT if nowhere. */
static int find_variable(const struct bpf_object *object, const char *name, __u32 size)
{
	const struct btf *btf = bpf_object__btf(object);
	int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_var_secinfo *var;
	const struct btf_type *section;
	int i;

	if (id < 0)
		return -ENOENT;
	section = btf__type_by_id(btf, id);
	var = btf_var_secinfos(section);
	for (i = 0; i < btf_vlen(section); i++, var++) {
		const struct btf_type *type = btf__type_by_id(btf, var->type);

		if (!strcmp(btf__name_by_offset(btf, type->name_off), name) && var->size == size)
			return var->offset;
	}
	return -ENOENT;
}

static int write_self(struct bpf_object *object, const struct turn_self *self,
		      struct turnctl_error *err)
{
	int offset = find_variable(object, "turn_self", sizeof(*self));
	struct bpf_map *map;
	size_t size;
	char *data;

	bpf_object__for_each_map(map, object) {
		if (offset < 0 || !is_read_only_data(map))
			continue;
		data = (char *)bpf_map__initial_value(map, &size);
		if (!data || offset + sizeof(*self) > size)
			break;
		memcpy(data + offset, self, sizeof(*self));
		return 0;
	}
	return turnctl_fail(err, ENOENT, "%s has no variable turn_self: turnctl was built wrongly",
			    bpf_object__name(object));
}

struct bpf_object *turnctl_object_open(enum turnctl_program which, const char *maps,
				       const struct turn_self *self, int *code,
				       struct turnctl_error *err)
{
	const char *function = programs[which].function;
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = function);
	struct bpf_object *object;
	const void *elf;
	size_t size;
	int result;

	elf = programs[which].elf(&size);
	object = bpf_object__open_mem(elf, size, &opts);
	if (!object) {
		result = turnctl_fail_errno(err, errno, "cannot read the program %s", function);
		goto out;
	}
	result = maps ? adopt_maps(object, maps, err) : 0;
	if (!result && self)
		result = write_self(object, self, err);
	if (result) {
		bpf_object__close(object);
		object = NULL;
	}
out:
	if (code)
		*code = result;
	return object;
}

struct bpf_object *turnctl_object_load(enum turnctl_program which, const char *maps,
				       const struct turn_self *self, int *code,
				       struct turnctl_error *err)
{
	struct bpf_object *object = turnctl_object_open(which, maps, self, code, err);
	int result;

	if (!object)
		return NULL;
	result = bpf_object__load(object);
	if (!result)
		return object;
	result = turnctl_fail_errno(err, -result,
				    "the kernel refuses the program %s (-v shows its reasons)",
				    programs[which].function);
	bpf_object__close(object);
	if (code)
		*code = result;
	return NULL;
}

int turnctl_object_fd(const struct bpf_object *object, enum turnctl_program which)
{
	const struct bpf_program *program =
		bpf_object__find_program_by_name(object, programs[which].function);

	return program ? bpf_program__fd(program) : -ENOENT;
}
