/* SPDX-License-Identifier: GPL-2.0 */
/* Whether the running kernel can do what turnctl needs. */
#ifndef TURNCTL_KERNEL_H
#define TURNCTL_KERNEL_H

#include <stdbool.h>

#include "error.h"

/*
 * The oldest on which turnctl is tested. Older ones lack one thing or another (5.10 has no BPF
 * timers), each of which would come back as an error of its own that says nothing to the operator.
 */
#define TURNCTL_KERNEL_MAJOR 6
#define TURNCTL_KERNEL_MINOR 1

/* 0, or -EOPNOTSUPP and a sentence: which kernel is needed, and which runs. Needs no root. */
int turnctl_kernel_check(struct turnctl_error *err);

/*
 * Whether the kernel describes its types (CONFIG_DEBUG_INFO_BTF). The chain needs it, since the
 * kernel compares the arguments of what freplace replaces with them; the fused program does not.
 */
bool turnctl_kernel_has_btf(void);

#endif
