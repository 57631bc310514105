// SPDX-License-Identifier: GPL-2.0
#include "neighbour.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "link.h"
#include "netlink.h"

/* Both came with Linux 5.16; the attribute is an enumerator, so the flag stands for the two. */
#ifndef NTF_EXT_MANAGED
#define NTF_EXT_MANAGED (1 << 0)
#define NDA_FLAGS_EXT 15
#endif

/* Between two looks at a neighbour being resolved: an ARP exchange takes well below 1 ms. */
#define RESOLVE_STEP_MS 5

#define NUD_HAS_MAC (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

struct neigh {
	unsigned int state; /* NUD_*; 0 (NUD_NONE) also when there is no entry */
	__u8 flags;         /* NTF_* */
	__u32 ext;          /* NTF_EXT_* */
	bool has_mac;
	__u8 mac[6];
};

static int parse_neigh(struct nlmsghdr *nlh, void *out)
{
	const struct ndmsg *ndm = nlmsg_data(nlh);
	struct nlattr *tb[NDA_FLAGS_EXT + 1];
	struct neigh *n = out;

	if (nlmsg_parse(nlh, sizeof(*ndm), tb, NDA_FLAGS_EXT, NULL) < 0)
		return -EBADMSG;
	n->state = ndm->ndm_state;
	n->flags = ndm->ndm_flags;
	if (tb[NDA_FLAGS_EXT])
		n->ext = nla_get_u32(tb[NDA_FLAGS_EXT]);
	if ((n->state & NUD_HAS_MAC) && tb[NDA_LLADDR] &&
	    nla_len(tb[NDA_LLADDR]) == sizeof(n->mac)) {
		n->has_mac = true;
		memcpy(n->mac, nla_data(tb[NDA_LLADDR]), sizeof(n->mac));
	}
	return 0;
}

/* The entry of @ip, all zero when there is none. 0 or a negative errno. */
static int neigh_read(int ifindex, const struct turnctl_ip *ip, struct neigh *n)
{
	struct ndmsg ndm = { .ndm_family = (__u8)ip->family, .ndm_ifindex = ifindex };
	struct nl_msg *msg = turnctl_netlink_request(RTM_GETNEIGH, 0, &ndm, sizeof(ndm));
	int ret;

	memset(n, 0, sizeof(*n));
	turnctl_netlink_put(&msg, NDA_DST, ip->bytes, turnctl_ip_len(ip));
	ret = turnctl_netlink_ask(msg, parse_neigh, n);
	return ret == -ENOENT ? 0 : ret;
}

/*
 * Tells the kernel to use the entry now (NTF_USE), as a packet would: state and MAC stay, what
 * is not resolved is probed. The kernel takes the flags of such a message as the new ones, so
 * those of the entry (extern_learn, managed...) have to be said again or they are lost.
 *
 * NTF_USE goes with a change of NTF_EXT_MANAGED too, for kernels < 5.16: they skip the unknown
 * attribute, and without NTF_USE would take the rest as "make this entry NUD_NONE".
 */
static int neigh_use(int ifindex, const struct turnctl_ip *ip, const struct neigh *now, __u32 ext,
		     int nl_flags)
{
	struct ndmsg ndm = {
		.ndm_family = (__u8)ip->family,
		.ndm_ifindex = ifindex,
		.ndm_flags = NTF_USE | (now->flags & NTF_EXT_LEARNED),
	};
	struct nl_msg *msg = turnctl_netlink_request(RTM_NEWNEIGH, nl_flags, &ndm, sizeof(ndm));

	turnctl_netlink_put(&msg, NDA_DST, ip->bytes, turnctl_ip_len(ip));
	turnctl_netlink_put(&msg, NDA_FLAGS_EXT, &ext, sizeof(ext));
	return turnctl_netlink_ask(msg, NULL, NULL);
}

static int neigh_fail(const struct turnctl_ip *ip, const struct turnctl_link *link, int code,
		      struct turnctl_error *err)
{
	char text[INET6_ADDRSTRLEN];

	turnctl_ip_format(ip, text, sizeof(text));
	if (code == EPERM)
		return turnctl_fail(err, code, "%s: changing the neighbour table of %s needs"
				    " CAP_NET_ADMIN; run as root", text, link->name);
	if (code == EINVAL)
		return turnctl_fail(err, code, "%s: %s keeps no neighbours of this address family,"
				    " or this is no neighbour's address; see 'ip address show dev"
				    " %s'", text, link->name, link->name);
	return turnctl_fail_errno(err, code, "%s: no access to the neighbour table of %s", text,
				  link->name);
}

static int neigh_silent(const struct turnctl_ip *ip, const struct turnctl_link *link,
			struct turnctl_error *err)
{
	char text[INET6_ADDRSTRLEN];

	turnctl_ip_format(ip, text, sizeof(text));
	if (!link->up)
		return turnctl_fail(err, EHOSTUNREACH, "%s: no MAC address, because %s is down; try"
				    " 'ip link set %s up'", text, link->name, link->name);
	if (!link->carrier)
		return turnctl_fail(err, EHOSTUNREACH, "%s: no MAC address, because %s has no"
				    " carrier; see 'ip link show %s'", text, link->name,
				    link->name);
	if (turnctl_ip_is_local(ip, NULL) == 1)
		return turnctl_fail(err, EHOSTUNREACH, "%s: no MAC address on %s, because it is an"
				    " address of this host; see 'ip address'", text, link->name);
	/* Without a packet to take a source from, the kernel solicits from the link-local address
	 * or, silently, not at all: so right after 'up', and with addr_gen_mode none */
	if (ip->family == AF_INET6 && !turnctl_ip_may_solicit(link->ifindex))
		return turnctl_fail(err, EHOSTUNREACH, "%s: no MAC address, because %s has no IPv6"
				    " link-local address (yet) to ask from; see 'ip -6 address"
				    " show dev %s'", text, link->name, link->name);
	return turnctl_fail(err, EHOSTUNREACH, "%s: no MAC address, because nobody answers for it"
			    " on %s; see 'ip neigh show to %s dev %s'", text, link->name, text,
			    link->name);
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/*
 * Waits for @n to get a MAC, kicking the kernel where it is not trying. 1 when there is one, 0
 * when the time is up or the kernel has tried and given up, < 0 on error.
 */
static int neigh_wait(int ifindex, const struct turnctl_ip *ip, int timeout_ms, struct neigh *n)
{
	const struct timespec step = { .tv_nsec = RESOLVE_STEP_MS * 1000000L };
	long deadline = now_ms() + timeout_ms;
	bool kicked = false;
	int ret;

	for (;;) {
		bool trying, given_up;

		ret = neigh_read(ifindex, ip, n);
		if (ret || n->has_mac)
			return ret ? ret : 1;
		/* A failure counts only after our own kick: before it, it may be old */
		given_up = kicked && (n->state & NUD_FAILED);
		trying = n->state & NUD_INCOMPLETE;
		if (given_up || ((kicked || trying) && now_ms() >= deadline))
			return 0;
		if (!trying) {
			ret = neigh_use(ifindex, ip, n, n->ext, NLM_F_CREATE);
			if (ret)
				return ret;
			kicked = true;
		}
		nanosleep(&step, NULL);
	}
}

/* The device, if its neighbours have MAC addresses. */
static int neigh_link(int ifindex, struct turnctl_link *link, struct turnctl_error *err)
{
	int ret = turnctl_link_by_index(ifindex, link, err);

	if (!ret && !link->ethernet)
		return turnctl_fail(err, EOPNOTSUPP, "%s is not an Ethernet device: its neighbours"
				    " have no MAC addresses", link->name);
	return ret;
}

int turnctl_neigh_resolve(int ifindex, const struct turnctl_ip *ip, int timeout_ms, __u8 mac[6],
			  struct turnctl_error *err)
{
	struct turnctl_link link;
	struct neigh n;
	int ret;

	ret = neigh_link(ifindex, &link, err);
	if (ret)
		return ret;
	ret = link.up ? neigh_wait(ifindex, ip, timeout_ms, &n) : 0;
	if (ret < 0)
		return neigh_fail(ip, &link, -ret, err);
	if (!ret)
		return neigh_silent(ip, &link, err);
	memcpy(mac, n.mac, sizeof(n.mac));
	return 0;
}

/*
 * Entries that the kernel never probes and never ages: the operator's own (permanent), and those
 * of devices without ARP. They need no managing, and it would turn a permanent one into a
 * dynamic one.
 */
static bool neigh_fixed(const struct neigh *n)
{
	return n->state & (NUD_PERMANENT | NUD_NOARP);
}

/* Sets or clears the flag, and looks whether the kernel took it. 0 or a negative errno. */
static int neigh_set_managed(int ifindex, const struct turnctl_ip *ip, bool on, struct neigh *n)
{
	__u32 ext = on ? n->ext | NTF_EXT_MANAGED : n->ext & ~(__u32)NTF_EXT_MANAGED;
	int ret;

	/* No NLM_F_CREATE when switching off: an entry that has just gone is what we wanted */
	ret = neigh_use(ifindex, ip, n, ext, on ? NLM_F_CREATE : 0);
	if (!on)
		return ret == -ENOENT ? 0 : ret;
	if (!ret)
		ret = neigh_read(ifindex, ip, n);
	if (!ret && !(n->ext & NTF_EXT_MANAGED))
		ret = -EOPNOTSUPP;
	return ret;
}

static bool is_managed(const struct neigh *n)
{
	return (n->ext & NTF_EXT_MANAGED) || neigh_fixed(n);
}

int turnctl_neigh_managed(int ifindex, const struct turnctl_ip *ip, bool *managed,
			  struct turnctl_error *err)
{
	struct turnctl_link link;
	struct neigh n;
	int ret;

	ret = neigh_link(ifindex, &link, err);
	if (ret)
		return ret;
	ret = neigh_read(ifindex, ip, &n);
	if (ret)
		return neigh_fail(ip, &link, -ret, err);
	*managed = is_managed(&n);
	return 0;
}

int turnctl_neigh_manage(int ifindex, const struct turnctl_ip *ip, bool on,
			 struct turnctl_error *err)
{
	struct turnctl_link link;
	char text[INET6_ADDRSTRLEN];
	struct neigh n;
	int ret;

	ret = neigh_link(ifindex, &link, err);
	if (ret)
		return ret;
	ret = neigh_read(ifindex, ip, &n);
	if (ret)
		return neigh_fail(ip, &link, -ret, err);
	if (neigh_fixed(&n) || on == is_managed(&n))
		return 0;

	ret = neigh_set_managed(ifindex, ip, on, &n);
	if (ret == -EOPNOTSUPP)
		return turnctl_fail(err, EOPNOTSUPP, "%s: the kernel does not keep the neighbour on"
				    " %s resolved by itself (needs Linux 5.16 or later)",
				    turnctl_ip_format(ip, text, sizeof(text)), link.name);
	return ret ? neigh_fail(ip, &link, -ret, err) : 0;
}
