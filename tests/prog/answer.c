// SPDX-License-Identifier: GPL-2.0
/* The server's answers: what they change, and all that they do not. */
#include "relaying.h"
#include "tests.h"

#include <string.h>

#include <bpf/bpf.h>

static void refresh_0_stops_at_once(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct message m;

	relaying(f);
	ask_refresh(&m, 1, 0);
	asks(f, &m);
	expect_relaying(f); /* asking is not being granted */
	before = counters(f);
	say_refreshed(&m, 1, 0);
	answers(f, &m);
	expect_counted(f, &before, EVENT(RELEASED) = 1);
	expect_ended(f);
}

/* 1,000 channels stop as fast as one. */
static void refresh_0_stops_a_thousand_channels(void **state)
{
	struct fixture *f = *state;
	struct endpoint peer = PEER;
	struct turn_key4 key;
	struct turn_flow flow;
	struct message m;
	struct turn_alloc alloc;
	int i;

	f->live = true;
	allocate(f, 600);
	assert_true(alloc_find(f, CLIENT, &alloc));
	for (i = 0; i < 1000; i++) {
		peer.port = BE16(1000 + i);
		bind_channel(f, 0x4000 + i, peer);
		key = to_peer_key(0x4000 + i);
		flow = flow_of(f, key);
		flow.state = TURN_OFFLOADED;
		flow.deadline = now(f) + 100 * f->config.hz;
		flow.ifindex = f->ifindex;
		flow.mtu = 1500;
		flow_write(f, key, &flow);
	}
	assert_int_equal(map_count(f, "turn_flows"), 2000);
	for (i = 0; i < 1000; i++)
		assert_int_equal(client_data(f, 0x4000 + i, "data"), XDP_REDIRECT);
	ask_refresh(&m, 1, 0);
	asks(f, &m);
	say_refreshed(&m, 1, 0);
	answers(f, &m);
	for (i = 0; i < 1000; i++)
		assert_int_equal(client_data(f, 0x4000 + i, "data"), XDP_PASS);
}

/* The IPv6 half of an allocation may go (RFC 8656 section 8.1); naming IPv4 is naming ours. */
static void refresh_0_of_the_ipv6_half_does_not_end_it(void **state)
{
	struct fixture *f = *state;
	struct message m;
	int family;

	relaying(f);
	for (family = 2; family; family--) {
		stun_begin(&m, REFRESH, family);
		stun_add32(&m, A_LIFETIME, 0);
		stun_add32(&m, A_FAMILY, (__u32)family << 24);
		asks(f, &m);
		say_refreshed(&m, family, 0);
		answers(f, &m);
		if (family == 2)
			expect_relaying(f);
	}
	expect_ended(f);
}

static void refresh_sets_what_the_server_says(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct turn_alloc alloc;
	struct message m;
	__u64 then;

	relaying(f);
	ask_refresh(&m, 1, 5000); /* what was asked for does not matter */
	asks(f, &m);
	say_refreshed(&m, 1, 1234);
	then = now(f);
	before = counters(f);
	answers(f, &m);
	expect_counted(f, &before, EVENT(REFRESHED) = 1);
	assert_true(alloc_find(f, CLIENT, &alloc));
	assert_in_range(alloc.expires, then + 1234 * f->config.hz, now(f) + 1234 * f->config.hz);

	/* a request for 0 that is answered otherwise ends nothing, nor does silence on it */
	ask_refresh(&m, 2, 0);
	asks(f, &m);
	say_refreshed(&m, 2, 600);
	answers(f, &m);
	ask_refresh(&m, 3, 0);
	asks(f, &m);
	say_success(&m, REFRESH, 3);
	answers(f, &m);
	expect_relaying(f);
}

/* Anyone can provoke these by spoofing a request. */
static void errors_change_nothing(void **state)
{
	static const unsigned int methods[] = { REFRESH, CHANNEL_BIND, CREATE_PERMISSION, ALLOCATE };
	static const unsigned int codes[] = { 300, 400, 401, 403, 420, 438, 441, 442, 486, 500, 508 };
	unsigned int transaction = 1;
	struct fixture *f = *state;
	struct turn_stats before;
	struct message m;
	size_t i, j;

	relaying(f);
	before = counters(f);
	for (i = 0; i < COUNT(methods); i++) {
		for (j = 0; j < COUNT(codes); j++, transaction++) {
			ask_refresh(&m, transaction, 0);
			if (methods[i] == CHANNEL_BIND)
				ask_bind(&m, transaction, NUMBER + 1, PEER2);
			if (methods[i] == CREATE_PERMISSION)
				ask_permission(&m, transaction, PEER);
			if (methods[i] == ALLOCATE)
				ask_allocate(&m, transaction);
			asks(f, &m);
			say_error(&m, methods[i], transaction, codes[j]);
			answers(f, &m);
		}
	}
	say_error(&m, ALLOCATE, 9999, 437); /* "there is one already" */
	answers(f, &m);
	expect_counted(f, &before, 0);
	expect_relaying(f);
	assert_int_equal(map_count(f, "turn_flows"), 2);
}

/* "There is no such allocation." */
static void error_437_ends_the_allocation(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct message m;

	relaying(f);
	before = counters(f);
	say_error(&m, REFRESH, 1, 437);
	answers(f, &m); /* to no request of ours */
	expect_counted(f, &before, EVENT(UNMATCHED) = 1);
	expect_relaying(f);
	ask_permission(&m, 2, PEER);
	asks(f, &m);
	before = counters(f);
	say_error(&m, CREATE_PERMISSION, 2, 437);
	answers(f, &m);
	expect_counted(f, &before, EVENT(MISMATCH) = 1);
	expect_ended(f);
}

/* A success that nobody asked for sanctions nothing. */
static void a_response_needs_its_request(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before = counters(f);
	struct message m;

	say_allocated(&m, 1, RELAY, 600);
	answers(f, &m);
	assert_int_equal(map_count(f, "turn_allocs"), 0);
	expect_counted(f, &before, EVENT(UNMATCHED) = 1);

	relaying(f);
	say_success(&m, CHANNEL_BIND, 2);
	answers(f, &m);
	say_refreshed(&m, 3, 0);
	answers(f, &m);
	/* nor another method's, under the transaction of one */
	ask_permission(&m, 4, PEER2);
	asks(f, &m);
	say_refreshed(&m, 4, 0);
	answers(f, &m);
	ask_bind(&m, 5, NUMBER + 1, PEER2);
	asks(f, &m);
	say_success(&m, CREATE_PERMISSION, 5);
	answers(f, &m);
	/* nor one under another transaction, however much alike */
	say_success(&m, CHANNEL_BIND, 6);
	answers(f, &m);
	say_success(&m, CHANNEL_BIND, 5 + 256);
	answers(f, &m);
	assert_int_equal(map_count(f, "turn_flows"), 2);
	expect_relaying(f);
}

/* Once answered, a request is over. */
static void a_request_is_answered_once(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct message m;

	relaying(f);
	ask_bind(&m, 1, NUMBER + 1, PEER2);
	asks(f, &m);
	say_success(&m, CHANNEL_BIND, 1);
	answers(f, &m);
	before = counters(f);
	answers(f, &m);
	expect_counted(f, &before, EVENT(UNMATCHED) = 1);
}

/* A retransmitted Allocate repeats its success; that is not a new allocation. */
static void a_repeated_success_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct turn_alloc first, second;
	struct turn_stats before;
	struct message ask, say;
	int i;

	f->live = true;
	ask_allocate(&ask, 1);
	asks(f, &ask);
	say_allocated(&say, 1, RELAY, 600);
	answers(f, &say);
	bind_channel(f, NUMBER, PEER);
	prove(f, NUMBER, PEER);
	assert_true(alloc_find(f, CLIENT, &first));
	before = counters(f);
	say_allocated(&say, 1, RELAY, 3600);
	for (i = 0; i < 2; i++) {
		asks(f, &ask);
		answers(f, &say);
	}
	answers(f, &say);
	assert_true(alloc_find(f, CLIENT, &second));
	assert_int_equal(second.epoch, first.epoch);
	assert_int_equal(second.expires, first.expires);
	expect_counted(f, &before, 0);
	expect_relaying(f);
}

/* A 5-tuple that is allocated anew has none of its old channels, even if the relayed transport
 * address is the same again. */
static void a_new_allocation_has_no_old_channels(void **state)
{
	struct endpoint relay = RELAY;
	struct fixture *f = *state;
	struct message m;
	int i;

	relaying(f);
	for (i = 0; i < 2; i++) {
		ask_allocate(&m, i);
		asks(f, &m);
		say_allocated(&m, i, relay, 600);
		answers(f, &m);
		expect_ended(f);
		relay.port = BE16(50001);
	}
}

static void requests_of_other_5_tuples_do_not_count(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct message m;

	relaying(f);
	before = counters(f);
	ask_refresh(&m, 1, 0);
	asks_from(f, CLIENT2, &m);
	ask_bind(&m, 2, NUMBER + 1, PEER2);
	asks_from(f, (struct endpoint){ CLIENT.ip, CLIENT2.port }, &m);
	expect_counted(f, &before, EVENT(UNKNOWN_ALLOCATION) = 2);
	say_refreshed(&m, 1, 0);
	answers(f, &m);
	answers_to(f, CLIENT2, &m);
	say_success(&m, CHANNEL_BIND, 2);
	answers(f, &m);
	assert_int_equal(map_count(f, "turn_flows"), 2);
	expect_relaying(f);

	ask_allocate(&m, 3);
	asks_from(f, CLIENT2, &m);
	say_allocated(&m, 3, RELAY, 600);
	answers(f, &m); /* goes to the wrong client */
	assert_int_equal(map_count(f, "turn_allocs"), 1);
}

/* Responses and indications that come from a client are no requests. */
static void clients_do_not_answer(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct message m;

	relaying(f);
	before = counters(f);
	say_refreshed(&m, 1, 0);
	asks(f, &m);
	say_error(&m, REFRESH, 1, 437);
	asks(f, &m);
	stun_begin(&m, REFRESH | 0x010, 1);
	asks(f, &m);
	stun_begin(&m, 0x001, 1); /* Binding */
	asks(f, &m);
	say_refreshed(&m, 1, 0);
	answers(f, &m);
	expect_counted(f, &before, EVENT(UNMATCHED) = 1, EVENT(ECHOED) = 2);
	expect_relaying(f);
}

/* ... and a server does not ask: what does sends back what it is sent. */
static void requests_at_egress_are_no_answers(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct message m;

	relaying(f);
	ask_refresh(&m, 1, 0);
	asks(f, &m);
	before = counters(f);
	answers(f, &m);
	expect_counted(f, &before, EVENT(ECHOED) = 1);
	expect_relaying(f);
}

/* A GSO packet is several datagrams under one header: not read. */
static void gso_packets_are_not_read(void **state)
{
	struct fixture *f = *state;
	struct __sk_buff skb = { .gso_size = 100, .gso_segs = 2 };
	struct frame frame, out;
	struct message m;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame.data, .data_out = out.data,
		    .data_size_out = sizeof(out.data), .ctx_in = &skb, .ctx_size_in = sizeof(skb));

	skb.ifindex = f->ifindex;
	ask_allocate(&m, 1);
	asks(f, &m);
	say_allocated(&m, 1, RELAY, 600);
	frame_sent(&frame, SERVER, CLIENT, m.data, m.len);
	opts.data_size_in = frame.len;
	assert_int_equal(bpf_prog_test_run_opts(f->program[TURNCTL_EGRESS], &opts), 0);
	assert_int_equal(map_count(f, "turn_allocs"), 0);
	server_sends(f, &frame);
	assert_int_equal(map_count(f, "turn_allocs"), 1);
}

const struct test answer_tests[] = {
	TEST(refresh_0_stops_at_once),
	TEST(refresh_0_stops_a_thousand_channels),
	TEST(refresh_0_of_the_ipv6_half_does_not_end_it),
	TEST(refresh_sets_what_the_server_says),
	TEST(errors_change_nothing),
	TEST(error_437_ends_the_allocation),
	TEST(a_response_needs_its_request),
	TEST(a_request_is_answered_once),
	TEST(a_repeated_success_changes_nothing),
	TEST(a_new_allocation_has_no_old_channels),
	TEST(requests_of_other_5_tuples_do_not_count),
	TEST(clients_do_not_answer),
	TEST(requests_at_egress_are_no_answers),
	TEST(gso_packets_are_not_read),
	{},
};
