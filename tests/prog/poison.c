// SPDX-License-Identifier: GPL-2.0
/*
 * A success says that some request under its transaction was granted. Whoever can make the
 * server read one request and us another opens a relay: these are the ways to try.
 */
#include "tests.h"

#include <string.h>

#define TRANSACTION 77

/* A ChannelBind for NUMBER, as far as the channel's number. */
static void begin_bind(struct message *m, unsigned int transaction)
{
	stun_begin(m, CHANNEL_BIND, transaction);
	stun_add32(m, A_CHANNEL, NUMBER << 16);
}

static void bind_peer(struct message *m)
{
	ask_bind(m, TRANSACTION, NUMBER, PEER);
}

static void bind_other_address(struct message *m)
{
	ask_bind(m, TRANSACTION, NUMBER, (struct endpoint){ PEER2.ip, PEER.port });
}

static void bind_other_port(struct message *m)
{
	ask_bind(m, TRANSACTION, NUMBER, (struct endpoint){ PEER.ip, PEER2.port });
}

static void bind_other_channel(struct message *m)
{
	ask_bind(m, TRANSACTION, NUMBER + 1, PEER);
}

static void refresh(struct message *m)
{
	ask_refresh(m, TRANSACTION, 600);
}

static void permission(struct message *m)
{
	ask_permission(m, TRANSACTION, PEER);
}

/* A message of which we read nothing may be what the server grants. */
static void irregular_behind_integrity(struct message *m)
{
	bind_peer(m);
	stun_add_address(m, A_PEER, PEER2); /* coturn honours it */
}

static void irregular_two_peers(struct message *m)
{
	begin_bind(m, TRANSACTION);
	stun_add_address(m, A_PEER, PEER);
	stun_add_address(m, A_PEER, PEER2); /* coturn takes the last */
	stun_sign(m);
}

/* Regular, but not for us: the server may grant it all the same. */
static void bind_ipv6(struct message *m)
{
	begin_bind(m, TRANSACTION);
	stun_add_address6(m, A_PEER);
	stun_sign(m);
}

static void too_long(struct message *m)
{
	static const __u8 filler[1100];

	begin_bind(m, TRANSACTION);
	stun_add(m, A_SOFTWARE, filler, sizeof(filler));
	stun_add_address(m, A_PEER, PEER2);
}

/* What of it we would read is a whole message; what a server reads is anybody's guess. */
static void a_tail_behind_1024(struct message *m)
{
	static const __u8 filler[1024 - 20 - 8 - 12 - 4];

	begin_bind(m, TRANSACTION);
	stun_add(m, A_SOFTWARE, filler, sizeof(filler));
	stun_add_address(m, A_PEER, PEER);
	stun_add_address(m, A_PEER, PEER2);
	put16(m->data + 2, 1024 - 20);
}

/* The first request, then the second; the server says success; nothing is learned from either. */
static void expect_poisoned(struct fixture *f, void (*first)(struct message *m),
			    void (*second)(struct message *m), const char *name)
{
	struct message a, b, m;

	case_name = name;
	first(&a);
	second(&b);
	allocate(f, 600);
	asks(f, &a);
	asks(f, &b);
	say_success(&m, CHANNEL_BIND, TRANSACTION);
	answers(f, &m);
	if (map_count(f, "turn_flows"))
		fail_msg("%s: a channel was learned", name);
	/* neither now nor when one is sent again */
	asks(f, &a);
	answers(f, &m);
	if (map_count(f, "turn_flows"))
		fail_msg("%s: a channel was learned from the retransmission", name);
}

/* A test each: its name, the first request, the second. */
#define PAIRS(PAIR)                                                                                \
	PAIR(two_peers_under_one_transaction, bind_peer, bind_other_address)                       \
	PAIR(two_ports_under_one_transaction, bind_peer, bind_other_port)                          \
	PAIR(two_channels_under_one_transaction, bind_peer, bind_other_channel)                    \
	PAIR(two_methods_under_one_transaction, bind_peer, refresh)                                \
	PAIR(two_methods_in_the_other_order, permission, bind_peer)                                \
	PAIR(an_irregular_request_poisons, bind_peer, irregular_behind_integrity)                  \
	PAIR(an_irregular_request_poisons_what_follows, irregular_two_peers, bind_peer)            \
	PAIR(an_ipv6_bind_poisons, bind_peer, bind_ipv6)                                           \
	PAIR(an_ipv6_bind_poisons_what_follows, bind_ipv6, bind_peer)                              \
	PAIR(a_tail_behind_the_longest_message_poisons, bind_peer, a_tail_behind_1024)             \
	PAIR(a_request_that_is_too_long_poisons, bind_peer, too_long)                              \
	PAIR(a_request_that_is_too_long_poisons_what_follows, too_long, bind_peer)

#define FUNCTION(name, first, second)                                                              \
	static void name(void **state)                                                             \
	{                                                                                          \
		expect_poisoned(*state, first, second, #name);                                     \
	}
#define ENTRY(name, first, second) TEST(name),

PAIRS(FUNCTION)

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

/* The same again is a retransmission. */
static void a_retransmission_does_not_poison(void **state)
{
	struct fixture *f = *state;
	struct message m;

	allocate(f, 600);
	bind_peer(&m);
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
		begin_bind(&m, 100 + i);
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
	PAIRS(ENTRY)
	TEST(two_methods_that_look_alike),
	TEST(a_retransmission_does_not_poison),
	TEST(learns_nothing_from_irregular_requests),
	TEST(learns_nothing_from_irregular_answers),
	TEST(two_transports_under_one_allocate),
	TEST(an_irregular_allocate_poisons),
	TEST(the_newest_requests_are_remembered),
	{},
};
