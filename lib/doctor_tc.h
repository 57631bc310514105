/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Traffic control of a device, as the kernel tells: its qdiscs, and the filters and programs at
 * ingress and egress. Read only.
 */
#ifndef TURNCTL_DOCTOR_TC_H
#define TURNCTL_DOCTOR_TC_H

#include <linux/types.h>
#include <stdbool.h>

#include "error.h"

#define TURNCTL_TRAFFIC_MOST 64

struct turnctl_traffic {
	int qdiscs;
	struct turnctl_traffic_qdisc {
		char kind[16];
		__u32 handle; /* 8001: is 0x80010000 */
		bool paces;   /* fq with a maxrate, which slows flows down */
	} qdisc[TURNCTL_TRAFFIC_MOST];
	int filters;
	struct turnctl_traffic_filter {
		char kind[16];  /* "bpf", "flower", ...; "tcx" for a program at that hook */
		char name[64];  /* of a BPF program, else "" */
		__u32 pref;     /* 0 at tcx */
		__u32 id;       /* of a BPF program, else 0 */
		bool egress;
	} filter[TURNCTL_TRAFFIC_MOST];
};

/* Reads those of @ifindex. clsact and ingress, which queue nothing, are not among the qdiscs. */
int turnctl_traffic_read(int ifindex, struct turnctl_traffic *tc, struct turnctl_error *err);

#endif
