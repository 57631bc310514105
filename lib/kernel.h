/* SPDX-License-Identifier: GPL-2.0 */
/* Whether the running kernel can do what turnctl needs. */
#ifndef TURNCTL_KERNEL_H
#define TURNCTL_KERNEL_H

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
 * Why the kernel cannot chain XDP programs, to stand behind "it"; NULL if it can. The chain needs
 * freplace, and that the kernel describes its types (CONFIG_DEBUG_INFO_BTF); the fused program
 * needs neither.
 */
const char *turnctl_kernel_no_chain(void);

#endif
