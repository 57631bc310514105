// SPDX-License-Identifier: GPL-2.0
/* Full tables: what does not fit is counted and goes to the server; nothing is half there. */
#include "tests.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

static bool no_trace_of(struct fixture *f, __u16 number, struct endpoint peer)
{
	struct turn_flow flow;

	return !flow_find(f, to_peer_key(number), &flow) &&
	       !flow_find(f, to_client_key(peer), &flow);
}

static void a_full_channel_table_refuses_the_new(void **state)
{
	struct turn_permission permission;
	struct turn_stats before;
	struct fixture f;

	fixture_like(&f, *state, 1, 0, 0);
	f.live = true;
	allocate(&f, 600);
	bind_channel(&f, 0x4000, PEER);
	prove(&f, 0x4000, PEER);
	before = counters(&f);
	bind_channel(&f, 0x4001, PEER2);
	expect_counted(&f, &before, EVENT(FULL_CHANNELS) = 1);
	assert_true(no_trace_of(&f, 0x4001, PEER2));
	assert_false(permission_find(&f, PEER2, &permission));
	assert_int_equal(port_users(&f, RELAY.port), 1);
	assert_int_equal(port_users(&f, SERVER.port), 2);
	before = counters(&f);
	assert_int_equal(client_data(&f, 0x4001, "data"), XDP_PASS);
	expect_counted(&f, &before, 0);
	assert_int_equal(client_data(&f, 0x4000, "data"), XDP_REDIRECT);
	assert_int_equal(peer_data(&f, PEER, "data"), XDP_REDIRECT);
	fixture_close(&f);
}

/* Room for one direction of it, not for both. */
static void half_a_channel_is_not_kept(void **state)
{
	struct turn_flow filler = {};
	struct fixture f;

	fixture_like(&f, *state, 1, 0, 0);
	flow_write(&f, to_peer_key(0x5555), &filler);
	allocate(&f, 600);
	bind_channel(&f, 0x4000, PEER);
	assert_true(no_trace_of(&f, 0x4000, PEER));
	assert_int_equal(map_count(&f, "turn_flows"), 1);
	assert_int_equal(map_count(&f, "turn_perms"), 0);
	assert_int_equal(port_users(&f, RELAY.port), 0);
	assert_int_equal(port_users(&f, SERVER.port), 1);
	fixture_close(&f);
}

static void a_full_permission_table_refuses_the_channel(void **state)
{
	struct turn_stats before;
	struct fixture f;

	fixture_like(&f, *state, 8, 0, 1);
	allocate(&f, 600);
	bind_channel(&f, 0x4000, PEER);
	before = counters(&f);
	bind_channel(&f, 0x4001, PEER2);
	expect_counted(&f, &before, EVENT(FULL_PERMISSIONS) = 1);
	assert_true(no_trace_of(&f, 0x4001, PEER2));
	assert_int_equal(port_users(&f, RELAY.port), 1);
	/* another port of the same peer needs no other permission */
	bind_channel(&f, 0x4002, (struct endpoint){ PEER.ip, BE16(7777) });
	assert_int_equal(map_count(&f, "turn_flows"), 4);
	fixture_close(&f);
}

static unsigned int slots_used(struct fixture *f)
{
	struct turn_slot slot;
	unsigned int used = 0;
	__u32 i;

	for (i = 0; i < f->config.slots; i++)
		if (!bpf_map_lookup_elem(map_of(f, "turn_slots"), &i, &slot))
			used += slot.used;
	return used;
}

static void allocate_for_another(struct fixture *f)
{
	struct message m;

	ask_allocate(&m, 1);
	asks_from(f, CLIENT2, &m);
	say_allocated(&m, 1, (struct endpoint){ RELAY.ip, BE16(50001) }, 600);
	answers_to(f, CLIENT2, &m);
}

static void a_full_allocation_table_refuses_the_new(void **state)
{
	struct turn_stats before;
	struct turn_alloc alloc;
	struct fixture f;

	fixture_like(&f, *state, 8, 1, 0);
	allocate(&f, 600);
	before = counters(&f);
	allocate_for_another(&f);
	expect_counted(&f, &before, EVENT(FULL_ALLOCATIONS) = 1);
	assert_int_equal(map_count(&f, "turn_allocs"), 1);
	assert_int_equal(slots_used(&f), 1);
	assert_true(alloc_find(&f, CLIENT, &alloc));
	fixture_close(&f);
}

static void without_a_free_slot_no_allocation(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;

	f->config.slots = 2; /* the static channels' and one more */
	write_config(f);
	allocate(f, 600);
	before = counters(f);
	allocate_for_another(f);
	expect_counted(f, &before, EVENT(FULL_ALLOCATIONS) = 1);
	assert_int_equal(map_count(f, "turn_allocs"), 1);
}

static void a_full_table_has_no_room_for_a_static_channel(void **state)
{
	struct turn_control c = { .operation = TURN_ADD_STATIC };
	struct turn_flow filler = {};
	struct fixture f;

	fixture_like(&f, *state, 1, 0, 0);
	flow_write(&f, to_peer_key(0x5555), &filler);
	c.key[0] = to_peer_key(0x4000);
	c.key[1] = to_client_key(PEER);
	assert_int_equal(control(&f, &c), E2BIG);
	assert_true(no_trace_of(&f, 0x4000, PEER));
	assert_int_equal(port_users(&f, RELAY.port), 0);
	fixture_close(&f);
}

const struct test full_tests[] = {
	TEST_ONCE(a_full_channel_table_refuses_the_new),
	TEST_ONCE(half_a_channel_is_not_kept),
	TEST_ONCE(a_full_permission_table_refuses_the_channel),
	TEST_ONCE(a_full_allocation_table_refuses_the_new),
	TEST_ONCE(without_a_free_slot_no_allocation),
	TEST_ONCE(a_full_table_has_no_room_for_a_static_channel),
	{},
};
