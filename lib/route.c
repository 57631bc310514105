// SPDX-License-Identifier: GPL-2.0
#include "route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "link.h"
#include "netlink.h"

static struct nl_msg *route_request(const struct turnctl_ip *dst, const struct turnctl_ip *src)
{
	struct rtmsg rtm = {
		.rtm_family = (unsigned char)dst->family,
		.rtm_dst_len = (unsigned char)(8 * turnctl_ip_len(dst)),
		.rtm_src_len = (unsigned char)(src ? 8 * turnctl_ip_len(src) : 0),
	};
	struct nl_msg *msg = turnctl_netlink_request(RTM_GETROUTE, 0, &rtm, sizeof(rtm));

	turnctl_netlink_put(&msg, RTA_DST, dst->bytes, turnctl_ip_len(dst));
	if (src)
		turnctl_netlink_put(&msg, RTA_SRC, src->bytes, turnctl_ip_len(src));
	return msg;
}

static bool read_ip(const void *bytes, size_t len, int family, struct turnctl_ip *ip)
{
	memset(ip, 0, sizeof(*ip));
	ip->family = family;
	if (len != turnctl_ip_len(ip))
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
	if ((code == EINVAL || code == ENETUNREACH) && src && turnctl_ip_is_local(src, NULL) == 0)
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
	ret = turnctl_netlink_ask(route_request(dst, src), parse_route, route);
	if (!ret && !route->ifindex)
		ret = -ENETUNREACH;
	if (ret)
		return route_fail(dst, src, -ret, err);

	if (!route->gatewayed)
		route->next_hop = *dst;
	if (route->mtu)
		return 0;
	ret = turnctl_link_by_index(route->ifindex, &link, err);
	if (!ret)
		route->mtu = link.mtu;
	return ret;
}
