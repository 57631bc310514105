// SPDX-License-Identifier: GPL-2.0
/* What the programs counted, and what is said when that, or a frame, is not what it should be. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

static struct turn_stats counters_of(const struct fixture *f, __u32 device)
{
	int cpus = libbpf_num_possible_cpus(), cpu;
	struct turn_stats *each = calloc(cpus, sizeof(*each)), all = {};
	__u64 *sum = (__u64 *)&all;
	size_t i;

	assert_int_equal(bpf_map_lookup_elem(map_of(f, "turn_stats"), &device, each), 0);
	for (cpu = 0; cpu < cpus; cpu++)
		for (i = 0; i < sizeof(all) / sizeof(__u64); i++)
			sum[i] += ((__u64 *)&each[cpu])[i];
	free(each);
	return all;
}

struct turn_stats counters(const struct fixture *f)
{
	return counters_of(f, TEST_DEVICE);
}

__u64 counted_frames(const struct turn_stats *stats)
{
	__u64 sum = stats->to_peer_packets + stats->to_client_packets + stats->heartbeats;
	int i;

	for (i = 0; i < TURN_REASON_COUNT; i++)
		sum += stats->passed[i];
	return sum;
}

#define TURN_NAME(name, word, text) word,
static const char *const reason_names[TURN_REASON_ROOM] = { TURN_REASONS(TURN_NAME) };
static const char *const event_names[TURN_EVENT_ROOM] = { TURN_EVENTS(TURN_NAME) };
#undef TURN_NAME

const char *case_name = "";

static bool differs(const char *kind, const char *name, __u64 count, __u64 want)
{
	if (count == want)
		return false;
	print_error("%s: %s %s: counted %lld, expected %lld\n", case_name, kind, name ? name : "(spare)",
		    (long long)count, (long long)want);
	return true;
}

void check_counted(const struct fixture *f, const struct turn_stats *before,
		   const struct turn_stats *want, const char *file, int line)
{
	struct turn_stats is = counters(f);
	bool wrong = false;
	int i;

#define SINCE(field) (is.field - before->field), want->field
	wrong |= differs("relayed", "packets to peers", SINCE(to_peer_packets));
	wrong |= differs("relayed", "bytes to peers", SINCE(to_peer_bytes));
	wrong |= differs("relayed", "packets to clients", SINCE(to_client_packets));
	wrong |= differs("relayed", "bytes to clients", SINCE(to_client_bytes));
	wrong |= differs("heartbeats", "", SINCE(heartbeats));
	for (i = 0; i < TURN_REASON_ROOM; i++)
		wrong |= differs("passed", reason_names[i], SINCE(passed[i]));
	for (i = 0; i < TURN_EVENT_ROOM; i++)
		wrong |= differs("event", event_names[i], SINCE(events[i]));
#undef SINCE
	if (wrong)
		_fail(file, line);
}

static void print_bytes(const char *title, const __u8 *data, unsigned int len)
{
	unsigned int i;

	print_error("%s (%u):", title, len);
	for (i = 0; i < len && i < 80; i++)
		print_error("%s%02x", i % 16 ? " " : "\n  ", data[i]);
	print_error("\n");
}

void check_frame(const struct frame *got, const void *want, unsigned int len, const char *name,
		 const char *file, int line)
{
	if (got->len == len && !memcmp(got->data, want, len))
		return;
	print_error("%s: the frame differs\n", name);
	print_bytes("expected", want, len);
	print_bytes("got", got->data, got->len);
	_fail(file, line);
}

void wait_for(struct fixture *f, double seconds, bool (*done)(struct fixture *f))
{
	int tries = seconds * 100;

	while (!done(f)) {
		assert_true(tries-- > 0);
		usleep(10000);
	}
}
