// SPDX-License-Identifier: GPL-2.0
/* What a client with an allocation can do, and does a million times. */
#include "relaying.h"
#include "tests.h"

#include <bpf/bpf.h>

/* As asks() and answers(), but that nothing is looked at: they take most of the time. */
static void run(int program, const struct frame *frame)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data, .data_size_in = frame->len,
		    .repeat = 1);

	if (bpf_prog_test_run_opts(program, &opts))
		fail_msg("BPF_PROG_TEST_RUN");
}

static void bind_many(struct fixture *f, unsigned int count)
{
	struct frame request, answer;
	struct message m;
	unsigned int i;

	for (i = 0; i < count; i++) {
		ask_bind(&m, i, NUMBER + 1 + i % 0x3fff,
			 (struct endpoint){ IP(203, 1 + (i >> 16), i >> 8, i), BE16(7000) });
		frame_udp(&request, CLIENT, SERVER, m.data, m.len);
		run(f->program[TURNCTL_STUN], &request);
		say_success(&m, CHANNEL_BIND, i);
		frame_sent(&answer, SERVER, CLIENT, m.data, m.len);
		run(f->program[TURNCTL_EGRESS], &answer);
		if (i % 50000 == 0)
			expect_relaying(f);
	}
}

/* A live channel is the first of @channels, with @permissions for all of them. */
static void fill(void **state, unsigned int channels, unsigned int permissions, unsigned int count,
		 enum turn_event refusal)
{
	unsigned int room = channels < permissions || !permissions ? channels : permissions;
	struct turn_stats before, after;
	struct turn_flow flow;
	struct fixture f;

	fixture_like(&f, *state, channels, 0, permissions);
	f.config.heartbeat = 60 * f.config.hz; /* more than it takes */
	write_config(&f);
	relaying(&f);
	f.live = false; /* the answers come by test runs */
	before = counters(&f);
	bind_many(&f, count);
	after = counters(&f);
	assert_int_equal(after.events[TURN_EVENT_BOUND_CHANNEL] -
				 before.events[TURN_EVENT_BOUND_CHANNEL], room - 1);
	assert_int_equal(after.events[refusal] - before.events[refusal], count - (room - 1));
	assert_int_equal(map_count(&f, "turn_flows"), 2 * room);
	assert_int_equal(map_count(&f, "turn_perms"), room);
	assert_int_equal(port_users(&f, RELAY.port), room);
	flow = flow_of(&f, to_peer_key(NUMBER));
	assert_int_equal(flow.passed + flow.heartbeats, 1); /* the one that was its proof */
	expect_relaying(&f);
	fixture_close(&f);
}

static void a_million_binds_find_no_channel(void **state)
{
	fill(state, 16, 0, 900000, TURN_EVENT_FULL_CHANNELS);
}

static void a_million_binds_find_no_permission(void **state)
{
	fill(state, 64, 16, 100000, TURN_EVENT_FULL_PERMISSIONS);
}

const struct test abuse_tests[] = {
	TEST_ONCE(a_million_binds_find_no_channel),
	TEST_ONCE(a_million_binds_find_no_permission),
	{},
};
