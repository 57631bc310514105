// SPDX-License-Identifier: GPL-2.0
/*
 * A service that sends back what it is sent, on a port that an operator took for a TURN server's.
 * Its clients choose what it "answers": nothing may be learned from it.
 */
#include "relaying.h"
#include "tests.h"

/* A message reaches the listener, and leaves it again. */
static void echoes(struct fixture *f, const struct message *m)
{
	asks(f, m);
	answers(f, m);
}

/* The request, and then its own answer, both sent back. */
static void an_echo_grants_no_allocation(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before = counters(f);
	struct message m;

	ask_allocate(&m, 1);
	echoes(f, &m);
	say_allocated(&m, 1, RELAY, 600);
	echoes(f, &m);
	assert_int_equal(map_count(f, "turn_allocs"), 0);
	expect_counted(f, &before, EVENT(ECHOED) = 2, EVENT(POISONED) = 2, EVENT(UNMATCHED) = 1);
}

/* Each of the two signs is enough: the client hides the other one. */
static void an_answer_from_a_client_poisons(void **state)
{
	struct fixture *f = *state;
	struct message m;

	ask_allocate(&m, 1);
	asks(f, &m);
	say_allocated(&m, 1, RELAY, 600);
	asks(f, &m);
	answers(f, &m);
	assert_int_equal(map_count(f, "turn_allocs"), 0);

	/* also before the request, and an error */
	say_error(&m, ALLOCATE, 2, 400);
	asks(f, &m);
	ask_allocate(&m, 2);
	asks(f, &m);
	say_allocated(&m, 2, RELAY, 600);
	answers(f, &m);
	assert_int_equal(map_count(f, "turn_allocs"), 0);
}

static void a_request_that_leaves_poisons(void **state)
{
	struct fixture *f = *state;
	struct message m;

	ask_allocate(&m, 1);
	asks(f, &m);
	answers(f, &m);
	say_allocated(&m, 1, RELAY, 600);
	answers(f, &m);
	assert_int_equal(map_count(f, "turn_allocs"), 0);
}

/* Somebody has told the host of a small path MTU: what is echoed leaves in pieces. */
static void a_request_that_leaves_in_fragments_poisons(void **state)
{
	struct fixture *f = *state;
	struct frame frame;
	struct message m;

	ask_allocate(&m, 1);
	asks(f, &m);
	frame_sent(&frame, SERVER, CLIENT, m.data, m.len);
	put16(frame.data + AT_FRAGMENT, 0x2000);
	frame_fix_ip(&frame);
	server_sends(f, &frame);
	say_allocated(&m, 1, RELAY, 600);
	answers(f, &m);
	assert_int_equal(map_count(f, "turn_allocs"), 0);
}

static void an_echo_binds_no_channel(void **state)
{
	struct fixture *f = *state;
	struct message m;
	int i;

	allocate(f, 600);
	for (i = 0; i < 2; i++) {
		ask_bind(&m, 10 + i, NUMBER, PEER);
		asks(f, &m);
		if (i)
			answers(f, &m);
		say_success(&m, CHANNEL_BIND, 10 + i);
		if (!i)
			asks(f, &m);
		answers(f, &m);
		assert_int_equal(map_count(f, "turn_flows"), 0);
	}
	bind_channel(f, NUMBER, PEER); /* what is not echoed is learned as ever */
	assert_int_equal(map_count(f, "turn_flows"), 2);
}

/* What the stack drops, no server answers: an answer is the client's own. */
static void requests_that_the_stack_drops_are_not_remembered(void **state)
{
	static const char *const names[] = { "UDP checksum", "IP checksum", "none is sound" };
	struct fixture *f = *state;
	struct turn_stats before;
	struct frame frame;
	struct message m;
	int i;

	for (i = 0; i < 3; i++) {
		case_name = names[i];
		ask_allocate(&m, i);
		frame_udp(&frame, CLIENT, SERVER, m.data, m.len);
		if (i == 0)
			frame.data[frame.len - 1] ^= 1;
		else if (i == 1)
			frame.data[AT_IP_CHECK] ^= 1;
		else
			put16(frame.data + AT_UDP_CHECK, 0);
		before = counters(f);
		assert_int_equal(receive(f, &frame, NULL), XDP_PASS);
		if (i < 2)
			expect_counted(f, &before, EVENT(UNSOUND) = 1);
		say_allocated(&m, i, RELAY, 600);
		before = counters(f);
		answers(f, &m);
		if (i < 2)
			expect_counted(f, &before, EVENT(UNMATCHED) = 1);
		assert_int_equal(map_count(f, "turn_allocs"), i == 2);
	}
	case_name = "";
}

/* The listener's own address, which an echo is at, is no relay address. */
static void a_listener_is_no_relay(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct message m;

	ask_allocate(&m, 1);
	asks(f, &m);
	say_allocated(&m, 1, SERVER, 600);
	before = counters(f);
	answers(f, &m);
	assert_int_equal(map_count(f, "turn_allocs"), 0);
	expect_counted(f, &before, EVENT(ECHOED) = 1);
}

const struct test echo_tests[] = {
	TEST(an_echo_grants_no_allocation),
	TEST(an_answer_from_a_client_poisons),
	TEST(a_request_that_leaves_poisons),
	TEST(a_request_that_leaves_in_fragments_poisons),
	TEST(an_echo_binds_no_channel),
	TEST(requests_that_the_stack_drops_are_not_remembered),
	TEST(a_listener_is_no_relay),
	{},
};
