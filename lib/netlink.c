// SPDX-License-Identifier: GPL-2.0
/*
 * Devices and addresses are read with libnl-route's objects. Routes and neighbours are asked for
 * with messages of our own: libnl-route 3.7 can give neither a source address to a route lookup
 * nor the extended flags to a neighbour, and it folds the kernel's errno (ENETUNREACH,
 * EHOSTUNREACH, EACCES) into one NLE_FAILURE.
 */
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/cache.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

/* Both came with Linux 5.16; the attribute is an enumerator, so the flag stands for the two. */
#ifndef NTF_EXT_MANAGED
#define NTF_EXT_MANAGED (1 << 0)
#define NDA_FLAGS_EXT 15
#endif

/* The kernel answers rtnetlink at once; an answer that is missing after this is not coming. */
#define ANSWER_TIMEOUT_S 2

/* Between two looks at a neighbour being resolved: an ARP exchange takes well below 1 ms. */
#define RESOLVE_STEP_MS 5

#define NUD_HAS_MAC (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

/* ---- addresses as text and as bytes ---- */

static size_t ip_len(const struct turnctl_ip *ip)
{
	return ip->family == AF_INET ? 4 : 16;
}

int turnctl_ip_parse(const char *text, struct turnctl_ip *ip)
{
	memset(ip, 0, sizeof(*ip));
	ip->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	return inet_pton(ip->family, text, ip->bytes) == 1 ? 0 : -EINVAL;
}

const char *turnctl_ip_format(const struct turnctl_ip *ip, char *buf, size_t size)
{
	if (!inet_ntop(ip->family, ip->bytes, buf, (socklen_t)size))
		snprintf(buf, size, "?");
	return buf;
}

/* ---- asking the kernel ---- */

/* libnl's own error numbers; the ones left out do not happen here or say no more than EIO. */
static int nl_errno(int nlerr)
{
	switch (nlerr < 0 ? -nlerr : nlerr) {
	case NLE_AGAIN:
		return ETIMEDOUT;
	case NLE_NOMEM:
		return ENOMEM;
	case NLE_PERM:
		return EPERM;
	case NLE_NOACCESS:
		return EACCES;
	case NLE_NODEV:
	case NLE_OBJ_NOTFOUND:
		return ENODEV;
	case NLE_AF_NOSUPPORT:
		return EAFNOSUPPORT;
	default:
		return EIO;
	}
}

/*
 * A connected rtnetlink socket whose every read is bounded; the caller frees it with
 * nl_socket_free(). Returns 0 or a negative errno.
 */
static int open_socket(struct nl_sock **out)
{
	const struct timeval limit = { .tv_sec = ANSWER_TIMEOUT_S };
	struct nl_sock *sk = nl_socket_alloc();
	int ret;

	if (!sk)
		return -ENOMEM;
	ret = nl_connect(sk, NETLINK_ROUTE);
	if (ret < 0)
		ret = -nl_errno(ret);
	else if (setsockopt(nl_socket_get_fd(sk), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		ret = -errno;
	if (ret < 0) {
		nl_socket_free(sk);
		return ret;
	}
	*out = sk;
	return 0;
}

/* Reads one answer into @out; 0, or a negative errno that becomes that of ask(). */
typedef int (*parse_fn)(struct nlmsghdr *nlh, void *out);

struct question {
	parse_fn parse; /* NULL: only the acknowledgement matters */
	void *out;
	int error; /* 0 or negative errno */
	bool done;
};

static int on_answer(struct nl_msg *msg, void *arg)
{
	struct question *q = arg;

	if (q->parse && !q->error)
		q->error = q->parse(nlmsg_hdr(msg), q->out);
	return NL_OK;
}

static int on_ack(struct nl_msg *msg, void *arg)
{
	struct question *q = arg;

	(void)msg;
	q->done = true;
	return NL_STOP;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct question *q = arg;

	(void)from;
	q->error = e->error; /* the kernel's errno, before libnl translates it */
	q->done = true;
	return NL_STOP;
}

static int exchange(struct nl_sock *sk, struct nl_msg *msg, struct question *q)
{
	int ret;

	ret = nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_answer, q);
	if (ret >= 0)
		ret = nl_socket_modify_cb(sk, NL_CB_ACK, NL_CB_CUSTOM, on_ack, q);
	if (ret >= 0)
		ret = nl_socket_modify_err_cb(sk, NL_CB_CUSTOM, on_error, q);
	if (ret >= 0)
		ret = nl_send_auto(sk, msg); /* adds NLM_F_ACK: an exchange always has an end */
	while (ret >= 0 && !q->done)
		ret = nl_recvmsgs_default(sk);
	return q->done ? q->error : -nl_errno(ret);
}

/*
 * Sends @msg (freed here; NULL means that building it failed) and reads the answer. Returns 0 or
 * the kernel's negative errno; -ETIMEDOUT when it says nothing.
 */
static int ask(struct nl_msg *msg, parse_fn parse, void *out)
{
	struct question q = { .parse = parse, .out = out };
	struct nl_sock *sk;
	int ret;

	if (!msg)
		return -ENOMEM;
	ret = open_socket(&sk);
	if (!ret) {
		ret = exchange(sk, msg, &q);
		nl_socket_free(sk);
	}
	nlmsg_free(msg);
	return ret;
}

/* A request with its fixed header; NULL when there is no memory. */
static struct nl_msg *request(int type, int flags, void *header, size_t len)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);

	if (msg && nlmsg_append(msg, header, len, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

/* Appends an attribute; on failure frees the message and makes it NULL, which ask() reports. */
static void put(struct nl_msg **msg, int attr, const void *data, size_t len)
{
	if (*msg && nla_put(*msg, attr, (int)len, data) < 0) {
		nlmsg_free(*msg);
		*msg = NULL;
	}
}

static void put_ip(struct nl_msg **msg, int attr, const struct turnctl_ip *ip)
{
	put(msg, attr, ip->bytes, ip_len(ip));
}

/* ---- devices ---- */

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
	to->master = rtnl_link_get_master(from);
}

/* By @name, or by @ifindex when @name is NULL; @what names it in messages. */
static int get_link(int ifindex, const char *name, const char *what, struct turnctl_link *link,
		    struct turnctl_error *err)
{
	struct rtnl_link *found = NULL;
	struct nl_sock *sk;
	int ret;

	ret = open_socket(&sk);
	if (ret)
		return turnctl_fail_errno(err, -ret, "%s: cannot ask the kernel", what);
	ret = rtnl_link_get_kernel(sk, ifindex, name, &found);
	nl_socket_free(sk);
	if (ret < 0 && nl_errno(ret) == ENODEV)
		return turnctl_fail(err, ENODEV, "%s: no such device; see 'ip link'", what);
	if (ret < 0)
		return turnctl_fail(err, nl_errno(ret), "%s: cannot read the device: %s", what,
				    nl_geterror(ret));
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

/* ---- local addresses ---- */

static bool same_ip(const struct nl_addr *a, const struct turnctl_ip *ip)
{
	return a && nl_addr_get_family(a) == ip->family && nl_addr_get_len(a) == ip_len(ip) &&
	       !memcmp(nl_addr_get_binary_addr(a), ip->bytes, ip_len(ip));
}

static int find_ip(struct nl_cache *addresses, const struct turnctl_ip *ip, int *ifindex)
{
	struct nl_object *o;

	for (o = nl_cache_get_first(addresses); o; o = nl_cache_get_next(o)) {
		struct rtnl_addr *a = (struct rtnl_addr *)o;

		/* "local" is our own end, also where the prefix is that of the far end (PPP) */
		if (!same_ip(rtnl_addr_get_local(a), ip))
			continue;
		if (ifindex)
			*ifindex = rtnl_addr_get_ifindex(a);
		return 1;
	}
	return 0;
}

/* All addresses of this host, to be freed with nl_cache_free(). 0 or a negative errno. */
static int list_addresses(struct nl_cache **addresses)
{
	struct nl_sock *sk;
	int ret;

	ret = open_socket(&sk);
	if (ret)
		return ret;
	ret = rtnl_addr_alloc_cache(sk, addresses);
	nl_socket_free(sk);
	return ret < 0 ? -nl_errno(ret) : 0;
}

int turnctl_ip_is_local(const struct turnctl_ip *ip, int *ifindex, struct turnctl_error *err)
{
	struct nl_cache *addresses;
	char text[INET6_ADDRSTRLEN];
	int ret;

	ret = list_addresses(&addresses);
	if (ret)
		return turnctl_fail_errno(err, -ret, "%s: cannot list this host's addresses",
					  turnctl_ip_format(ip, text, sizeof(text)));
	ret = find_ip(addresses, ip, ifindex);
	nl_cache_free(addresses);
	return ret;
}

/* False only if it is known that the device has no IPv6 link-local address that is in use. */
static bool may_solicit(int ifindex)
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

/* ---- routes ---- */

static struct nl_msg *route_request(const struct turnctl_ip *dst, const struct turnctl_ip *src)
{
	struct rtmsg rtm = {
		.rtm_family = (unsigned char)dst->family,
		.rtm_dst_len = (unsigned char)(8 * ip_len(dst)),
		.rtm_src_len = (unsigned char)(src ? 8 * ip_len(src) : 0),
	};
	struct nl_msg *msg = request(RTM_GETROUTE, 0, &rtm, sizeof(rtm));

	put_ip(&msg, RTA_DST, dst);
	if (src)
		put_ip(&msg, RTA_SRC, src);
	return msg;
}

static bool read_ip(const void *bytes, size_t len, int family, struct turnctl_ip *ip)
{
	memset(ip, 0, sizeof(*ip));
	ip->family = family;
	if (len != ip_len(ip))
		return false;
	memcpy(ip->bytes, bytes, len);
	return true;
}

static bool attr_ip(struct nlattr *attr, int family, struct turnctl_ip *ip)
{
	return attr && read_ip(nla_data(attr), (size_t)nla_len(attr), family, ip);
}

/* RTA_VIA is a gateway of another family: an IPv4 route whose next hop is an IPv6 router. */
static bool attr_via(struct nlattr *attr, struct turnctl_ip *ip)
{
	const struct rtvia *via = attr ? nla_data(attr) : NULL;

	return via && nla_len(attr) > (int)sizeof(*via) &&
	       read_ip(via->rtvia_addr, (size_t)nla_len(attr) - sizeof(*via), via->rtvia_family,
		       ip);
}

static int route_metric_mtu(struct nlattr *metrics)
{
	struct nlattr *tb[RTAX_MAX + 1];

	if (!metrics || nla_parse_nested(tb, RTAX_MAX, metrics, NULL) < 0 || !tb[RTAX_MTU])
		return 0;
	return (int)nla_get_u32(tb[RTAX_MTU]);
}

/* IPv4 answers an unreachable destination with an error; IPv6 with a route that holds one. */
static int route_error(const struct rtmsg *rtm, struct nlattr *cacheinfo)
{
	struct rta_cacheinfo info;

	if (cacheinfo && nla_memcpy(&info, cacheinfo, sizeof(info)) == sizeof(info) &&
	    (int)info.rta_error < 0)
		return (int)info.rta_error;
	switch (rtm->rtm_type) {
	case RTN_UNREACHABLE:
		return -EHOSTUNREACH;
	case RTN_PROHIBIT:
		return -EACCES;
	case RTN_BLACKHOLE:
		return -EINVAL;
	default:
		return 0;
	}
}

static int parse_route(struct nlmsghdr *nlh, void *out)
{
	const struct rtmsg *rtm = nlmsg_data(nlh);
	struct turnctl_route *route = out;
	struct nlattr *tb[RTA_MAX + 1];
	int ret;

	if (nlmsg_parse(nlh, sizeof(*rtm), tb, RTA_MAX, NULL) < 0)
		return -EBADMSG;
	ret = route_error(rtm, tb[RTA_CACHEINFO]);
	if (ret)
		return ret;
	route->type = rtm->rtm_type;
	if (tb[RTA_OIF])
		route->ifindex = (int)nla_get_u32(tb[RTA_OIF]);
	route->gatewayed = attr_ip(tb[RTA_GATEWAY], rtm->rtm_family, &route->next_hop) ||
			   attr_via(tb[RTA_VIA], &route->next_hop);
	attr_ip(tb[RTA_PREFSRC], rtm->rtm_family, &route->source);
	route->mtu = route_metric_mtu(tb[RTA_METRICS]);
	return 0;
}

static int route_fail(const struct turnctl_ip *dst, const struct turnctl_ip *src, int code,
		      struct turnctl_error *err)
{
	char to[INET6_ADDRSTRLEN], from[INET6_ADDRSTRLEN] = "", flow[2 * INET6_ADDRSTRLEN + 8];

	turnctl_ip_format(dst, to, sizeof(to));
	if (src)
		turnctl_ip_format(src, from, sizeof(from));
	snprintf(flow, sizeof(flow), "%s%s%s", to, src ? " from " : "", from);

	/* IPv4 refuses a foreign source: with EINVAL, or ENETUNREACH in newer kernels */
	if ((code == EINVAL || code == ENETUNREACH) && src &&
	    turnctl_ip_is_local(src, NULL, NULL) == 0)
		return turnctl_fail(err, ENETUNREACH, "no route to %s: %s is not an address of this"
				    " host; see 'ip address'", flow, from);
	switch (code) {
	case ENETUNREACH:
		return turnctl_fail(err, code, "no route to %s; see 'ip route get %s'", flow, flow);
	case EHOSTUNREACH:
		return turnctl_fail(err, code, "the route to %s says 'unreachable'; see 'ip route'"
				    " and 'ip rule'", flow);
	case EACCES:
		return turnctl_fail(err, EHOSTUNREACH, "the route to %s says 'prohibit'; see"
				    " 'ip route' and 'ip rule'", flow);
	case EINVAL:
		return turnctl_fail(err, EHOSTUNREACH, "no route to %s: a blackhole, or not an"
				    " address that can be routed; see 'ip route' and 'ip rule'",
				    flow);
	default:
		return turnctl_fail_errno(err, code, "cannot look up the route to %s", flow);
	}
}

int turnctl_route_get(const struct turnctl_ip *dst, const struct turnctl_ip *src,
		      struct turnctl_route *route, struct turnctl_error *err)
{
	struct turnctl_link link;
	int ret;

	if (src && src->family != dst->family)
		return route_fail(dst, src, EAFNOSUPPORT, err);
	memset(route, 0, sizeof(*route));
	ret = ask(route_request(dst, src), parse_route, route);
	if (!ret && !route->ifindex)
		ret = -ENETUNREACH;
	if (ret)
		return route_fail(dst, src, -ret, err);

	if (!route->gatewayed)
		route->next_hop = *dst;
	/* The kernel keeps a source that it is given: IPv4 then reports none, and IPv6 reports
	 * the one it would have chosen otherwise. */
	if (src)
		route->source = *src;
	if (route->mtu)
		return 0;
	ret = turnctl_link_by_index(route->ifindex, &link, err);
	if (!ret)
		route->mtu = link.mtu;
	return ret;
}

/* ---- neighbours ---- */

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
	struct nl_msg *msg = request(RTM_GETNEIGH, 0, &ndm, sizeof(ndm));
	int ret;

	memset(n, 0, sizeof(*n));
	put_ip(&msg, NDA_DST, ip);
	ret = ask(msg, parse_neigh, n);
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
	struct nl_msg *msg = request(RTM_NEWNEIGH, nl_flags, &ndm, sizeof(ndm));

	put_ip(&msg, NDA_DST, ip);
	put(&msg, NDA_FLAGS_EXT, &ext, sizeof(ext));
	return ask(msg, NULL, NULL);
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
	if (turnctl_ip_is_local(ip, NULL, NULL) == 1)
		return turnctl_fail(err, EHOSTUNREACH, "%s: no MAC address on %s, because it is an"
				    " address of this host; see 'ip address'", text, link->name);
	/* Without a packet to take a source from, the kernel solicits from the link-local address
	 * or, silently, not at all: so right after 'up', and with addr_gen_mode none */
	if (ip->family == AF_INET6 && !may_solicit(link->ifindex))
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

int turnctl_neigh_manage(int ifindex, const struct turnctl_ip *ip, bool on, bool *was_managed,
			 struct turnctl_error *err)
{
	struct turnctl_link link;
	char text[INET6_ADDRSTRLEN];
	struct neigh n;
	bool was;
	int ret;

	ret = neigh_link(ifindex, &link, err);
	if (ret)
		return ret;
	ret = neigh_read(ifindex, ip, &n);
	if (ret)
		return neigh_fail(ip, &link, -ret, err);
	was = (n.ext & NTF_EXT_MANAGED) || neigh_fixed(&n);
	if (was_managed)
		*was_managed = was;
	if (neigh_fixed(&n) || on == was)
		return 0;

	ret = neigh_set_managed(ifindex, ip, on, &n);
	if (ret == -EOPNOTSUPP)
		return turnctl_fail(err, EOPNOTSUPP, "%s: the kernel does not keep the neighbour on"
				    " %s resolved by itself (needs Linux 5.16 or later)",
				    turnctl_ip_format(ip, text, sizeof(text)), link.name);
	return ret ? neigh_fail(ip, &link, -ret, err) : 0;
}
