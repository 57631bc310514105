/* SPDX-License-Identifier: GPL-2.0 */
/* What the measuring program and its BPF programs share. */
#ifndef TURN_BENCH_H
#define TURN_BENCH_H

#include <linux/types.h>

/* What differs from one packet to the next, so that each is another channel's or request's. */
enum bench_vary {
	BENCH_ONE = 0,
	BENCH_SPORT,
	BENCH_DPORT,
	BENCH_TRANSACTION, /* the last bytes of a STUN transaction id */
};

/*
 * The packet that bench_restore makes before each run of what is measured. Its first 46 bytes
 * are in words as programs read them: a load that spans two stores which are still on their way
 * to the cache waits for them (a packet from a wire has no such stores).
 */
struct bench_shape {
	__u64 macs;         /* frame bytes 0 to 7 */
	__u32 macs_end;     /* 8 to 11 */
	__u16 proto;        /* 12, 13 */
	__u16 first;        /* varied field: its first value, host order */
	__u32 ip[5];        /* 14 to 33 */
	__u32 udp[2];       /* 34 to 41 */
	__u32 payload;      /* 42 to 45 */
	__u32 length;       /* of the frame */
	__u32 vary;         /* enum bench_vary */
	__u32 count, step;  /* @first + (multiples of @step modulo @count) */
};

#define BENCH_RESTORED 46
#define BENCH_TRANSACTION_AT 58

/* What bench_restore keeps of its runs. */
struct bench_runs {
	__u64 count; /* packets restored */
	__s64 moved; /* bytes by which the frames came back longer, summed */
	__u32 at;    /* the varied field's */
	__u32 zero;
};

/* A flow of the bare forwarder: struct turn_key4 to what the new headers need. */
struct bench_flow {
	__be32 saddr, daddr;
	__be16 sport, dport;
	__be16 channel;
	__u16 macs[6]; /* destination, source */
	__u16 zero;
	__u32 exit; /* index into bench_exits */
};

/* The counters of bench_swap and the bare forwarder; one a CPU. */
struct bench_stats {
	__u64 packets, bytes;
};

#endif
