// SPDX-License-Identifier: GPL-2.0
#include "subjects.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "objects.h"

#define LO 1         /* the way out: nothing is ever sent by a test run */
#define FIRST_SLOT 1 /* slot 0 is the static channels' */
#define FAR (ULLONG_MAX / 2)

/* Tables as `turnctl attach` makes them by default, but for those that no hot path reads. */
#define FLOWS (2 * BENCH_MOST_CHANNELS)

static const struct {
	const char *name;
	const char *file;          /* NULL: turnctl's */
	enum turnctl_program turn; /* if turnctl's */
} programs[] = {
	[BENCH_PASS] = { "bench_pass", "restore.bpf.o", 0 },
	[BENCH_SWAP] = { "bench_swap", "forward.bpf.o", 0 },
	[BENCH_TO_PEER] = { "bench_to_peer", "forward.bpf.o", 0 },
	[BENCH_TO_CLIENT] = { "bench_to_client", "forward.bpf.o", 0 },
	[BENCH_FUSED] = { "turn_fused", NULL, TURNCTL_FUSED },
	[BENCH_CLI2REM] = { "turn_cli2rem", NULL, TURNCTL_CLI2REM },
	[BENCH_REM2CLI] = { "turn_rem2cli", NULL, TURNCTL_REM2CLI },
	[BENCH_SHIFT] = { "turn_shift", NULL, TURNCTL_SHIFT },
};

void bench_die(const char *fmt, ...)
{
	va_list ap;

	fputs("tests/bench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static int map_fd(const struct bench_subject *subject, const char *name)
{
	return bpf_object__find_map_fd_by_name(subject->object, name);
}

static void put(const struct bench_subject *subject, const char *map, const void *key,
		const void *value)
{
	if (bpf_map_update_elem(map_fd(subject, map), key, value, BPF_ANY))
		bench_die("%s: cannot be filled: %s", map, strerror(errno));
}

/* ---- tables ----------------------------------------------------------------------------------- */

static void make_keys(__u32 i, struct turn_key4 *cli, struct turn_key4 *rem)
{
	memset(cli, 0, sizeof(*cli));
	memset(rem, 0, sizeof(*rem));
	cli->saddr = packet_be32(BENCH_CLIENT);
	cli->daddr = packet_be32(BENCH_SERVER);
	cli->sport = packet_be16(BENCH_CLIENT_PORT + i);
	cli->dport = packet_be16(BENCH_LISTENER_PORT);
	cli->channel = packet_be16(BENCH_CHANNEL);
	rem->saddr = packet_be32(BENCH_PEER);
	rem->daddr = packet_be32(BENCH_SERVER);
	rem->sport = packet_be16(BENCH_PEER_PORT);
	rem->dport = packet_be16(BENCH_RELAY_PORT + i);
}

/* The flow whose new headers are @out's, mirrored. */
static void make_flow(const struct turn_key4 *out, __u32 slot, bool due, struct turn_flow *flow)
{
	memset(flow, 0, sizeof(*flow));
	flow->slot = slot;
	flow->epoch = 1;
	flow->saddr.v4 = out->daddr;
	flow->daddr.v4 = out->saddr;
	flow->sport = out->dport;
	flow->dport = out->sport;
	flow->channel = packet_be16(BENCH_CHANNEL);
	flow->ifindex = LO;
	flow->mtu = ETH_DATA_LEN;
	memcpy(flow->dmac, bench_hop_mac, ETH_ALEN);
	memcpy(flow->smac, bench_own_mac, ETH_ALEN);
	flow->expires = FAR;
	flow->until = FAR;
	if (due) {
		flow->state = TURN_BOUND;
		flow->reason = TURN_REASON_BOUND;
		return;
	}
	flow->state = TURN_OFFLOADED;
	flow->deadline = FAR;
	flow->owner = sched_getcpu() + 1;
}

/* The allocation that the slow path asks for, and its permission. */
static void put_allocation(const struct bench_subject *subject, __u32 i)
{
	struct turn_permission_key permission_key = { .slot = FIRST_SLOT + i, .epoch = 1 };
	struct turn_permission permission = { .expires = FAR, .channels = 1 };
	struct turn_key4 tuple, unused;
	struct turn_alloc alloc = {};

	make_keys(i, &tuple, &unused);
	tuple.channel = 0;
	alloc.slot = FIRST_SLOT + i;
	alloc.epoch = 1;
	alloc.relay = turn_ip4(packet_be32(BENCH_SERVER));
	alloc.relay_port = packet_be16(BENCH_RELAY_PORT + i);
	alloc.expires = FAR;
	put(subject, "turn_allocs", &tuple, &alloc);
	permission_key.peer = turn_ip4(packet_be32(BENCH_PEER));
	put(subject, "turn_perms", &permission_key, &permission);
}

static void put_ports(const struct bench_subject *subject, __u32 channels)
{
	__u32 *users = calloc(65536, sizeof(*users)), zero = 0, i;

	if (!users)
		bench_die("out of memory");
	users[BENCH_LISTENER_PORT] = channels + 1;
	for (i = 0; i < channels; i++)
		users[BENCH_RELAY_PORT + i] = 1;
	put(subject, "turn_ports", &zero, users);
	free(users);
}

static void fill_turn(const struct bench_subject *subject, __u32 channels, bool due)
{
	static const char *const exits[] = { "turn_exits", "turn_plain" };
	struct turn_config config = { .hz = 250, .heartbeat = 5 * 250 };
	struct turn_slot slot = { .epoch = 1, .used = 1 };
	struct bpf_devmap_val exit = { .ifindex = LO };
	struct turn_key4 cli_key, rem_key;
	struct turn_flow flow;
	__u32 zero = 0, lo = LO, i, index;

	for (i = 0; i < channels; i++) {
		index = FIRST_SLOT + i;
		put(subject, "turn_slots", &index, &slot);
		make_keys(i, &cli_key, &rem_key);
		make_flow(&rem_key, index, due, &flow);
		put(subject, "turn_flows", &cli_key, &flow);
		make_flow(&cli_key, index, due, &flow);
		put(subject, "turn_flows", &rem_key, &flow);
	}
	put_ports(subject, channels);
	for (i = 0; i < sizeof(exits) / sizeof(exits[0]); i++)
		if (map_fd(subject, exits[i]) >= 0)
			put(subject, exits[i], &lo, &exit);
	if (map_fd(subject, "turn_config") >= 0) {
		config.listener[0].port = packet_be16(BENCH_LISTENER_PORT);
		put(subject, "turn_config", &zero, &config);
	}
	if (map_fd(subject, "turn_allocs") >= 0)
		put_allocation(subject, 0);
}

static void fill_bench(const struct bench_subject *subject, __u32 channels)
{
	struct bpf_devmap_val exit = { .ifindex = LO };
	struct turn_key4 key[2];
	struct bench_flow flow;
	__u32 zero = 0, i, j;

	for (i = 0; i < channels; i++) {
		make_keys(i, &key[0], &key[1]);
		for (j = 0; j < 2; j++) {
			const struct turn_key4 *out = &key[!j];

			memset(&flow, 0, sizeof(flow));
			flow.saddr = out->daddr;
			flow.daddr = out->saddr;
			flow.sport = out->dport;
			flow.dport = out->sport;
			flow.channel = packet_be16(BENCH_CHANNEL);
			memcpy(flow.macs, bench_hop_mac, ETH_ALEN);
			memcpy(flow.macs + 3, bench_own_mac, ETH_ALEN);
			put(subject, "bench_flows", &key[j], &flow);
		}
	}
	put(subject, "bench_exits", &zero, &exit);
}

/* ---- loading ---------------------------------------------------------------------------------- */

static struct bpf_object *open_file(const char *objects, const char *file)
{
	struct bpf_object *object;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", objects, file);
	object = bpf_object__open_file(path, NULL);
	if (!object)
		bench_die("%s: %s", path, strerror(errno));
	return object;
}

static void size(struct bpf_object *object, const char *name, __u32 entries)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	if (map)
		bpf_map__set_max_entries(map, entries);
}

void bench_load(struct bench_subject *subject, enum bench_program program, const char *objects,
		__u32 channels, bool due)
{
	const char *name = programs[program].name;
	struct turn_self self = { .device = 0, .role = TURN_ROLE_CLIENT };
	struct bpf_program *loaded;
	struct turnctl_error err;
	int code;

	memcpy(self.mac, bench_own_mac, ETH_ALEN);
	if (programs[program].file)
		subject->object = open_file(objects, programs[program].file);
	else
		subject->object =
			turnctl_object_open(programs[program].turn, NULL,
					    program == BENCH_SHIFT ? NULL : &self, NULL, &err);
	if (!subject->object)
		bench_die("%s", err.text);
	size(subject->object, "turn_flows", FLOWS);
	size(subject->object, "turn_slots", FLOWS);
	size(subject->object, "bench_flows", FLOWS);
	loaded = bpf_object__find_program_by_name(subject->object, name);
	/* what runs at the exit of a devmap is neither tail-called nor test-run as such */
	if (program == BENCH_SHIFT)
		bpf_program__set_expected_attach_type(loaded, BPF_XDP);
	code = bpf_object__load(subject->object);
	if (code)
		bench_die("the kernel refuses %s: %s", name, strerror(-code));
	subject->program = bpf_program__fd(loaded);

	subject->words = 0;
	subject->counters = map_fd(subject, "turn_stats");
	if (subject->counters >= 0) {
		subject->words = sizeof(struct turn_stats) / sizeof(__u64);
		fill_turn(subject, channels, due);
		return;
	}
	subject->counters = map_fd(subject, "bench_stats");
	if (subject->counters >= 0) {
		subject->words = sizeof(struct bench_stats) / sizeof(__u64);
		fill_bench(subject, channels);
	}
}

void bench_unload(struct bench_subject *subject)
{
	bpf_object__close(subject->object);
}

void bench_read(const struct bench_subject *subject, __u64 words[BENCH_WORDS])
{
	int cpus = libbpf_num_possible_cpus(), cpu;
	__u64 *values;
	__u32 zero = 0, i;

	memset(words, 0, BENCH_WORDS * sizeof(*words));
	if (!subject->words)
		return;
	values = calloc(cpus * subject->words, sizeof(*values));
	if (!values || bpf_map_lookup_elem(subject->counters, &zero, values))
		bench_die("the counters cannot be read: %s", strerror(errno));
	for (cpu = 0; cpu < cpus; cpu++)
		for (i = 0; i < subject->words; i++)
			words[i] += values[cpu * subject->words + i];
	free(values);
}

__u32 bench_remembered(const struct bench_subject *subject)
{
	struct turn_key4 tuple, unused;
	struct turn_alloc alloc;

	make_keys(0, &tuple, &unused);
	tuple.channel = 0;
	if (bpf_map_lookup_elem(map_fd(subject, "turn_allocs"), &tuple, &alloc))
		bench_die("turn_allocs: %s", strerror(errno));
	return alloc.next;
}

/* ---- the wrapper ------------------------------------------------------------------------------ */

/* A step that visits all of 0 to count - 1, but never neighbours one after the other. */
static __u32 make_step(__u32 count)
{
	__u32 step = count * 5 / 8 + 1, a, b, rest;

	if (count < 3)
		return count - 1;
	for (;; step++) {
		for (a = count, b = step; b; a = b, b = rest)
			rest = a % b;
		if (a == 1)
			return step % count;
	}
}

static void make_shape(const struct bench_frame *frame, enum bench_vary vary, __u32 count,
		       struct bench_shape *shape)
{
	static const __u16 first[] = {
		[BENCH_SPORT] = BENCH_CLIENT_PORT,
		[BENCH_DPORT] = BENCH_RELAY_PORT,
		[BENCH_TRANSACTION] = 0,
	};

	memset(shape, 0, sizeof(*shape));
	memcpy(&shape->macs, frame->bytes, 8);
	memcpy(&shape->macs_end, frame->bytes + 8, 4);
	memcpy(&shape->proto, frame->bytes + 12, 2);
	memcpy(shape->ip, frame->bytes + 14, 20);
	memcpy(shape->udp, frame->bytes + 34, 8);
	memcpy(&shape->payload, frame->bytes + 42, 4);
	shape->length = frame->length;
	shape->vary = vary;
	shape->first = first[vary];
	shape->count = count;
	shape->step = make_step(count);
}

void bench_wrap(struct bench_wrapper *wrapper, const char *objects, int target,
		const struct bench_frame *frame, enum bench_vary vary, __u32 count)
{
	struct bench_shape shape;
	struct bpf_map *map;
	__u32 zero = 0;
	size_t bytes;
	void *data;
	int code;

	wrapper->object = open_file(objects, "restore.bpf.o");
	make_shape(frame, vary, count, &shape);
	bpf_object__for_each_map(map, wrapper->object) {
		data = (void *)bpf_map__initial_value(map, &bytes);
		if (data && strstr(bpf_map__name(map), ".rodata") && bytes >= sizeof(shape))
			memcpy(data, &shape, sizeof(shape));
	}
	code = bpf_object__load(wrapper->object);
	if (code)
		bench_die("the kernel refuses bench_restore: %s", strerror(-code));
	wrapper->program = bpf_program__fd(
		bpf_object__find_program_by_name(wrapper->object, "bench_restore"));
	bpf_object__for_each_map(map, wrapper->object)
		if (strstr(bpf_map__name(map), ".bss"))
			wrapper->runs = bpf_map__fd(map);
	if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(wrapper->object, "bench_target"),
				&zero, &target, BPF_ANY))
		bench_die("bench_target: %s", strerror(errno));
}
