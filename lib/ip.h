/* SPDX-License-Identifier: GPL-2.0 */
/*
 * IP addresses without a port: as text, and which of them are this host's. The latter is asked of
 * the kernel at every call (rtnetlink), in this network namespace.
 */
#ifndef TURNCTL_IP_H
#define TURNCTL_IP_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/* @family is AF_INET or AF_INET6; @bytes is in network order (4 bytes used for AF_INET). */
struct turnctl_ip {
	int family;
	__u8 bytes[16];
};

/* An IPv4 address, given in network order. */
struct turnctl_ip turnctl_ip4(__be32 address);

/* The bytes that @ip's family uses: 4 or 16. */
size_t turnctl_ip_len(const struct turnctl_ip *ip);

/* "192.0.2.1" or "2001:db8::1"; INET6_ADDRSTRLEN is room for either. Returns @buf. */
const char *turnctl_ip_format(const struct turnctl_ip *ip, char *buf, size_t size);

/* 1 if @ip is an address of this host, 0 if not, negative errno and a message in @err on error. */
int turnctl_ip_is_local(const struct turnctl_ip *ip, struct turnctl_error *err);

/* Can the device ask for an IPv6 neighbour of its own accord? False only if it is known that it
 * has no link-local address that is in use. */
bool turnctl_ip_may_solicit(int ifindex);

#endif
