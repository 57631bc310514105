/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The BPF programs that are built into this library, and how one of them is opened: with the
 * instance's maps instead of its own, and with what it must know of its device.
 */
#ifndef TURNCTL_OBJECTS_H
#define TURNCTL_OBJECTS_H

#include <bpf/libbpf.h>

#include "abi.h"
#include "error.h"

enum turnctl_program {
	TURNCTL_CLI2REM,
	TURNCTL_REM2CLI,
	TURNCTL_STUN,
	TURNCTL_HEARTBEAT,
	TURNCTL_FUSED,
	TURNCTL_EGRESS,
	TURNCTL_SHIFT,
	TURNCTL_CONTROL,
	TURNCTL_PROGRAMS,
};

/* Name of the program's function, as the kernel shows it. */
const char *turnctl_program_name(enum turnctl_program which);

/* Is @name that of one of the programs that are attached with XDP (four stages and fused)? */
bool turnctl_is_stage(const char *name);

/*
 * Opens the object that holds @which. Every map of it except its read-only data is replaced by
 * the one pinned as @maps/NAME (@maps NULL: they stay its own). @self (may be NULL) is written
 * into its read-only data. Returns the object, to be loaded and then closed by the caller, or
 * NULL and *@err, with *@code (may be NULL) a negative errno.
 */
struct bpf_object *turnctl_object_open(enum turnctl_program which, const char *maps,
				       const struct turn_self *self, int *code,
				       struct turnctl_error *err);

/* Opens and loads; the same results. What the verifier said goes to the log (log.h). */
struct bpf_object *turnctl_object_load(enum turnctl_program which, const char *maps,
				       const struct turn_self *self, int *code,
				       struct turnctl_error *err);

/* The loaded program's descriptor; owned by @object. */
int turnctl_object_fd(const struct bpf_object *object, enum turnctl_program which);

#endif
