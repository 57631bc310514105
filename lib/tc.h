/* SPDX-License-Identifier: GPL-2.0 */
/* The qdisc and the filters at the two hooks of a device's clsact, as the kernel has them now. */
#ifndef TURNCTL_TC_H
#define TURNCTL_TC_H

#include <linux/types.h>
#include <stdbool.h>

struct nl_msg;

/*
 * Calls @each for every message that the kernel has in answer to @type (RTM_GETQDISC, of all
 * devices; RTM_GETTFILTER, of @ifindex and the hook @parent), with @out. Negative errno when the
 * kernel does not tell.
 */
int turnctl_tc_dump(int type, __u32 ifindex, __u32 parent, int (*each)(struct nl_msg *, void *),
		    void *out);

#define TURNCTL_FILTERS 64

struct turnctl_qdisc {
	__u32 ifindex;
	char kind[16]; /* "clsact" or "ingress"; "" if there is none */
	__u32 block;   /* of the egress side, if it is one that devices share */
};

/* The qdisc that has clsact's place. Negative errno when the kernel does not tell. */
int turnctl_qdisc_find(__u32 ifindex, struct turnctl_qdisc *qdisc);

/* Filters, in the order in which they run. */
struct turnctl_filters {
	__u32 pref;
	int all;   /* how many messages the kernel has for filters, of any preference */
	int count; /* of those with the preference that was asked for: TURNCTL_FILTERS at most */
	struct turnctl_filter {
		__u32 handle;
		__u32 program; /* 0: of classic BPF, or not BPF at all */
		bool fits;     /* BPF for all protocols: another such may have its preference */
		char kind[16];
	} first[TURNCTL_FILTERS];
};

/* Those at the hook @parent (TC_H_CLSACT with TC_H_MIN_INGRESS or TC_H_MIN_EGRESS) with @pref. */
int turnctl_filters_find(__u32 ifindex, __u32 parent, __u32 pref,
			 struct turnctl_filters *filters);

#define TURNCTL_TCX_MOST 64 /* programs at a hook: BPF_MPROG_MAX */

/* Attach types of Linux 6.6; Debian 12's headers are older. */
#define TURNCTL_TCX_INGRESS 46
#define TURNCTL_TCX_EGRESS 47

/* The programs at the tcx hook, in their order; how many, or a negative errno where the kernel has
 * no such hooks. */
int turnctl_tcx_programs(__u32 ifindex, int hook, __u32 ids[TURNCTL_TCX_MOST]);

#endif
