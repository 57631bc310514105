// SPDX-License-Identifier: GPL-2.0
#include "probe.h"

#include <errno.h>
#include <stdbool.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>

/* linux/netdev.h */
#define NETDEV_CMD_DEV_GET 1
#define NETDEV_A_DEV_IFINDEX 1
#define NETDEV_A_DEV_XDP_FEATURES 3
#define NETDEV_A_DEV_MOST 3

struct answer {
	__u64 features;
	bool found;
};

static int take_answer(struct nl_msg *message, void *data)
{
	struct nlattr *attributes[NETDEV_A_DEV_MOST + 1];
	struct answer *answer = data;

	if (genlmsg_parse(nlmsg_hdr(message), 0, attributes, NETDEV_A_DEV_MOST, NULL) < 0 ||
	    !attributes[NETDEV_A_DEV_XDP_FEATURES])
		return NL_SKIP;
	answer->features = nla_get_u64(attributes[NETDEV_A_DEV_XDP_FEATURES]);
	answer->found = true;
	return NL_OK;
}

static int ask(struct nl_sock *sock, int family, int ifindex)
{
	struct nl_msg *message = nlmsg_alloc();
	int code;

	if (!message)
		return -ENOMEM;
	if (!genlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, 0, NETDEV_CMD_DEV_GET, 1) ||
	    nla_put_u32(message, NETDEV_A_DEV_IFINDEX, ifindex)) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	code = nl_send_auto(sock, message);
	nlmsg_free(message);
	return code < 0 ? -EIO : nl_recvmsgs_default(sock);
}

int turnctl_xdp_features(int ifindex, __u64 *features)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct answer answer = {};
	int family;

	if (!sock)
		return -ENOMEM;
	if (!genl_connect(sock)) {
		family = genl_ctrl_resolve(sock, "netdev");
		nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, take_answer, &answer);
		if (family >= 0)
			ask(sock, family, ifindex);
	}
	nl_socket_free(sock);
	*features = answer.features;
	return answer.found ? 0 : -EOPNOTSUPP;
}
