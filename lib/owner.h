/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whose is a program that is loaded? Every program that turnctl attaches to a device reads the map
 * turn_ports, and each instance has its own: the id of that map tells one instance's programs from
 * another's, also when the pins are gone or of another layout.
 */
#ifndef TURNCTL_OWNER_H
#define TURNCTL_OWNER_H

#include "instance.h"

/* A descriptor of the map named @name that the program uses; -ENOENT if it uses none. */
int turnctl_program_map(__u32 program_id, const char *name);

/* The id of the turn_ports that the program uses; 0 if it uses none, so is not ours. */
__u32 turnctl_program_owner(__u32 program_id);

/* The kernel's name of a program, 15 characters at most; "" if it has none, or is not there. */
void turnctl_program_label(__u32 program_id, char name[16]);

/* The id of the map @fd; 0 if that is none. */
__u32 turnctl_map_id(int fd);

/* Is that the name of a directory of pins, below that of an instance? */
bool turnctl_is_layout(const char *name);

/* The id of the instance that is pinned in @dir, of whatever layout; 0 if none can be told. */
__u32 turnctl_pinned_id(const char *dir);

/* Is an instance with @id pinned, in any layout? Its name. */
bool turnctl_instance_of(__u32 id, char name[TURNCTL_NAME]);

#endif
