// SPDX-License-Identifier: GPL-2.0
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>

#include "turn_probe.skel.h"

/* ---- by asking ------------------------------------------------------------------------------- */

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

/* ---- by trying ------------------------------------------------------------------------------- */

/* A driver may be busy for a moment, above all with the XDP program that it has just been given. */
#define TRIALS 10
#define TRIAL_PAUSE_US 100000

/* Sends one frame after the other until one is taken: 1, 0 or a negative errno. */
static int send_frames(const struct skel_turn_probe *probe, int ifindex, const __u8 *mac)
{
	struct {
		struct ethhdr eth;
		__u8 zero[ETH_ZLEN - ETH_HLEN];
	} frame = { .eth.h_proto = htons(ETH_P_LOOPBACK) };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &frame, .data_size_in = sizeof(frame),
		    .repeat = 1, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	__u32 zero = 0;
	int i;

	/* harmless: switches throw away what comes from where it is to go, and so do hosts */
	memcpy(frame.eth.h_dest, mac, ETH_ALEN);
	memcpy(frame.eth.h_source, mac, ETH_ALEN);
	if (bpf_map_update_elem(bpf_map__fd(probe->maps.turn_probe_exit), &zero, &ifindex, BPF_ANY))
		return -errno;
	for (i = 0; i < TRIALS && !probe->bss->turn_sent; i++) {
		if (i)
			usleep(TRIAL_PAUSE_US);
		if (bpf_prog_test_run_opts(bpf_program__fd(probe->progs.turn_probe), &opts))
			return -errno;
	}
	return probe->bss->turn_sent > 0;
}

/* By the skeleton, not by objects.h: turn_probe shares no map with an instance. */
static int try_to_transmit(int ifindex, const __u8 *mac)
{
	struct skel_turn_probe *probe = skel_turn_probe__open_and_load();
	int code;

	if (!probe)
		return -errno;
	code = skel_turn_probe__attach(probe); /* the tracepoints; XDP is not attached by this */
	if (!code)
		code = send_frames(probe, ifindex, mac);
	skel_turn_probe__destroy(probe);
	return code;
}

int turnctl_xdp_transmits(int ifindex, const char *device, const __u8 *mac,
			  struct turnctl_error *err)
{
	__u64 features;
	int code;

	if (!turnctl_xdp_features(ifindex, &features))
		return !!(features & TURNCTL_XDP_XMIT);
	code = try_to_transmit(ifindex, mac);
	if (code >= 0)
		return code;
	/* not known, so frames may be lost silently: the slower way is better, and it is the
	 * operator's choice */
	return turnctl_fail(err, -code,
			    "cannot find out whether the driver of %s transmits redirected frames: "
			    "the kernel neither tells (Linux 6.3 does) nor lets it be tried by XDP "
			    "live frames and raw tracepoints (%s); use --mode skb", device,
			    strerror(-code));
}
