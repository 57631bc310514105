/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Questions to the kernel over rtnetlink, by way of libnl-3: what link.h, ip.h, route.h and
 * neighbour.h have in common, and nobody else needs. Nothing is kept between calls. Errors are
 * errnos without a message; the callers know what they were about.
 */
#ifndef TURNCTL_NETLINK_H
#define TURNCTL_NETLINK_H

#include <stddef.h>

struct nl_msg;
struct nl_sock;
struct nlmsghdr;

/* The errno (positive) of one of libnl's own error numbers, of either sign. */
int turnctl_netlink_errno(int nlerr);

/*
 * A connected rtnetlink socket whose every read is bounded; the caller frees it with
 * nl_socket_free(). Returns 0 or a negative errno.
 */
int turnctl_netlink_open(struct nl_sock **out);

/*
 * A request of type RTM_*, with NLM_F_REQUEST and @flags and its fixed header of @len bytes; NULL
 * when there is no memory. The two below take that, so the result of the last tells it all.
 */
struct nl_msg *turnctl_netlink_request(int type, int flags, void *header, size_t len);

/* Appends an attribute of @len bytes; on failure frees the message and makes it NULL. */
void turnctl_netlink_put(struct nl_msg **msg, int attr, const void *data, size_t len);

/*
 * Sends @msg (freed here) on a socket of its own and reads the answer: each message of it goes to
 * @parse (NULL: only the acknowledgement matters), which fills @out and returns 0, or a negative
 * errno that becomes the result. Returns 0 or the kernel's negative errno; -ENOMEM if @msg is
 * NULL; -ETIMEDOUT when the kernel says nothing.
 */
int turnctl_netlink_ask(struct nl_msg *msg, int (*parse)(struct nlmsghdr *nlh, void *out),
			void *out);

#endif
