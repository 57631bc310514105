// SPDX-License-Identifier: GPL-2.0
/*
 * With dumps of our own: libnl-route 3.7 does not give a qdisc's blocks, nor a filter's program.
 */
#include "tc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include <bpf/bpf.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "netlink.h"

int turnctl_tc_dump(int type, __u32 ifindex, __u32 parent, int (*each)(struct nl_msg *, void *),
		    void *out)
{
	struct tcmsg tcm = { .tcm_ifindex = (int)ifindex, .tcm_parent = parent };
	struct nl_msg *msg = turnctl_netlink_request(type, NLM_F_DUMP, &tcm, sizeof(tcm));
	struct nl_sock *sock;
	int code;

	if (!msg)
		return -ENOMEM;
	code = turnctl_netlink_open(&sock);
	if (!code) {
		code = nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, each, out);
		if (code >= 0)
			code = nl_send_auto(sock, msg);
		if (code >= 0)
			code = nl_recvmsgs_default(sock);
		code = code < 0 ? -turnctl_netlink_errno(code) : 0;
		nl_socket_free(sock);
	}
	nlmsg_free(msg);
	return code;
}

static int read_qdisc(struct nl_msg *msg, void *arg)
{
	struct tcmsg *tcm = nlmsg_data(nlmsg_hdr(msg));
	struct nlattr *attr[TCA_MAX + 1];
	struct turnctl_qdisc *qdisc = arg;

	if ((__u32)tcm->tcm_ifindex != qdisc->ifindex || tcm->tcm_parent != TC_H_CLSACT ||
	    nlmsg_parse(nlmsg_hdr(msg), sizeof(*tcm), attr, TCA_MAX, NULL) || !attr[TCA_KIND])
		return NL_OK;
	nla_strlcpy(qdisc->kind, attr[TCA_KIND], sizeof(qdisc->kind));
	qdisc->block = attr[TCA_EGRESS_BLOCK] ? nla_get_u32(attr[TCA_EGRESS_BLOCK]) : 0;
	return NL_OK;
}

int turnctl_qdisc_find(__u32 ifindex, struct turnctl_qdisc *qdisc)
{
	memset(qdisc, 0, sizeof(*qdisc));
	qdisc->ifindex = ifindex;
	return turnctl_tc_dump(RTM_GETQDISC, ifindex, 0, read_qdisc, qdisc);
}

static int read_filter(struct nl_msg *msg, void *arg)
{
	struct tcmsg *tcm = nlmsg_data(nlmsg_hdr(msg));
	struct nlattr *attr[TCA_MAX + 1], *bpf[TCA_BPF_MAX + 1];
	struct turnctl_filters *filters = arg;
	struct turnctl_filter *filter;

	filters->all++;
	if (TC_H_MAJ(tcm->tcm_info) >> 16 != filters->pref || filters->count == TURNCTL_FILTERS ||
	    nlmsg_parse(nlmsg_hdr(msg), sizeof(*tcm), attr, TCA_MAX, NULL) || !attr[TCA_KIND] ||
	    (attr[TCA_CHAIN] && nla_get_u32(attr[TCA_CHAIN])))
		return NL_OK;
	filter = &filters->first[filters->count];
	memset(filter, 0, sizeof(*filter));
	filter->handle = tcm->tcm_handle;
	nla_strlcpy(filter->kind, attr[TCA_KIND], sizeof(filter->kind));
	filter->fits = !strcmp(filter->kind, "bpf") &&
		       TC_H_MIN(tcm->tcm_info) == htons(ETH_P_ALL);
	/* what all filters of one preference have in common comes as one without a handle */
	if (filter->fits && !filter->handle)
		return NL_OK;
	if (filter->fits && attr[TCA_OPTIONS] &&
	    !nla_parse_nested(bpf, TCA_BPF_MAX, attr[TCA_OPTIONS], NULL) && bpf[TCA_BPF_ID])
		filter->program = nla_get_u32(bpf[TCA_BPF_ID]);
	filters->count++;
	return NL_OK;
}

int turnctl_filters_find(__u32 ifindex, __u32 parent, __u32 pref,
			 struct turnctl_filters *filters)
{
	filters->pref = pref;
	filters->all = filters->count = 0;
	return turnctl_tc_dump(RTM_GETTFILTER, ifindex, parent, read_filter, filters);
}

int turnctl_tcx_programs(__u32 ifindex, int hook, __u32 ids[TURNCTL_TCX_MOST])
{
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = ids, .prog_cnt = TURNCTL_TCX_MOST);

	if (bpf_prog_query_opts(ifindex, hook, &opts))
		return errno == ENOENT ? 0 : -errno;
	return opts.prog_cnt;
}
