// SPDX-License-Identifier: GPL-2.0
#include "link.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <string.h>

#include "netlink.h"

static void read_link(struct rtnl_link *from, struct turnctl_link *to)
{
	const struct nl_addr *mac = rtnl_link_get_addr(from);
	const char *name = rtnl_link_get_name(from);
	const char *kind = rtnl_link_get_type(from);
	unsigned int flags = rtnl_link_get_flags(from);

	memset(to, 0, sizeof(*to));
	to->ifindex = rtnl_link_get_ifindex(from);
	snprintf(to->name, sizeof(to->name), "%s", name ? name : "");
	snprintf(to->kind, sizeof(to->kind), "%s", kind ? kind : "");
	if (rtnl_link_get_arptype(from) == ARPHRD_ETHER && mac &&
	    nl_addr_get_len(mac) == sizeof(to->mac)) {
		to->ethernet = true;
		memcpy(to->mac, nl_addr_get_binary_addr(mac), sizeof(to->mac));
	}
	to->up = flags & IFF_UP;
	to->carrier = flags & IFF_RUNNING;
	to->mtu = (int)rtnl_link_get_mtu(from);
}

/* By @name, or by @ifindex when @name is NULL; @what names it in messages. */
static int get_link(int ifindex, const char *name, const char *what, struct turnctl_link *link,
		    struct turnctl_error *err)
{
	struct rtnl_link *found = NULL;
	struct nl_sock *sk;
	int ret;

	ret = turnctl_netlink_open(&sk);
	if (ret)
		return turnctl_fail_errno(err, -ret, "%s: cannot ask the kernel", what);
	ret = rtnl_link_get_kernel(sk, ifindex, name, &found);
	nl_socket_free(sk);
	if (ret < 0 && turnctl_netlink_errno(ret) == ENODEV)
		return turnctl_fail(err, ENODEV, "%s: no such device; see 'ip link'", what);
	if (ret < 0)
		return turnctl_fail(err, turnctl_netlink_errno(ret),
				    "%s: cannot read the device: %s", what, nl_geterror(ret));
	read_link(found, link);
	rtnl_link_put(found);
	return 0;
}

int turnctl_link_by_name(const char *name, struct turnctl_link *link, struct turnctl_error *err)
{
	/* What cannot be a name the kernel refuses with EINVAL or ERANGE; for a user it is the
	 * same as a device that is not there. */
	if (!name[0] || strlen(name) >= IFNAMSIZ)
		return turnctl_fail(err, ENODEV, "'%.64s': no such device; see 'ip link'", name);
	return get_link(0, name, name, link, err);
}

int turnctl_link_by_index(int ifindex, struct turnctl_link *link, struct turnctl_error *err)
{
	char what[32];

	snprintf(what, sizeof(what), "device number %d", ifindex);
	if (ifindex <= 0)
		return turnctl_fail(err, ENODEV, "%s: no such device; see 'ip link'", what);
	return get_link(ifindex, NULL, what, link, err);
}
