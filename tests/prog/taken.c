// SPDX-License-Identifier: GPL-2.0
/* Keys that change hands: the same peer and relay address, the same channel number. */
#include "relaying.h"
#include "tests.h"

#include <string.h>
#include <unistd.h>

/* Another client is given the relay address of one that the server has forgotten. */
static void the_other_client_binds(struct fixture *f)
{
	struct message m;

	ask_allocate(&m, 1);
	asks_from(f, CLIENT2, &m);
	say_allocated(&m, 1, RELAY, 600);
	answers_to(f, CLIENT2, &m);
	ask_bind(&m, 2, NUMBER, PEER);
	asks_from(f, CLIENT2, &m);
	say_success(&m, CHANNEL_BIND, 2);
	answers_to(f, CLIENT2, &m);
}

static void a_newer_channel_takes_the_peers_key(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct turn_flow rem;

	relaying(f);
	before = counters(f);
	the_other_client_binds(f);
	expect_counted(f, &before, EVENT(ALLOCATED) = 1, EVENT(BOUND_CHANNEL) = 1,
		       EVENT(KEY_TAKEN) = 1);

	/* the older one is out, whatever twin its packets may find */
	before = counters(f);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	twin_to_peer(f, PEER, "data");
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	expect_counted(f, &before, PASSED(TAKEN) = 2);

	/* and the peer's packets wait for their proof, on the way to the newer client */
	rem = flow_of(f, to_client_key(PEER));
	assert_int_equal(rem.daddr.v4, CLIENT2.ip);
	assert_int_equal(rem.dport, CLIENT2.port);
	assert_int_equal(rem.state, TURN_BOUND);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_PASS);
	twin_to_client(f, NUMBER, "data"); /* to the older client: no twin */
	assert_int_equal(peer_data(f, PEER, "data"), XDP_PASS);
	assert_int_equal(port_users(f, RELAY.port), 1);
}

/* What is the newer one's does not go with the older one. */
static void the_older_channels_end_leaves_the_newer_be(void **state)
{
	struct fixture *f = *state;
	struct message m;

	relaying(f);
	the_other_client_binds(f);
	ask_refresh(&m, 3, 0);
	asks(f, &m);
	say_refreshed(&m, 3, 0);
	answers(f, &m);
	usleep(3300000); /* the older allocation has been swept */
	assert_int_equal(map_count(f, "turn_allocs"), 1);
	assert_int_equal(map_count(f, "turn_flows"), 2);
	assert_int_equal(flow_of(f, to_client_key(PEER)).daddr.v4, CLIENT2.ip);
	assert_int_equal(port_users(f, RELAY.port), 1);
	assert_int_equal(port_users(f, SERVER.port), 2);
}

/*
 * The channel's number goes to another peer, in the same allocation: the server's channel had
 * ended (its lifetime may be shorter than what we take it for). The old peer is off the channel.
 */
static void a_channel_for_another_peer_ends_the_old_one(void **state)
{
	struct fixture *f = *state;

	relaying(f);
	bind_channel(f, NUMBER, PEER2);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_PASS);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	assert_int_equal(flow_of(f, to_peer_key(NUMBER)).daddr.v4, PEER2.ip);
}

static void a_channel_for_another_peer_leaves_nothing_behind(void **state)
{
	struct fixture *f = *state;
	struct turn_permission permission;

	relaying(f);
	bind_channel(f, NUMBER, PEER2);
	assert_int_equal(map_count(f, "turn_flows"), 2);
	assert_int_equal(port_users(f, RELAY.port), 1);
	assert_int_equal(port_users(f, SERVER.port), 2);
	assert_false(permission_find(f, PEER, &permission));
	assert_true(permission_find(f, PEER2, &permission));
}

/* The server sends the data to the old peer: that proves nothing for the new one. */
static void a_twin_to_the_old_peer_proves_nothing(void **state)
{
	struct fixture *f = *state;

	relaying(f);
	bind_channel(f, NUMBER, PEER2);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	twin_to_peer(f, PEER, "data");
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	assert_int_not_equal(flow_of(f, to_peer_key(NUMBER)).state, TURN_OFFLOADED);
}

/* The same with a channel of an allocation that was given up: its place is taken whole. */
static void a_channel_of_a_new_allocation_takes_the_old_ones_place(void **state)
{
	const struct endpoint relay = { RELAY.ip, BE16(50001) };
	struct fixture *f = *state;
	struct message m;

	relaying(f);
	ask_allocate(&m, 1);
	asks(f, &m);
	say_allocated(&m, 1, relay, 600);
	answers(f, &m);
	bind_channel(f, NUMBER, PEER2);
	assert_int_equal(map_count(f, "turn_flows"), 2);
	assert_int_equal(map_count(f, "turn_perms"), 1);
	assert_int_equal(port_users(f, RELAY.port), 0);
	assert_int_equal(port_users(f, relay.port), 1);
	assert_int_equal(port_users(f, SERVER.port), 2);
	assert_int_equal(flow_of(f, to_peer_key(NUMBER)).state, TURN_BOUND);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_PASS);
}

/* The same channel of a new allocation, with the same addresses. */
static void a_channel_of_a_new_allocation_needs_its_own_proof(void **state)
{
	struct fixture *f = *state;
	struct message m;

	relaying(f);
	ask_refresh(&m, 1, 0);
	asks(f, &m);
	say_refreshed(&m, 1, 0);
	answers(f, &m);
	allocate(f, 600);
	bind_channel(f, NUMBER, PEER);
	assert_int_equal(map_count(f, "turn_flows"), 2);
	assert_int_equal(map_count(f, "turn_perms"), 1);
	assert_int_equal(port_users(f, RELAY.port), 1);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_PASS);
	twin_to_peer(f, PEER, "data");
	twin_to_client(f, NUMBER, "data");
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_REDIRECT);
}

const struct test taken_tests[] = {
	TEST(a_newer_channel_takes_the_peers_key),
	TEST_ONCE(the_older_channels_end_leaves_the_newer_be),
	TEST(a_channel_for_another_peer_ends_the_old_one),
	TEST(a_channel_for_another_peer_leaves_nothing_behind),
	TEST(a_twin_to_the_old_peer_proves_nothing),
	TEST(a_channel_of_a_new_allocation_takes_the_old_ones_place),
	TEST(a_channel_of_a_new_allocation_needs_its_own_proof),
	{},
};
