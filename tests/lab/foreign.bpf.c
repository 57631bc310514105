/* SPDX-License-Identifier: GPL-2.0 */
/* Programs of others, for the lab: each hands on whatever comes, and counts it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define PROGRAM(name)                                                                              \
	__u64 name##_saw;                                                                          \
	SEC("xdp") int name(struct xdp_md *ctx)                                                    \
	{                                                                                          \
		(void)ctx;                                                                         \
		__sync_fetch_and_add(&name##_saw, 1);                                              \
		return XDP_PASS;                                                                   \
	}

PROGRAM(guest_one)
PROGRAM(guest_two)
PROGRAM(guest_three)
PROGRAM(guest_four)

char _license[] SEC("license") = "GPL";
