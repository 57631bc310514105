// SPDX-License-Identifier: GPL-2.0
/*
 * A success says that some request under its transaction was granted. Whoever can make the
 * server read one request and us another opens a relay: these are the ways to try.
 */
#include "tests.h"

#include <string.h>

#define NUMBER 0x4000
#define TRANSACTION 77

/* Two messages under one transaction; the server says success; nothing is learned from either. */
static void expect_poisoned(struct fixture *f, const struct message *first,
			    const struct message *second, const char *name)
{
	struct message m;

	case_name = name;
	allocate(f, 600);
	asks(f, first);
	asks(f, second);
	say_success(&m, CHANNEL_BIND, TRANSACTION);
	answers(f, &m);
	if (map_count(f, "turn_flows"))
		fail_msg("%s: a channel was learned", name);
	/* neither now nor when one is sent again */
	asks(f, first);
	answers(f, &m);
	if (map_count(f, "turn_flows"))
		fail_msg("%s: a channel was learned from the retransmission", name);
}

static void binds(struct message *m, __u16 number, struct endpoint peer)
{
	ask_bind(m, TRANSACTION, number, peer);
}

static void two_peers_under_one_transaction(void **state)
{
	struct message a, b;

	binds(&a, NUMBER, PEER);
	binds(&b, NUMBER, (struct endpoint){ PEER2.ip, PEER.port });
	expect_poisoned(*state, &a, &b, "two peers");
}

static void two_ports_under_one_transaction(void **state)
{
	struct message a, b;

	binds(&a, NUMBER, PEER);
	binds(&b, NUMBER, (struct endpoint){ PEER.ip, PEER2.port });
	expect_poisoned(*state, &a, &b, "two ports");
}

static void two_channels_under_one_transaction(void **state)
{
	struct message a, b;

	binds(&a, NUMBER, PEER);
	binds(&b, NUMBER + 1, PEER);
	expect_poisoned(*state, &a, &b, "two channels");
}

static void two_methods_under_one_transaction(void **state)
{
	struct message a, b;

	binds(&a, NUMBER, PEER);
	ask_refresh(&b, TRANSACTION, 600);
	expect_poisoned(*state, &a, &b, "bind, then refresh");
}

static void two_methods_in_the_other_order(void **state)
{
	struct message a, b;

	binds(&a, NUMBER, PEER);
	ask_permission(&b, TRANSACTION, PEER);
	expect_poisoned(*state, &b, &a, "permission, then bind");
}

/* A Refresh that names a peer, for no reason, says what a CreatePermission says. */
static void two_methods_that_look_alike(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct message m;

	allocate(f, 600);
	stun_begin(&m, REFRESH, TRANSACTION);
	stun_add_address(&m, A_PEER, PEER);
	asks(f, &m);
	stun_begin(&m, CREATE_PERMISSION, TRANSACTION);
	stun_add_address(&m, A_PEER, PEER);
	asks(f, &m);
	before = counters(f);
	say_refreshed(&m, TRANSACTION, 0);
	answers(f, &m);
	expect_counted(f, &before, EVENT(UNMATCHED) = 1);
}

/* A message of which we read nothing may be what the server grants. */
static void an_irregular_request_poisons(void **state)
{
	struct message a, b;

	binds(&a, NUMBER, PEER);
	binds(&b, NUMBER, PEER);
	stun_add_address(&b, A_PEER, PEER2); /* behind MESSAGE-INTEGRITY: coturn honours it */
	expect_poisoned(*state, &a, &b, "regular, then irregular");
}

static void an_irregular_request_poisons_what_follows(void **state)
{
	struct message a, b;

	binds(&a, NUMBER, PEER);
	stun_begin(&b, CHANNEL_BIND, TRANSACTION);
	stun_add32(&b, A_CHANNEL, NUMBER << 16);
	stun_add_address(&b, A_PEER, PEER);
	stun_add_address(&b, A_PEER, PEER2); /* coturn takes the last */
	stun_sign(&b);
	expect_poisoned(*state, &b, &a, "irregular, then regular");
}

/* Regular, but not for us: the server may grant it all the same. */
static void an_ipv6_bind_poisons(void **state)
{
	struct message a, b;

	binds(&a, NUMBER, PEER);
	stun_begin(&b, CHANNEL_BIND, TRANSACTION);
	stun_add32(&b, A_CHANNEL, NUMBER << 16);
	stun_add_address6(&b, A_PEER);
	stun_sign(&b);
	expect_poisoned(*state, &a, &b, "IPv4, then IPv6");
}

static void an_ipv6_bind_poisons_what_follows(void **state)
{
	struct message a, b;

	binds(&a, NUMBER, PEER);
	stun_begin(&b, CHANNEL_BIND, TRANSACTION);
	stun_add32(&b, A_CHANNEL, NUMBER << 16);
	stun_add_address6(&b, A_PEER);
	stun_sign(&b);
	expect_poisoned(*state, &b, &a, "IPv6, then IPv4");
}

static void a_request_that_is_too_long_poisons(void **state)
{
	static const __u8 filler[1100];
	struct message a, b;

	binds(&a, NUMBER, PEER);
	stun_begin(&b, CHANNEL_BIND, TRANSACTION);
	stun_add32(&b, A_CHANNEL, NUMBER << 16);
	stun_add(&b, A_SOFTWARE, filler, sizeof(filler));
	stun_add_address(&b, A_PEER, PEER2);
	expect_poisoned(*state, &a, &b, "short, then too long");
}

static void a_request_that_is_too_long_poisons_what_follows(void **state)
{
	static const __u8 filler[1100];
	struct message a, b;

	binds(&a, NUMBER, PEER);
	stun_begin(&b, CHANNEL_BIND, TRANSACTION);
	stun_add32(&b, A_CHANNEL, NUMBER << 16);
	stun_add(&b, A_SOFTWARE, filler, sizeof(filler));
	stun_add_address(&b, A_PEER, PEER2);
	expect_poisoned(*state, &b, &a, "too long, then short");
}

/* The same again is a retransmission. */
static void a_retransmission_does_not_poison(void **state)
{
	struct fixture *f = *state;
	struct message m;

	allocate(f, 600);
	binds(&m, NUMBER, PEER);
	asks(f, &m);
	asks(f, &m);
	say_success(&m, CHANNEL_BIND, TRANSACTION);
	answers(f, &m);
	assert_int_equal(map_count(f, "turn_flows"), 2);
}

/* Irregular requests teach nothing on their own either, and are counted. */
static void learns_nothing_from_irregular_requests(void **state)
{
	static const char *const names[] = { "two channels", "two peers", "behind integrity",
					     "behind fingerprint", "trailing bytes",
					     "length too short", "length too long" };
	struct fixture *f = *state;
	struct turn_stats before;
	struct message m;
	size_t i;

	allocate(f, 600);
	for (i = 0; i < COUNT(names); i++) {
		case_name = names[i];
		stun_begin(&m, CHANNEL_BIND, 100 + i);
		stun_add32(&m, A_CHANNEL, NUMBER << 16);
		if (i == 0)
			stun_add32(&m, A_CHANNEL, (NUMBER + 1) << 16);
		stun_add_address(&m, A_PEER, PEER);
		if (i == 1)
			stun_add_address(&m, A_PEER, PEER2);
		if (i >= 2)
			stun_sign(&m);
		if (i == 2)
			stun_add(&m, A_SOFTWARE, "late", 4);
		if (i == 3) {
			stun_add32(&m, A_FINGERPRINT, 1);
			stun_add(&m, A_SOFTWARE, "late", 4);
		}
		if (i == 4)
			m.len += 4;
		if (i == 5)
			put16(m.data + 2, m.len - 24);
		if (i == 6)
			put16(m.data + 2, m.len - 16);
		before = counters(f);
		asks(f, &m);
		expect_counted(f, &before, EVENT(IRREGULAR) = 1);
		say_success(&m, CHANNEL_BIND, 100 + i);
		answers(f, &m);
		if (map_count(f, "turn_flows"))
			fail_msg("%s: a channel was learned", names[i]);
	}
}

/* An irregular answer says nothing. */
static void learns_nothing_from_irregular_answers(void **state)
{
	struct fixture *f = *state;
	struct message m;

	ask_allocate(&m, 1);
	asks(f, &m);
	say_allocated(&m, 1, RELAY, 600);
	stun_add32(&m, A_LIFETIME, 3600);
	answers(f, &m);
	assert_int_equal(map_count(f, "turn_allocs"), 0);
}

/* Allocates: transport and family are what tells two apart. */
static void two_transports_under_one_allocate(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct message udp, tcp, m;
	int order;

	for (order = 0; order < 2; order++) {
		ask_allocate(&udp, TRANSACTION + order);
		stun_begin(&tcp, ALLOCATE, TRANSACTION + order);
		stun_add(&tcp, A_TRANSPORT, "\x06\0\0", 4);
		stun_sign(&tcp);
		before = counters(f);
		asks(f, order ? &tcp : &udp);
		asks(f, order ? &udp : &tcp);
		expect_counted(f, &before, EVENT(POISONED) = 1);
		asks(f, &udp);
		say_allocated(&m, TRANSACTION + order, RELAY, 600);
		answers(f, &m);
		assert_int_equal(map_count(f, "turn_allocs"), 0);
	}
}

static void an_irregular_allocate_poisons(void **state)
{
	struct fixture *f = *state;
	struct message udp, bad, m;
	int order;

	for (order = 0; order < 2; order++) {
		ask_allocate(&udp, TRANSACTION + order);
		stun_begin(&bad, ALLOCATE, TRANSACTION + order);
		stun_add(&bad, A_TRANSPORT, "\x11\0\0", 4);
		stun_add(&bad, A_TRANSPORT, "\x06\0\0", 4);
		stun_sign(&bad);
		asks(f, order ? &bad : &udp);
		asks(f, order ? &udp : &bad);
		say_allocated(&m, TRANSACTION + order, RELAY, 600);
		answers(f, &m);
		if (map_count(f, "turn_allocs"))
			fail_msg("an allocation was learned, order %d", order);
	}
}

/* More requests in flight than there is room for: the newest are remembered. */
static void the_newest_requests_are_remembered(void **state)
{
	struct fixture *f = *state;
	struct message m;
	int i;

	allocate(f, 600);
	for (i = 0; i < 20; i++) {
		ask_bind(&m, 200 + i, NUMBER + i, (struct endpoint){ PEER.ip, BE16(7000 + i) });
		asks(f, &m);
	}
	for (i = 0; i < 20; i++) {
		say_success(&m, CHANNEL_BIND, 200 + i);
		answers(f, &m);
	}
	assert_int_equal(map_count(f, "turn_flows"), 2 * TURN_REQUESTS);
	flow_of(f, to_peer_key(NUMBER + 19));
}

const struct test poison_tests[] = {
	TEST(two_peers_under_one_transaction),
	TEST(two_ports_under_one_transaction),
	TEST(two_channels_under_one_transaction),
	TEST(two_methods_under_one_transaction),
	TEST(two_methods_in_the_other_order),
	TEST(two_methods_that_look_alike),
	TEST(an_irregular_request_poisons),
	TEST(an_irregular_request_poisons_what_follows),
	TEST(an_ipv6_bind_poisons),
	TEST(an_ipv6_bind_poisons_what_follows),
	TEST(a_request_that_is_too_long_poisons),
	TEST(a_request_that_is_too_long_poisons_what_follows),
	TEST(a_retransmission_does_not_poison),
	TEST(learns_nothing_from_irregular_requests),
	TEST(learns_nothing_from_irregular_answers),
	TEST(two_transports_under_one_allocate),
	TEST(an_irregular_allocate_poisons),
	TEST(the_newest_requests_are_remembered),
	{},
};
