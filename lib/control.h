/* SPDX-License-Identifier: GPL-2.0 */
/* Runs turn_control: changes to live tables, made in the kernel by the packet path's routines. */
#ifndef TURNCTL_CONTROL_H
#define TURNCTL_CONTROL_H

#include "abi.h"
#include "instance.h"

/* Runs one operation (see enum turn_operation); @c is updated. 0, or the negative errno that the
 * operation or the run itself ended with, without a message. */
int turnctl_control_run(const struct turnctl_instance *instance, struct turn_control *c);

/* The kernel's jiffies64 now; 0 and a message in @err if it cannot be had. */
__u64 turnctl_now(const struct turnctl_instance *instance, struct turnctl_error *err);

#endif
