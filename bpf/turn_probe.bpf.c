// SPDX-License-Identifier: GPL-2.0
/*
 * turn_probe: attached nowhere. The command runs it on one live frame (BPF_F_TEST_XDP_LIVE_FRAMES)
 * to find out whether a driver transmits what is redirected to it. A redirect itself tells nothing:
 * the driver is given the frame only when the kernel flushes the devmap, and what it does not take
 * shows in tracepoints alone.
 *
 * Which report is on our frame is told by the CPU. From the redirect to the flush the kernel runs
 * without a break there (bottom halves are off, xdp_test_run_batch() in net/bpf/test_run.c), so the
 * first report from that CPU is ours. Kernel memory is not read, which lockdown may forbid.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

/* The device in question. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} turn_probe_exit SEC(".maps");

__u32 turn_sent;      /* how many frames its driver has taken */
__u32 turn_under_way; /* the CPU that a frame is under way on, plus 1; 0: none is */

static __always_inline int turn_is_ours(void)
{
	if (turn_under_way != bpf_get_smp_processor_id() + 1)
		return 0;
	turn_under_way = 0;
	return 1;
}

SEC("xdp")
int turn_probe(struct xdp_md *ctx __attribute__((unused)))
{
	int verdict = bpf_redirect_map(&turn_probe_exit, 0, XDP_DROP);

	if (verdict == XDP_REDIRECT)
		turn_under_way = bpf_get_smp_processor_id() + 1;
	return verdict;
}

/* The driver was given frames: from_dev, to_dev, sent, drops, err. */
SEC("raw_tp/xdp_devmap_xmit")
int turn_probe_xmit(struct bpf_raw_tracepoint_args *args)
{
	int sent = args->args[2];

	if (turn_is_ours() && sent > 0)
		turn_sent += sent;
	return 0;
}

/* It was not, as the device is down or its driver cannot transmit at all. (Of the two tracepoints,
 * xdp_redirect_map_err is no longer used since Linux 5.6.) */
SEC("raw_tp/xdp_redirect_err")
int turn_probe_err(struct bpf_raw_tracepoint_args *args __attribute__((unused)))
{
	turn_is_ours();
	return 0;
}

char _license[] SEC("license") = "GPL";
