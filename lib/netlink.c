// SPDX-License-Identifier: GPL-2.0
/*
 * Devices and addresses are read with libnl-route's objects. Routes and neighbours are asked for
 * with messages of our own: libnl-route 3.7 can give neither a source address to a route lookup
 * nor the extended flags to a neighbour, and it folds the kernel's errno (ENETUNREACH,
 * EHOSTUNREACH, EACCES) into one NLE_FAILURE.
 */
#include "netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/time.h>

/* The kernel answers rtnetlink at once; an answer that is missing after this is not coming. */
#define ANSWER_TIMEOUT_S 2

/* libnl's own error numbers; the ones left out do not happen here or say no more than EIO. */
int turnctl_netlink_errno(int nlerr)
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

int turnctl_netlink_open(struct nl_sock **out)
{
	const struct timeval limit = { .tv_sec = ANSWER_TIMEOUT_S };
	struct nl_sock *sk = nl_socket_alloc();
	int ret;

	if (!sk)
		return -ENOMEM;
	ret = nl_connect(sk, NETLINK_ROUTE);
	if (ret < 0)
		ret = -turnctl_netlink_errno(ret);
	else if (setsockopt(nl_socket_get_fd(sk), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		ret = -errno;
	if (ret < 0) {
		nl_socket_free(sk);
		return ret;
	}
	*out = sk;
	return 0;
}

struct question {
	int (*parse)(struct nlmsghdr *nlh, void *out);
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
	return q->done ? q->error : -turnctl_netlink_errno(ret);
}

int turnctl_netlink_ask(struct nl_msg *msg, int (*parse)(struct nlmsghdr *nlh, void *out),
			void *out)
{
	struct question q = { .parse = parse, .out = out };
	struct nl_sock *sk;
	int ret;

	if (!msg)
		return -ENOMEM;
	ret = turnctl_netlink_open(&sk);
	if (!ret) {
		ret = exchange(sk, msg, &q);
		nl_socket_free(sk);
	}
	nlmsg_free(msg);
	return ret;
}

struct nl_msg *turnctl_netlink_request(int type, int flags, void *header, size_t len)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);

	if (msg && nlmsg_append(msg, header, len, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

void turnctl_netlink_put(struct nl_msg **msg, int attr, const void *data, size_t len)
{
	if (*msg && nla_put(*msg, attr, (int)len, data) < 0) {
		nlmsg_free(*msg);
		*msg = NULL;
	}
}
