/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one sysctl that turnctl ever changes, and only while there are static channels:
 * net.ipv4.conf.lo.forwarding. bpf_fib_lookup answers only for an input device that forwards; by
 * asking as if the packet came from lo, the real devices' and ip_forward stay 0, and nothing that
 * arrives on a wire is forwarded by it.
 *
 * That it was 0 is kept in turn_config.flags, so that a later command can put it back. (Whoever
 * writes net.ipv4.ip_forward resets it; then static channels keep the next hop they were added
 * with.)
 */
#ifndef TURNCTL_SYSCTL_H
#define TURNCTL_SYSCTL_H

#include "error.h"

/* Reads 0 or 1 of net.ipv4.conf.lo.forwarding; negative errno. */
int turnctl_lo_forwarding(struct turnctl_error *err);

int turnctl_lo_forwarding_set(int value, struct turnctl_error *err);

#endif
