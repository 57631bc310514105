// SPDX-License-Identifier: GPL-2.0
#include "link.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/sockios.h>
#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/vlan.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

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
	to->carrier = flags & IFF_LOWER_UP; /* IFF_RUNNING comes up to a second later */
	to->mtu = (int)rtnl_link_get_mtu(from);
	to->master = rtnl_link_get_master(from);
}

bool turnctl_link_has_ports(const char *kind)
{
	return kind && (!strcmp(kind, "bridge") || !strcmp(kind, "bond") || !strcmp(kind, "team"));
}

/* Gives a port the MAC address of its master, and of that one's. One that has gone meanwhile, or
 * is in another network namespace, lends none. */
static void take_mac_of_master(struct nl_sock *sk, struct turnctl_link *link)
{
	int master = link->master, i;
	struct rtnl_link *found;

	for (i = 0; i < TURNCTL_MASTERS && master > 0; i++) {
		const struct nl_addr *mac;

		if (rtnl_link_get_kernel(sk, master, NULL, &found))
			return;
		mac = rtnl_link_get_addr(found);
		master = turnctl_link_has_ports(rtnl_link_get_type(found))
				 ? rtnl_link_get_master(found) : -1;
		if (master >= 0 && mac && nl_addr_get_len(mac) == sizeof(link->mac))
			memcpy(link->mac, nl_addr_get_binary_addr(mac), sizeof(link->mac));
		rtnl_link_put(found);
	}
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
	if (!ret) {
		read_link(found, link);
		rtnl_link_put(found);
		take_mac_of_master(sk, link);
	}
	nl_socket_free(sk);
	if (ret < 0 && turnctl_netlink_errno(ret) == ENODEV)
		return turnctl_fail(err, ENODEV, "%s: no such device; see 'ip link'", what);
	if (ret < 0)
		return turnctl_fail(err, turnctl_netlink_errno(ret),
				    "%s: cannot read the device: %s", what, nl_geterror(ret));
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

int turnctl_links_read(struct turnctl_link **list, size_t *count, struct turnctl_error *err)
{
	struct nl_cache *cache = NULL;
	struct nl_object *object;
	struct nl_sock *sk;
	int ret;

	*list = NULL;
	*count = 0;
	ret = turnctl_netlink_open(&sk);
	if (ret)
		return turnctl_fail_errno(err, -ret, "cannot ask the kernel for its devices");
	ret = rtnl_link_alloc_cache(sk, AF_UNSPEC, &cache);
	nl_socket_free(sk);
	if (ret)
		return turnctl_fail_errno(err, turnctl_netlink_errno(ret),
					  "cannot list the devices");
	*list = calloc(nl_cache_nitems(cache) + 1, sizeof(**list));
	for (object = nl_cache_get_first(cache); *list && object;
	     object = nl_cache_get_next(object))
		read_link((struct rtnl_link *)object, &(*list)[(*count)++]);
	nl_cache_free(cache);
	return *list ? 0 : turnctl_fail(err, ENOMEM, "out of memory");
}

/* ---- VLAN devices above a device ------------------------------------------------------------- */

#define NAMED 3 /* of them, as TURNCTL_VLAN_NAMES has it */

struct vlans {
	int below; /* the device that we ask about, then its master, and so on */
	int count;
	bool other; /* one or more are not of 802.1Q */
	char *names;
};

static bool is_above(struct rtnl_link *link, int below)
{
	int netns;

	/* with IFLA_LINK_NETNSID, IFLA_LINK is a device of that namespace, not the one here */
	return rtnl_link_is_vlan(link) && rtnl_link_get_link(link) == below &&
	       rtnl_link_get_link_netnsid(link, &netns);
}

static void note_vlan(struct nl_object *object, void *data)
{
	struct rtnl_link *link = (struct rtnl_link *)object;
	const char *name = rtnl_link_get_name(link);
	struct vlans *vlans = data;
	size_t used = strlen(vlans->names);

	if (!is_above(link, vlans->below))
		return;
	if (rtnl_link_vlan_get_protocol(link) != htons(ETH_P_8021Q))
		vlans->other = true;
	if (vlans->count++ < NAMED)
		snprintf(vlans->names + used, TURNCTL_VLAN_NAMES - used, "%s%s", used ? ", " : "",
			 name ? name : "?");
}

/* The bridge, bond or team that a device is a port of: its index, or 0. */
static int master_of(struct nl_cache *links, int ifindex)
{
	struct rtnl_link *link = rtnl_link_get(links, ifindex);
	int master = link ? rtnl_link_get_master(link) : 0;

	rtnl_link_put(link);
	return master;
}

/* Fills @vlans, of which @below and @names (TURNCTL_VLAN_NAMES) are set. */
static int find_vlans(struct vlans *vlans)
{
	struct nl_cache *links;
	struct nl_sock *sk;
	size_t used;
	int ret, i;

	vlans->names[0] = '\0';
	ret = turnctl_netlink_open(&sk);
	if (ret)
		return ret;
	ret = rtnl_link_alloc_cache(sk, AF_UNSPEC, &links);
	nl_socket_free(sk);
	if (ret < 0)
		return -turnctl_netlink_errno(ret);
	for (i = 0; i < TURNCTL_MASTERS && vlans->below > 0; i++) {
		nl_cache_foreach(links, note_vlan, vlans);
		vlans->below = master_of(links, vlans->below);
	}
	nl_cache_free(links);
	used = strlen(vlans->names);
	if (vlans->count > NAMED)
		snprintf(vlans->names + used, TURNCTL_VLAN_NAMES - used, " and %d more",
			 vlans->count - NAMED);
	return 0;
}

/* 0 or a negative errno. @command begins with ETHTOOL_* */
static int ethtool(const struct turnctl_link *link, void *command)
{
	struct ifreq request = { .ifr_data = command };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int code = 0;

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", link->name);
	if (ioctl(fd, SIOCETHTOOL, &request))
		code = -errno;
	close(fd);
	return code;
}

/* rx-vlan-offload: 1, 0 or a negative errno. */
static int takes_tags_off(const struct turnctl_link *link)
{
	struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };
	int code = ethtool(link, &flags);

	return code ? code : !!(flags.data & ETH_FLAG_RXVLAN);
}

int turnctl_link_hides_tags(const struct turnctl_link *link, char names[TURNCTL_VLAN_NAMES],
			    struct turnctl_error *err)
{
	struct vlans vlans = { .below = link->ifindex, .names = names };
	int ret;

	ret = find_vlans(&vlans);
	if (ret)
		return turnctl_fail_errno(err, -ret, "%s: cannot look for VLAN devices above it",
					  link->name);
	if (!vlans.count)
		return TURNCTL_TAGS_IN_FRAME;
	if (link->kind[0] || vlans.other)
		return TURNCTL_TAGS_HIDDEN;
	ret = takes_tags_off(link);
	if (ret < 0)
		return turnctl_fail_errno(err, -ret, "%s: cannot read its rx-vlan-offload",
					  link->name);
	return ret ? TURNCTL_TAGS_OFFLOADED : TURNCTL_TAGS_IN_FRAME;
}

int turnctl_link_each_port(const struct turnctl_link *bond, turnctl_port_fn *each, void *data,
			   struct turnctl_error *err)
{
	struct turnctl_link *links;
	size_t count, i;
	int code;

	if (strcmp(bond->kind, "bond"))
		return 0;
	code = turnctl_links_read(&links, &count, err);
	for (i = 0; !code && i < count; i++)
		if (links[i].master == bond->ifindex)
			code = each(&links[i], data, err);
	free(links);
	return code;
}

/* ---- queues ---------------------------------------------------------------------------------- */

int turnctl_link_queues(const struct turnctl_link *link, struct turnctl_queues *queues)
{
	struct ethtool_drvinfo driver = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	int code = ethtool(link, &driver);

	if (!code)
		code = ethtool(link, &channels);
	if (code)
		return code;
	snprintf(queues->driver, sizeof(queues->driver), "%.31s", driver.driver);
	queues->now = channels.combined_count;
	queues->most = channels.max_combined;
	return 0;
}

/* A sysfs of this network namespace, which the one at /sys need not be. */
static int own_sysfs(void)
{
	int fs = fsopen("sysfs", FSOPEN_CLOEXEC), mount = -1;

	if (fs >= 0 && !fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mount = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (fs >= 0)
		close(fs);
	return mount;
}

int turnctl_link_transmit_queues(const struct turnctl_link *link)
{
	int sysfs = own_sysfs(), fd, count = 0;
	char path[IFNAMSIZ + 32];
	struct dirent *entry;
	DIR *dir = NULL;

	snprintf(path, sizeof(path), "class/net/%s/queues", link->name);
	fd = openat(sysfs, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sysfs >= 0)
		close(sysfs);
	if (fd >= 0)
		dir = fdopendir(fd);
	if (!dir)
		return -1;
	while ((entry = readdir(dir)))
		count += !strncmp(entry->d_name, "tx-", 3);
	closedir(dir);
	return count;
}
