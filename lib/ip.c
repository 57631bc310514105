// SPDX-License-Identifier: GPL-2.0
#include "ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"

/* ---- as text and as bytes ---- */

struct turnctl_ip turnctl_ip4(__be32 address)
{
	struct turnctl_ip ip = { .family = AF_INET };

	memcpy(ip.bytes, &address, sizeof(address));
	return ip;
}

size_t turnctl_ip_len(const struct turnctl_ip *ip)
{
	return ip->family == AF_INET ? 4 : 16;
}

const char *turnctl_ip_format(const struct turnctl_ip *ip, char *buf, size_t size)
{
	if (!inet_ntop(ip->family, ip->bytes, buf, (socklen_t)size))
		snprintf(buf, size, "?");
	return buf;
}

/* ---- local addresses ---- */

static bool same_ip(const struct nl_addr *a, const struct turnctl_ip *ip)
{
	return a && nl_addr_get_family(a) == ip->family &&
	       nl_addr_get_len(a) == turnctl_ip_len(ip) &&
	       !memcmp(nl_addr_get_binary_addr(a), ip->bytes, turnctl_ip_len(ip));
}

static int find_ip(struct nl_cache *addresses, const struct turnctl_ip *ip)
{
	struct nl_object *o;

	/* "local" is our own end, also where the prefix is that of the far end (PPP) */
	for (o = nl_cache_get_first(addresses); o; o = nl_cache_get_next(o))
		if (same_ip(rtnl_addr_get_local((struct rtnl_addr *)o), ip))
			return 1;
	return 0;
}

/* All addresses of this host, to be freed with nl_cache_free(). 0 or a negative errno. */
static int list_addresses(struct nl_cache **addresses)
{
	struct nl_sock *sk;
	int ret;

	ret = turnctl_netlink_open(&sk);
	if (ret)
		return ret;
	ret = rtnl_addr_alloc_cache(sk, addresses);
	nl_socket_free(sk);
	return ret < 0 ? -turnctl_netlink_errno(ret) : 0;
}

int turnctl_ip_is_local(const struct turnctl_ip *ip, struct turnctl_error *err)
{
	struct nl_cache *addresses;
	char text[INET6_ADDRSTRLEN];
	int ret;

	ret = list_addresses(&addresses);
	if (ret)
		return turnctl_fail_errno(err, -ret, "%s: cannot list this host's addresses",
					  turnctl_ip_format(ip, text, sizeof(text)));
	ret = find_ip(addresses, ip);
	nl_cache_free(addresses);
	return ret;
}

bool turnctl_ip_may_solicit(int ifindex)
{
	struct nl_cache *addresses;
	struct nl_object *o;
	bool found = false;

	if (list_addresses(&addresses))
		return true;
	for (o = nl_cache_get_first(addresses); o && !found; o = nl_cache_get_next(o)) {
		struct rtnl_addr *a = (struct rtnl_addr *)o;

		found = rtnl_addr_get_ifindex(a) == ifindex &&
			rtnl_addr_get_family(a) == AF_INET6 &&
			rtnl_addr_get_scope(a) == RT_SCOPE_LINK &&
			!(rtnl_addr_get_flags(a) & IFA_F_TENTATIVE);
	}
	nl_cache_free(addresses);
	return found;
}
