// SPDX-License-Identifier: GPL-2.0
/* The sweep: what has ended goes by itself, a second later, and takes its uses along. The timers
 * run in the kernel; the tests only wait. */
#include "tests.h"

#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

static bool no_flows(struct fixture *f)
{
	return !map_count(f, "turn_flows");
}

static bool no_allocations(struct fixture *f)
{
	return !map_count(f, "turn_allocs");
}

static void expect_nothing_left(struct fixture *f)
{
	struct turn_slot slot;
	__u32 i;

	assert_int_equal(map_count(f, "turn_flows"), 0);
	assert_int_equal(map_count(f, "turn_perms"), 0);
	assert_int_equal(map_count(f, "turn_allocs"), 0);
	assert_int_equal(port_users(f, RELAY.port), 0);
	assert_int_equal(port_users(f, SERVER.port), 1); /* the listener itself */
	for (i = 0; i < f->config.slots; i++) {
		bpf_map_lookup_elem(map_of(f, "turn_slots"), &i, &slot);
		assert_int_equal(slot.used, 0);
	}
}

static const struct endpoint peers[] = { { IP(203, 0, 113, 5), BE16(6000) },
					 { IP(203, 0, 113, 5), BE16(6001) },
					 { IP(203, 0, 113, 6), BE16(6000) },
					 { IP(203, 0, 113, 7), BE16(6000) } };

/* Four numbers that share a bit of the allocation's map, and the ends of that map. */
static const __u16 numbers[] = { 0x4001, 0x5001, 0x6001, 0x7001 };

static void expired_channels_are_swept(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	__u64 end;
	size_t i;

	f->config.channel_lifetime = 1;
	write_config(f);
	allocate(f, 600);
	before = counters(f);
	for (i = 0; i < COUNT(numbers); i++)
		bind_channel(f, numbers[i], peers[i]);
	assert_int_equal(map_count(f, "turn_flows"), 8);
	assert_int_equal(map_count(f, "turn_perms"), 3);
	assert_int_equal(port_users(f, RELAY.port), 4);
	end = flow_of(f, to_peer_key(numbers[0])).expires;
	wait_for(f, 4, no_flows);
	assert_true(now(f) >= end + f->config.hz); /* packets in flight have their second */
	expect_counted(f, &before, EVENT(BOUND_CHANNEL) = 4, EVENT(SWEPT) = 4);
	assert_int_equal(map_count(f, "turn_perms"), 0);
	assert_int_equal(map_count(f, "turn_allocs"), 1);
	assert_int_equal(port_users(f, RELAY.port), 0);
	assert_int_equal(port_users(f, SERVER.port), 1);
}

/* The sweep that takes one channel does not take another that has only just ended. */
static bool first_is_gone(struct fixture *f)
{
	struct turn_flow flow;

	return !flow_find(f, to_peer_key(numbers[0]), &flow);
}

static void each_channel_has_its_own_second(void **state)
{
	struct fixture *f = *state;
	struct turn_flow second;

	f->config.channel_lifetime = 1;
	write_config(f);
	allocate(f, 600);
	bind_channel(f, numbers[0], peers[0]);
	usleep(600000);
	bind_channel(f, numbers[1], peers[1]);
	wait_for(f, 4, first_is_gone);
	second = flow_of(f, to_peer_key(numbers[1]));
	assert_true(now(f) >= second.expires);
	wait_for(f, 4, no_flows);
}

/* A channel that was renewed stays, and so does the permission that it shares. */
static bool one_channel_left(struct fixture *f)
{
	return map_count(f, "turn_flows") == 2;
}

static void renewed_channels_are_not_swept(void **state)
{
	struct fixture *f = *state;
	struct turn_permission permission;

	f->config.channel_lifetime = 1;
	write_config(f);
	allocate(f, 600);
	bind_channel(f, 0x4000, peers[0]);
	bind_channel(f, 0x4fff, peers[1]);
	f->config.channel_lifetime = 600;
	write_config(f);
	bind_channel(f, 0x4fff, peers[1]);
	wait_for(f, 4, one_channel_left);
	flow_of(f, to_peer_key(0x4fff));
	flow_of(f, to_client_key(peers[1]));
	assert_true(permission_find(f, peers[0], &permission));
	assert_int_equal(permission.channels, 1);
	assert_int_equal(port_users(f, RELAY.port), 1);
}

static void expired_allocations_are_swept(void **state)
{
	struct fixture *f = *state;
	size_t i;

	allocate(f, 1);
	for (i = 0; i < COUNT(numbers); i++)
		bind_channel(f, numbers[i], peers[i]);
	wait_for(f, 6, no_allocations);
	expect_nothing_left(f);
}

static void released_allocations_are_swept(void **state)
{
	struct fixture *f = *state;
	struct message m;

	allocate(f, 600);
	bind_channel(f, 0x4000, PEER);
	ask_refresh(&m, 1, 0);
	asks(f, &m);
	say_refreshed(&m, 1, 0);
	answers(f, &m);
	assert_int_equal(map_count(f, "turn_flows"), 2); /* not at once */
	wait_for(f, 6, no_allocations);
	expect_nothing_left(f);
}

/* Allocated again before the sweep: the old channels go, the new one stays. */
static void the_sweep_tells_old_from_new(void **state)
{
	struct fixture *f = *state;
	struct message m;

	allocate(f, 600);
	bind_channel(f, 0x4000, peers[0]);
	ask_refresh(&m, 1, 0);
	asks(f, &m);
	say_refreshed(&m, 1, 0);
	answers(f, &m);
	allocate(f, 600);
	bind_channel(f, 0x4001, peers[1]);
	assert_int_equal(map_count(f, "turn_flows"), 4);
	wait_for(f, 6, one_channel_left);
	flow_of(f, to_peer_key(0x4001));
	flow_of(f, to_client_key(peers[1]));
	assert_int_equal(map_count(f, "turn_allocs"), 1);
	assert_int_equal(map_count(f, "turn_perms"), 1);
	assert_int_equal(port_users(f, RELAY.port), 1);
}

/* An operator's channel is not in any allocation. */
static void static_channels_are_not_swept(void **state)
{
	struct turn_control c = { .operation = TURN_ADD_STATIC };
	struct fixture *f = *state;

	c.key[0] = to_peer_key(0x5001);
	c.key[1] = to_client_key(peers[1]);
	assert_int_equal(control(f, &c), 0);
	allocate(f, 1);
	bind_channel(f, 0x4001, peers[0]); /* the same bit of the map */
	wait_for(f, 6, no_allocations);
	assert_int_equal(map_count(f, "turn_flows"), 2);
	flow_of(f, to_peer_key(0x5001));
}

const struct test sweep_tests[] = {
	TEST_ONCE(expired_channels_are_swept),
	TEST_ONCE(each_channel_has_its_own_second),
	TEST_ONCE(renewed_channels_are_not_swept),
	TEST_ONCE(expired_allocations_are_swept),
	TEST_ONCE(released_allocations_are_swept),
	TEST_ONCE(the_sweep_tells_old_from_new),
	TEST_ONCE(static_channels_are_not_swept),
	{},
};
