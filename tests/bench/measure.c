// SPDX-License-Identifier: GPL-2.0
/*
 * measure: nanoseconds a packet of turnctl's stages, beside an empty program, a MAC swap and a
 * bare forwarder. Run by tests/bench/stages.
 *
 * All rows are measured by short turns in every round, each next to its own baseline: the same
 * wrapper (restore.bpf.c) on the same packet in front of an empty program. What is shown is the
 * median over the rounds; net is a row less its baseline, of the same round. Before and after each
 * run the counters are read: a row only stands if all packets went the way that it is about.
 */
#include <argp.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "frames.h"
#include "subjects.h"

#define MOST_ROUNDS 101
#define WARM_UP 1000
#define TURN 250000 /* packets at a time */
#define TRANSACTIONS 16384

#define GOAL_RATIO 1.4
#define GOAL_NET 100.0
#define GOAL_OTHER 25.0

#define WORD(field) (offsetof(struct turn_stats, field) / sizeof(__u64) + 1)
#define PASSED(reason) (WORD(passed) + TURN_REASON_##reason)
#define OWN_PACKETS 1 /* struct bench_stats */
#define OWN_BYTES 2

enum row_id {
	PASS,
	SWAP,
	BARE_PEER,
	BARE_CLIENT,
	BARE_PEER_MANY,
	BARE_CLIENT_MANY,
	FUSED_PEER,
	FUSED_CLIENT,
	FUSED_PEER_MANY,
	FUSED_CLIENT_MANY,
	OTHER_UDP,
	OTHER_TCP,
	OTHER_ARP,
	UNBOUND,
	BIND,
	DUE,
	CHAIN_PEER,
	CHAIN_STRIP,
	CHAIN_CLIENT,
	CHAIN_INSERT,
	ROWS,
};

enum goal { NO_GOAL, RELAYED, UNRELATED };

struct samples {
	double at[MOST_ROUNDS];
};

static struct row {
	const char *name;
	enum bench_program program;
	enum bench_kind kind;
	enum row_id after; /* not 0: the packet is what this row's program makes of its own */
	enum row_id bare;  /* not 0: the yardstick */
	enum goal goal;
	enum bench_vary vary;
	bool many, due;
	__u32 verdict;
	int grows;           /* bytes */
	__u32 packets, bytes; /* 1 + the counters' places, 0 = none counts */

	struct bench_subject subject;
	struct bench_wrapper wrapper, baseline;
	struct bench_frame frame;
	struct samples ns, net, ratio;
	__u64 executions;
} rows[ROWS] = {
	[PASS] = { .name = "empty PASS", .program = BENCH_PASS, .verdict = XDP_PASS },
	[SWAP] = { .name = "MAC swap", .program = BENCH_SWAP, .verdict = XDP_TX,
		   .packets = OWN_PACKETS },
	[BARE_PEER] = { .name = "bare forwarder, to peer", .program = BENCH_TO_PEER,
			.verdict = XDP_REDIRECT, .grows = -4, .packets = OWN_PACKETS,
			.bytes = OWN_BYTES },
	[BARE_CLIENT] = { .name = "bare forwarder, to client", .program = BENCH_TO_CLIENT,
			  .kind = BENCH_PEERDATA, .verdict = XDP_REDIRECT, .grows = 4,
			  .packets = OWN_PACKETS, .bytes = OWN_BYTES },
	[BARE_PEER_MANY] = { .name = "bare forwarder, to peer", .program = BENCH_TO_PEER,
			     .many = true, .vary = BENCH_SPORT, .verdict = XDP_REDIRECT,
			     .grows = -4, .packets = OWN_PACKETS, .bytes = OWN_BYTES },
	[BARE_CLIENT_MANY] = { .name = "bare forwarder, to client", .program = BENCH_TO_CLIENT,
			       .kind = BENCH_PEERDATA, .many = true, .vary = BENCH_DPORT,
			       .verdict = XDP_REDIRECT, .grows = 4, .packets = OWN_PACKETS,
			       .bytes = OWN_BYTES },
	[FUSED_PEER] = { .name = "turn_fused, client to peer", .program = BENCH_FUSED,
			 .bare = BARE_PEER, .goal = RELAYED, .verdict = XDP_REDIRECT,
			 .grows = -4, .packets = WORD(to_peer_packets),
			 .bytes = WORD(to_peer_bytes) },
	[FUSED_CLIENT] = { .name = "turn_fused, peer to client", .program = BENCH_FUSED,
			   .kind = BENCH_PEERDATA, .bare = BARE_CLIENT, .goal = RELAYED,
			   .verdict = XDP_REDIRECT, .grows = 4,
			   .packets = WORD(to_client_packets), .bytes = WORD(to_client_bytes) },
	[FUSED_PEER_MANY] = { .name = "turn_fused, client to peer", .program = BENCH_FUSED,
			      .bare = BARE_PEER_MANY, .goal = RELAYED, .many = true,
			      .vary = BENCH_SPORT, .verdict = XDP_REDIRECT, .grows = -4,
			      .packets = WORD(to_peer_packets), .bytes = WORD(to_peer_bytes) },
	[FUSED_CLIENT_MANY] = { .name = "turn_fused, peer to client", .program = BENCH_FUSED,
				.kind = BENCH_PEERDATA, .bare = BARE_CLIENT_MANY, .goal = RELAYED,
				.many = true, .vary = BENCH_DPORT, .verdict = XDP_REDIRECT,
				.grows = 4, .packets = WORD(to_client_packets),
				.bytes = WORD(to_client_bytes) },
	[OTHER_UDP] = { .name = "turn_fused, UDP to another port", .program = BENCH_FUSED,
			.kind = BENCH_OTHER_UDP, .goal = UNRELATED, .verdict = XDP_PASS },
	[OTHER_TCP] = { .name = "turn_fused, TCP", .program = BENCH_FUSED, .kind = BENCH_OTHER_TCP,
			.goal = UNRELATED, .verdict = XDP_PASS },
	[OTHER_ARP] = { .name = "turn_fused, ARP", .program = BENCH_FUSED, .kind = BENCH_OTHER_ARP,
			.goal = UNRELATED, .verdict = XDP_PASS },
	[UNBOUND] = { .name = "turn_fused, channel not bound", .program = BENCH_FUSED,
		      .kind = BENCH_UNBOUND, .verdict = XDP_PASS },
	[BIND] = { .name = "turn_fused, ChannelBind request", .program = BENCH_FUSED,
		   .kind = BENCH_BIND, .vary = BENCH_TRANSACTION, .verdict = XDP_PASS },
	[DUE] = { .name = "turn_fused, past the deadline", .program = BENCH_FUSED, .due = true,
		  .verdict = XDP_PASS, .packets = PASSED(BOUND) },
	[CHAIN_PEER] = { .name = "turn_cli2rem", .program = BENCH_CLI2REM,
			 .verdict = XDP_REDIRECT, .packets = WORD(to_peer_packets),
			 .bytes = WORD(to_peer_bytes) },
	[CHAIN_STRIP] = { .name = "turn_shift, strip", .program = BENCH_SHIFT, .after = CHAIN_PEER,
			  .verdict = XDP_PASS, .grows = -4 },
	[CHAIN_CLIENT] = { .name = "turn_rem2cli", .program = BENCH_REM2CLI,
			   .kind = BENCH_PEERDATA, .verdict = XDP_REDIRECT,
			   .packets = WORD(to_client_packets), .bytes = WORD(to_client_bytes) },
	[CHAIN_INSERT] = { .name = "turn_shift, insert", .program = BENCH_SHIFT,
			   .after = CHAIN_CLIENT, .verdict = XDP_PASS, .grows = 4 },
};

/* Chained, a packet meets a stage and an exit. */
static const struct sum {
	const char *name;
	enum row_id parts[2], bare;
} sums[] = {
	{ "turn_cli2rem + turn_shift", { CHAIN_PEER, CHAIN_STRIP }, BARE_PEER },
	{ "turn_rem2cli + turn_shift", { CHAIN_CLIENT, CHAIN_INSERT }, BARE_CLIENT },
};

#define SUMS (sizeof(sums) / sizeof(sums[0]))

static struct settings {
	const char *objects, *json;
	__u32 rounds, packets, channels;
} settings = { .rounds = 7, .packets = 1000000, .channels = 4096 };

/* ---- running ---------------------------------------------------------------------------------- */

static double now_ns(void)
{
	struct timespec ts;

	/* the time that this thread ran: the kernel's own figure is cut to whole ns a packet */
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

/* Runs @program on @frame @repeat times. Returns ns a packet, and the last run's frame if @out. */
static double run(const char *name, int program, const struct bench_frame *frame, __u32 repeat,
		  __u32 *verdict, struct bench_frame *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->bytes,
		    .data_size_in = frame->length, .repeat = repeat);
	double start;

	if (out) {
		opts.data_out = out->bytes;
		opts.data_size_out = sizeof(out->bytes);
	}
	start = now_ns();
	if (bpf_prog_test_run_opts(program, &opts))
		bench_die("%s: test run: %s", name, strerror(errno));
	start = now_ns() - start;
	*verdict = opts.retval;
	if (out)
		out->length = opts.data_size_out;
	return start / repeat;
}

/* What is counted of a row, before and after a run. */
struct counted {
	struct bench_runs runs;
	__u64 words[BENCH_WORDS];
	__u32 remembered;
};

static void count(const struct row *row, const struct bench_wrapper *wrapper, struct counted *c)
{
	__u32 zero = 0;

	if (bpf_map_lookup_elem(wrapper->runs, &zero, &c->runs))
		bench_die("%s: %s", row->name, strerror(errno));
	bench_read(&row->subject, c->words);
	c->remembered = row->kind == BENCH_BIND ? bench_remembered(&row->subject) : 0;
}

static void expect(const struct row *row, const char *what, long long got, long long want)
{
	if (got != want)
		bench_die("%s: %s: %lld, should be %lld", row->name, what, got, want);
}

/* Did each of @n packets go the row's way, and none another? */
static void check(const struct row *row, const struct counted *before, const struct counted *after,
		  __u32 verdict, __u32 n)
{
	__u64 want;
	__u32 i;

	expect(row, "verdict", verdict, row->verdict);
	expect(row, "packets restored", after->runs.count - before->runs.count, n);
	expect(row, "bytes grown", after->runs.moved - before->runs.moved,
	       (long long)row->grows * (n - 1));
	for (i = 0; i < row->subject.words; i++) {
		want = i + 1 == row->packets ? n : i + 1 == row->bytes ? (__u64)n * BENCH_DATA : 0;
		if (after->words[i] - before->words[i] != want)
			bench_die("%s: counter %u: %llu, should be %llu", row->name, i,
				  after->words[i] - before->words[i], want);
	}
	if (row->kind == BENCH_BIND)
		expect(row, "requests remembered", after->remembered - before->remembered, n);
}

static double run_row(struct row *row, __u32 n)
{
	struct counted before, after;
	__u32 verdict;
	double ns;

	count(row, &row->wrapper, &before);
	ns = run(row->name, row->wrapper.program, &row->frame, n, &verdict, NULL);
	count(row, &row->wrapper, &after);
	check(row, &before, &after, verdict, n);
	row->executions += n;
	return ns;
}

static double run_baseline(const struct row *row, __u32 n)
{
	__u32 verdict;
	double ns = run(row->name, row->baseline.program, &row->frame, n, &verdict, NULL);

	expect(row, "verdict of the baseline", verdict, XDP_PASS);
	return ns;
}

/* One row's turn: its baseline and itself, @n packets each. Adds the time that they took, in ns. */
static void take_turn(struct row *row, __u32 n, double *empty, double *full)
{
	*empty += run_baseline(row, n) * n;
	/* those that had their turn in between have emptied the caches */
	if (row->many)
		run_row(row, 2 * settings.channels);
	*full += run_row(row, n) * n;
}

/* A round is many short turns: whatever else the machine does then meets all rows alike. */
static void measure_round(__u32 round)
{
	double empty[ROWS] = {}, full[ROWS] = {};
	__u32 left, n, i;

	for (left = settings.packets; left; left -= n) {
		n = left < TURN ? left : TURN;
		for (i = 0; i < ROWS; i++)
			take_turn(&rows[i], n, &empty[i], &full[i]);
	}
	for (i = 0; i < ROWS; i++) {
		struct row *row = &rows[i];

		row->ns.at[round] = full[i] / settings.packets;
		row->net.at[round] = (full[i] - empty[i]) / settings.packets;
		if (row->bare)
			row->ratio.at[round] = row->net.at[round] / rows[row->bare].net.at[round];
	}
}

/* ---- setting up ------------------------------------------------------------------------------- */

/* The relay's socket, which the slow path looks for. */
static void open_relay_socket(void)
{
	struct sockaddr_in relay = { .sin_family = AF_INET, .sin_port = packet_be16(BENCH_RELAY_PORT),
				     .sin_addr.s_addr = packet_be32(BENCH_SERVER) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&relay, sizeof(relay)))
		bench_die("the relay's socket: %s", strerror(errno));
}

static void prepare(struct row *row)
{
	__u32 verdict, count = row->vary == BENCH_TRANSACTION ? TRANSACTIONS : settings.channels;

	if (row->after)
		run(row->name, rows[row->after].wrapper.program, &rows[row->after].frame, 1,
		    &verdict, &row->frame);
	else
		bench_frame_make(&row->frame, row->kind);
	bench_load(&row->subject, row->program, settings.objects,
		   row->many ? settings.channels : 1, row->due);
	bench_wrap(&row->wrapper, settings.objects, row->subject.program, &row->frame, row->vary,
		   count);
	bench_wrap(&row->baseline, settings.objects, rows[PASS].subject.program, &row->frame,
		   row->vary, count);
}

/* The first packet, which also warms up; not counted. */
static void try(struct row *row)
{
	struct bench_frame out;
	__u32 verdict;

	run(row->name, row->wrapper.program, &row->frame, 1, &verdict, &out);
	expect(row, "verdict", verdict, row->verdict);
	expect(row, "length", out.length, row->frame.length + row->grows);
	if (verdict == XDP_PASS && !row->after && memcmp(out.bytes, row->frame.bytes, out.length) &&
	    row->vary != BENCH_TRANSACTION)
		bench_die("%s: the packet was changed, and passed", row->name);
	run(row->name, row->wrapper.program, &row->frame, WARM_UP, &verdict, NULL);
	run_baseline(row, WARM_UP);
}

/* The IP identification, which is another for each packet, and the checksum that covers it. */
static void forget_identification(struct bench_frame *frame)
{
	struct iphdr *ip = (struct iphdr *)(frame->bytes + PACKET_IP_OFFSET);

	ip->id = 0;
	ip->check = 0;
}

/* The yardstick is one only if it makes the same packet. */
static void compare(const struct row *row)
{
	struct bench_frame ours, bare;
	__u32 verdict;

	run(row->name, row->subject.program, &row->frame, 1, &verdict, &ours);
	run(row->name, rows[row->bare].subject.program, &row->frame, 1, &verdict, &bare);
	forget_identification(&ours);
	forget_identification(&bare);
	if (ours.length != bare.length || memcmp(ours.bytes, bare.bytes, ours.length))
		bench_die("%s: another packet than the bare forwarder's", row->name);
}

/* ---- showing ---------------------------------------------------------------------------------- */

struct summary {
	double low, median, high;
};

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static struct summary summarise(const struct samples *samples)
{
	struct samples sorted = *samples;
	__u32 n = settings.rounds;

	qsort(sorted.at, n, sizeof(sorted.at[0]), by_size);
	return (struct summary){ sorted.at[0],
				 (sorted.at[(n - 1) / 2] + sorted.at[n / 2]) / 2,
				 sorted.at[n - 1] };
}

static void show_row(const char *name, bool many, const struct samples *ns,
		     const struct samples *net, const struct samples *ratio, __u64 executions,
		     FILE *json, const char *comma)
{
	struct summary all = summarise(ns), own = summarise(net);
	__u32 channels = many ? settings.channels : 1;
	char times[16] = "-";

	if (ratio)
		snprintf(times, sizeof(times), "%.2f", summarise(ratio).median);
	printf("%-33s %8u %7.1f %7.1f %7s %6.1f-%-6.1f %11llu\n", name, channels, all.median,
	       own.median, times, own.low, own.high, executions);
	if (!json)
		return;
	fprintf(json,
		"%s\n    {\"name\": \"%s\", \"channels\": %u, \"ns\": %.2f, \"net\": %.2f, "
		"\"low\": %.2f, \"high\": %.2f, \"ratio\": %s, \"executions\": %llu}",
		comma, name, channels, all.median, own.median, own.low, own.high,
		ratio ? times : "null", executions);
}

static void show_sum(const struct sum *sum, FILE *json)
{
	const struct row *a = &rows[sum->parts[0]], *b = &rows[sum->parts[1]];
	struct samples ns, net, ratio;
	__u32 i;

	for (i = 0; i < settings.rounds; i++) {
		ns.at[i] = a->ns.at[i] + b->net.at[i];
		net.at[i] = a->net.at[i] + b->net.at[i];
		ratio.at[i] = net.at[i] / rows[sum->bare].net.at[i];
	}
	show_row(sum->name, false, &ns, &net, &ratio, a->executions, json, ",");
}

/* The worst of the rows that the goal is about is what counts. */
static void show_goal(const char *text, enum goal goal, bool ratio, double limit, FILE *json,
		      const char *comma)
{
	const struct row *row, *worst = NULL;
	double most = 0;

	for (row = rows; row < rows + ROWS; row++) {
		double value = summarise(ratio ? &row->ratio : &row->net).median;

		if (row->goal == goal && (!worst || value > most)) {
			worst = row;
			most = value;
		}
	}
	printf("%-6s goal: %s: %.*f (%s, channels: %u)\n", most <= limit ? "ok" : "FAILED", text,
	       ratio ? 2 : 1, most, worst->name, worst->many ? settings.channels : 1);
	if (json)
		fprintf(json,
			"%s\n    {\"goal\": \"%s\", \"limit\": %.1f, \"value\": %.2f, \"ok\": %s}",
			comma, text, limit, most, most <= limit ? "true" : "false");
}

static void show(FILE *json)
{
	const struct row *row;
	__u32 i;

	if (json)
		fprintf(json, "{\n  \"version\": 1, \"rounds\": %u, \"packets\": %u,\n  \"rows\": [",
			settings.rounds, settings.packets);
	printf("%-33s %8s %7s %7s %7s %-13s %11s\n", "what, ns a packet", "channels", "ns", "net",
	       "x bare", "  net, all", "executions");
	for (row = rows; row < rows + ROWS; row++)
		show_row(row->name, row->many, &row->ns, &row->net, row->bare ? &row->ratio : NULL,
			 row->executions, json, row == rows ? "" : ",");
	for (i = 0; i < SUMS; i++)
		show_sum(&sums[i], json);
	if (json)
		fprintf(json, "\n  ],\n  \"goals\": [");
	show_goal("at most 1.4 times the bare forwarder", RELAYED, true, GOAL_RATIO, json, "");
	show_goal("at most 100 ns net", RELAYED, false, GOAL_NET, json, ",");
	show_goal("unrelated traffic at most 25 ns net", UNRELATED, false, GOAL_OTHER, json, ",");
	if (json)
		fprintf(json, "\n  ]\n}\n");
}

/* ---- the command line ------------------------------------------------------------------------- */

static const struct argp_option options[] = {
	{ "json", 'j', "FILE", 0, "Write the results there, too", 0 },
	{ "rounds", 'r', "N", 0, "Rounds (7)", 0 },
	{ "packets", 'p', "N", 0, "Packets a row and round (1000000)", 0 },
	{ "channels", 'c', "N", 0, "Channels in the rows with many (4096)", 0 },
	{}
};

static __u32 number(struct argp_state *state, const char *text, __u32 least, __u32 most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || value < least || value > most)
		argp_error(state, "'%s' is not a number from %u to %u", text, least, most);
	return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'j':
		settings.json = arg;
		return 0;
	case 'r':
		settings.rounds = number(state, arg, 1, MOST_ROUNDS);
		return 0;
	case 'p':
		settings.packets = number(state, arg, 100, 100000000);
		return 0;
	case 'c':
		settings.channels = number(state, arg, 2, BENCH_MOST_CHANNELS);
		return 0;
	case ARGP_KEY_ARG:
		if (settings.objects)
			return ARGP_ERR_UNKNOWN;
		settings.objects = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = { .options = options, .parser = parse, .args_doc = "OBJECTS",
				  .doc = "Measures turnctl's stages. OBJECTS: the directory of "
					 "restore.bpf.o and forward.bpf.o." };

/* Complaints only; libbpf also tells what it skips. */
static int log_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, fmt, ap) : 0;
}

/* On one CPU, as the packets of a flow are: it is the one that owns the flows. */
static void stay_here(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	if (sched_setaffinity(0, sizeof(here), &here))
		bench_die("sched_setaffinity: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct row *row;
	FILE *json = NULL;
	__u32 round;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	libbpf_set_print(log_libbpf);
	setrlimit(RLIMIT_MEMLOCK, &unlimited); /* for kernels before 5.11 */
	if (settings.json) {
		json = fopen(settings.json, "w");
		if (!json)
			bench_die("%s: %s", settings.json, strerror(errno));
	}
	stay_here();
	open_relay_socket();
	for (row = rows; row < rows + ROWS; row++) {
		prepare(row);
		try(row);
	}
	for (row = rows; row < rows + ROWS; row++)
		if (row->bare)
			compare(row);
	for (round = 0; round < settings.rounds; round++)
		measure_round(round);
	show(json);
	if (json && fclose(json))
		bench_die("%s: %s", settings.json, strerror(errno));
	return 0;
}
