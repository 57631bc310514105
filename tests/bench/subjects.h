/* SPDX-License-Identifier: GPL-2.0 */
/* What is measured: programs, loaded with tables of their own that are filled for it. */
#ifndef TURN_BENCH_SUBJECTS_H
#define TURN_BENCH_SUBJECTS_H

#include <bpf/libbpf.h>

#include "abi.h"
#include "bench.h"
#include "frames.h"

enum bench_program {
	BENCH_PASS,
	BENCH_SWAP,
	BENCH_TO_PEER,
	BENCH_TO_CLIENT,
	BENCH_FUSED,
	BENCH_CLI2REM,
	BENCH_REM2CLI,
	BENCH_SHIFT,
};

/* A loaded program. */
struct bench_subject {
	struct bpf_object *object;
	int program;
	int counters; /* turn_stats or bench_stats, -1 = none */
	__u32 words;  /* __u64 in one of its values */
};

#define BENCH_WORDS (sizeof(struct turn_stats) / sizeof(__u64))

/*
 * These print what went wrong and end the program: there is nothing to measure then.
 *
 * bench_load() loads @program with @channels channels in its tables, offloaded for ever, or, if
 * @due, past their deadline and waiting for their first twin. @objects is the directory of
 * restore.bpf.o and forward.bpf.o.
 */
void bench_load(struct bench_subject *subject, enum bench_program program, const char *objects,
		__u32 channels, bool due);
void bench_unload(struct bench_subject *subject);

/* The counters, summed over the CPUs. */
void bench_read(const struct bench_subject *subject, __u64 words[BENCH_WORDS]);

/* How many requests of the first client were remembered, counted since there was no free room. */
__u32 bench_remembered(const struct bench_subject *subject);

/* bench_restore in front of @target: an object, its program, and where its runs are kept. */
struct bench_wrapper {
	struct bpf_object *object;
	int program, runs;
};

void bench_wrap(struct bench_wrapper *wrapper, const char *objects, int target,
		const struct bench_frame *frame, enum bench_vary vary, __u32 count);

void __attribute__((noreturn, format(printf, 1, 2))) bench_die(const char *fmt, ...);

#endif
