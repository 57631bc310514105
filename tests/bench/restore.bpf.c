// SPDX-License-Identifier: GPL-2.0
/*
 * bench_restore: BPF_PROG_TEST_RUN with `repeat` gives a program the packet that the last run
 * left behind: a relayed one misses every table from the second run on. So this is what is run: it
 * makes the packet new, length and headers, and goes on to what is measured. It does the same work
 * whatever it finds, so that its cost can be taken away by measuring it in front of bench_pass.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bench.h"
#include "packet.h"

const volatile struct bench_shape shape = {};
struct bench_runs runs = {};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} bench_target SEC(".maps");

/* The next value of the varied field. */
static __always_inline __u16 bench_next(void)
{
	__u32 at = runs.at + shape.step;

	if (at >= shape.count)
		at -= shape.count;
	runs.at = at;
	return packet_be16(shape.first + at);
}

SEC("xdp")
int bench_restore(struct xdp_md *ctx)
{
	__s64 length = (void *)(long)ctx->data_end - (void *)(long)ctx->data;
	__u32 ports = shape.udp[0];
	void *data;
	int longer;

	packet_opaque(length); /* subtract the pointers first: the verifier insists */
	longer = (int)length - (int)shape.length;
	if (bpf_xdp_adjust_head(ctx, longer))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	if (data + BENCH_RESTORED > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	runs.count++;
	runs.moved += longer;

	*(__u64 *)data = shape.macs;
	*(__u32 *)(data + 8) = shape.macs_end;
	*(__u16 *)(data + 12) = shape.proto;
	*(__u32 *)(data + 14) = shape.ip[0];
	*(__u32 *)(data + 18) = shape.ip[1];
	*(__u32 *)(data + 22) = shape.ip[2];
	*(__u32 *)(data + 26) = shape.ip[3];
	*(__u32 *)(data + 30) = shape.ip[4];
	if (shape.vary == BENCH_SPORT)
		ports = (ports & 0xffff0000) | bench_next();
	if (shape.vary == BENCH_DPORT)
		ports = (ports & 0xffff) | (__u32)bench_next() << 16;
	*(__u32 *)(data + 34) = ports;
	*(__u32 *)(data + 38) = shape.udp[1];
	*(__u32 *)(data + 42) = shape.payload;
	if (shape.vary == BENCH_TRANSACTION) {
		__u16 next = bench_next();

		if (data + BENCH_TRANSACTION_AT + 4 > (void *)(long)ctx->data_end)
			return XDP_ABORTED;
		*(__u16 *)(data + BENCH_TRANSACTION_AT) = next;
		*(__u16 *)(data + BENCH_TRANSACTION_AT + 2) = ~next; /* the checksum stays right */
	}
	bpf_tail_call(ctx, &bench_target, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int bench_pass(struct xdp_md *ctx __attribute__((unused)))
{
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
