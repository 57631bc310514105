// SPDX-License-Identifier: GPL-2.0
#include "doctor_tc.h"

#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <string.h>

#include "owner.h"
#include "tc.h"

#define NO_RATE 0xffffffffU

struct reader {
	struct turnctl_traffic *tc;
	int ifindex;
	bool egress;
	bool ingress_only; /* it has the qdisc ingress */
};

static void copy_text(char *to, size_t size, struct nlattr *from)
{
	snprintf(to, size, "%.*s", from ? nla_len(from) : 0,
		 from ? (const char *)nla_data(from) : "");
}

static int take_qdisc(struct nl_msg *msg, void *data)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct nlattr *attr[TCA_MAX + 1], *fq[TCA_FQ_MAX + 1];
	const struct tcmsg *header = nlmsg_data(nlh);
	struct reader *reader = data;
	struct turnctl_traffic_qdisc *qdisc;
	char kind[sizeof(qdisc->kind)];

	if (nlh->nlmsg_type != RTM_NEWQDISC || header->tcm_ifindex != reader->ifindex ||
	    nlmsg_parse(nlh, sizeof(*header), attr, TCA_MAX, NULL) < 0)
		return NL_OK;
	copy_text(kind, sizeof(kind), attr[TCA_KIND]);
	reader->ingress_only |= !strcmp(kind, "ingress");
	if (!strcmp(kind, "clsact") || !strcmp(kind, "ingress") ||
	    reader->tc->qdiscs == TURNCTL_TRAFFIC_MOST)
		return NL_OK;
	qdisc = &reader->tc->qdisc[reader->tc->qdiscs];
	memcpy(qdisc->kind, kind, sizeof(kind));
	qdisc->handle = header->tcm_handle;
	if (!strcmp(qdisc->kind, "fq") && attr[TCA_OPTIONS] &&
	    !nla_parse_nested(fq, TCA_FQ_MAX, attr[TCA_OPTIONS], NULL) &&
	    fq[TCA_FQ_FLOW_MAX_RATE])
		qdisc->paces = nla_get_u32(fq[TCA_FQ_FLOW_MAX_RATE]) != NO_RATE;
	reader->tc->qdiscs++;
	return NL_OK;
}

static bool is_known(const struct turnctl_traffic *tc, const struct turnctl_traffic_filter *filter)
{
	int i;

	/* a filter of several elements is one */
	for (i = 0; i < tc->filters; i++)
		if (tc->filter[i].egress == filter->egress && tc->filter[i].pref == filter->pref &&
		    tc->filter[i].id == filter->id && !strcmp(tc->filter[i].kind, filter->kind))
			return true;
	return false;
}

static int take_filter(struct nl_msg *msg, void *data)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct nlattr *attr[TCA_MAX + 1], *bpf[TCA_BPF_MAX + 1];
	const struct tcmsg *header = nlmsg_data(nlh);
	struct reader *reader = data;
	struct turnctl_traffic_filter *filter;

	/* without a handle it is but the head of those that follow */
	if (nlh->nlmsg_type != RTM_NEWTFILTER || !header->tcm_handle ||
	    reader->tc->filters == TURNCTL_TRAFFIC_MOST ||
	    nlmsg_parse(nlh, sizeof(*header), attr, TCA_MAX, NULL) < 0)
		return NL_OK;
	filter = &reader->tc->filter[reader->tc->filters];
	memset(filter, 0, sizeof(*filter));
	copy_text(filter->kind, sizeof(filter->kind), attr[TCA_KIND]);
	filter->pref = TC_H_MAJ(header->tcm_info) >> 16;
	filter->egress = reader->egress;
	if (!strcmp(filter->kind, "bpf") && attr[TCA_OPTIONS] &&
	    !nla_parse_nested(bpf, TCA_BPF_MAX, attr[TCA_OPTIONS], NULL)) {
		copy_text(filter->name, sizeof(filter->name), bpf[TCA_BPF_NAME]);
		if (bpf[TCA_BPF_ID])
			filter->id = nla_get_u32(bpf[TCA_BPF_ID]);
	}
	if (!is_known(reader->tc, filter))
		reader->tc->filters++;
	return NL_OK;
}

/* Programs at a tcx hook; a kernel before 6.6 has none. */
static void read_tcx(struct turnctl_traffic *tc, int ifindex, bool egress)
{
	__u32 ids[TURNCTL_TCX_MOST];
	int count, i;

	count = turnctl_tcx_programs(ifindex, egress ? TURNCTL_TCX_EGRESS : TURNCTL_TCX_INGRESS,
				     ids);
	for (i = 0; i < count && tc->filters < TURNCTL_TRAFFIC_MOST; i++) {
		struct turnctl_traffic_filter *filter = &tc->filter[tc->filters++];

		*filter = (struct turnctl_traffic_filter){ .kind = "tcx", .id = ids[i],
							   .egress = egress };
		turnctl_program_label(ids[i], filter->name);
	}
}

int turnctl_traffic_read(int ifindex, struct turnctl_traffic *tc, struct turnctl_error *err)
{
	struct reader reader = { .tc = tc, .ifindex = ifindex };
	int code, egress;
	__u32 hook;

	memset(tc, 0, sizeof(*tc));
	code = turnctl_tc_dump(RTM_GETQDISC, ifindex, 0, take_qdisc, &reader);
	for (egress = 0; egress < 2 && !code; egress++) {
		reader.egress = egress;
		/* a device without such a qdisc has no filters, and the dump is empty; ingress
		 * would show the filters that it has, again */
		hook = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
		if (!egress || !reader.ingress_only)
			code = turnctl_tc_dump(RTM_GETTFILTER, ifindex, hook, take_filter,
					       &reader);
		read_tcx(tc, ifindex, egress);
	}
	return code ? turnctl_fail_errno(err, -code, "cannot read the qdiscs and filters of "
					 "device %d", ifindex)
		    : 0;
}
