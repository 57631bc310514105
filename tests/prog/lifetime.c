// SPDX-License-Identifier: GPL-2.0
/* How long a channel is relayed: channel, permission and allocation each end it, each can be
 * renewed, and an operator can take it out. */
#include "tests.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void relaying(struct fixture *f)
{
	f->live = true;
	f->config.heartbeat = 100 * f->config.hz;
	write_config(f);
	bind_channel(f, NUMBER, PEER);
	prove(f, NUMBER, PEER);
}

static void expect_passed(struct fixture *f, enum turn_reason reason)
{
	struct turn_stats before = counters(f), want = {};

	want.passed[reason] = 2;
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_PASS);
	check_counted(f, &before, &want, __FILE__, __LINE__);
}

static bool stopped(struct fixture *f)
{
	return client_data(f, NUMBER, "data") == XDP_PASS;
}

/* Each of the three ends the relaying by itself, on time, in both directions. */
static void the_earliest_end_counts(struct fixture *f, __u32 channel, __u32 permission,
				    __u32 allocation, enum turn_reason reason)
{
	__u64 then = now(f), end;

	f->config.channel_lifetime = channel;
	f->config.permission_lifetime = permission;
	write_config(f);
	allocate(f, allocation);
	relaying(f);
	end = flow_of(f, to_peer_key(NUMBER)).deadline;
	assert_in_range(end, then + f->config.hz, now(f) + f->config.hz);
	assert_in_range(flow_of(f, to_client_key(PEER)).deadline, then + f->config.hz,
			now(f) + f->config.hz);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT);
	wait_for(f, 1.5, stopped);
	assert_true(now(f) >= end); /* and wait_for() has its limit */
	expect_passed(f, reason);
}

static void stops_when_the_channel_expires(void **state)
{
	the_earliest_end_counts(*state, 1, 300, 600, TURN_REASON_EXPIRED_CHANNEL);
}

static void stops_when_the_permission_expires(void **state)
{
	the_earliest_end_counts(*state, 600, 1, 600, TURN_REASON_EXPIRED_PERMISSION);
}

static void stops_when_the_allocation_expires(void **state)
{
	the_earliest_end_counts(*state, 600, 300, 1, TURN_REASON_EXPIRED_ALLOCATION);
}

/* A channel's next ChannelBind renews it and its permission, without a break. */
static void a_bind_renews_channel_and_permission(void **state)
{
	struct fixture *f = *state;
	struct turn_flow before, after;
	struct turn_permission permission;
	struct turn_stats count;
	__u64 soon;

	allocate(f, 600);
	relaying(f);
	soon = now(f) + f->config.hz;
	before = flow_of(f, to_client_key(PEER));
	before.expires = soon;
	flow_write(f, to_client_key(PEER), &before);
	before = flow_of(f, to_peer_key(NUMBER));
	before.expires = soon;
	flow_write(f, to_peer_key(NUMBER), &before);
	assert_true(permission_find(f, PEER, &permission));
	permission.expires = soon;
	permission_write(f, PEER, &permission);

	count = counters(f);
	bind_channel(f, NUMBER, PEER);
	expect_counted(f, &count, EVENT(REBOUND_CHANNEL) = 1);
	after = flow_of(f, to_peer_key(NUMBER));
	assert_true(after.expires > soon + 598 * f->config.hz);
	assert_true(flow_of(f, to_client_key(PEER)).expires > soon + 598 * f->config.hz);
	assert_int_equal(after.state, TURN_OFFLOADED);
	assert_int_equal(after.created, before.created);
	assert_true(permission_find(f, PEER, &permission));
	assert_true(permission.expires > soon + 298 * f->config.hz);
	assert_int_equal(permission.channels, 1);
	assert_int_equal(map_count(f, "turn_flows"), 2);
	assert_int_equal(port_users(f, RELAY.port), 1);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT);
}

static void a_permission_is_renewed(void **state)
{
	struct fixture *f = *state;
	struct turn_permission permission;
	struct turn_stats before;
	struct message m;

	allocate(f, 600);
	relaying(f);
	assert_true(permission_find(f, PEER, &permission));
	permission.expires = now(f);
	permission_write(f, PEER, &permission);
	flow_due(f, to_peer_key(NUMBER));
	flow_due(f, to_client_key(PEER));
	expect_passed(f, TURN_REASON_EXPIRED_PERMISSION);

	/* several peers in one request; one that has no channel needs no entry */
	stun_begin(&m, CREATE_PERMISSION, 1);
	stun_add_address(&m, A_PEER, PEER2);
	stun_add_address6(&m, A_PEER);
	stun_add_address(&m, A_PEER, (struct endpoint){ PEER.ip, 0 });
	stun_sign(&m);
	asks(f, &m);
	expect_passed(f, TURN_REASON_EXPIRED_PERMISSION);
	before = counters(f);
	say_success(&m, CREATE_PERMISSION, 1);
	answers(f, &m);
	expect_counted(f, &before, EVENT(PERMITTED) = 1);
	assert_int_equal(map_count(f, "turn_perms"), 1);
	assert_true(permission_find(f, PEER, &permission));
	assert_in_range(permission.expires, now(f) + 299 * f->config.hz,
			now(f) + 300 * f->config.hz);

	/* and the proof is asked for again */
	expect_passed(f, TURN_REASON_UNCONFIRMED);
	twin_to_peer(f, PEER, "data");
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_PASS);
	twin_to_client(f, NUMBER, "data");
	assert_int_equal(peer_data(f, PEER, "data"), XDP_REDIRECT);
}

/* Three channels to one peer's ports, that is under one permission, and one to another peer. */
static const struct endpoint sharing[] = { { IP(203, 0, 113, 5), BE16(6000) },
					   { IP(203, 0, 113, 5), BE16(6001) },
					   { IP(203, 0, 113, 5), BE16(6002) },
					   { IP(203, 0, 113, 6), BE16(6001) } };
static const __u16 sharing_numbers[] = { NUMBER, 0x5000, 0x7fff, 0x4001 };

static void relaying_four(struct fixture *f)
{
	size_t i;

	allocate(f, 600);
	relaying(f);
	for (i = 1; i < COUNT(sharing); i++) {
		bind_channel(f, sharing_numbers[i], sharing[i]);
		prove(f, sharing_numbers[i], sharing[i]);
	}
}

/* Bit i of @mask: channel i, in both directions, is now to end within a second, or else later. */
static void expect_end_soon(struct fixture *f, unsigned int mask)
{
	__u64 soon = now(f) + f->config.hz, later = soon + 50 * f->config.hz;
	size_t i;

	for (i = 0; i < COUNT(sharing); i++) {
		struct turn_flow up = flow_of(f, to_peer_key(sharing_numbers[i]));
		struct turn_flow down = flow_of(f, to_client_key(sharing[i]));

		if (mask & 1 << i) {
			assert_in_range(up.deadline, 1, soon);
			assert_in_range(down.deadline, 1, soon);
			assert_in_range(up.until, 1, soon); /* a twin does not undo it */
			assert_in_range(down.until, 1, soon);
		} else {
			assert_true(up.deadline > later && down.deadline > later);
		}
		assert_int_equal(up.state, TURN_OFFLOADED);
	}
}

/* CreatePermission can shorten (RFC 8656 section 9.2), and no heartbeat is waited for. */
static void a_shorter_permission_holds_at_once(void **state)
{
	struct fixture *f = *state;
	struct message m;

	relaying_four(f);
	f->config.permission_lifetime = 1;
	write_config(f);
	expect_end_soon(f, 0); /* a lifetime holds for what is granted after it was set */
	ask_permission(&m, 1, PEER);
	asks(f, &m);
	say_success(&m, CREATE_PERMISSION, 1);
	answers(f, &m);
	expect_end_soon(f, 7);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT);
	wait_for(f, 1.5, stopped);
	expect_passed(f, TURN_REASON_EXPIRED_PERMISSION);
	assert_int_equal(client_data(f, 0x7fff, "data"), XDP_PASS);
	assert_int_equal(peer_data(f, sharing[2], "data"), XDP_PASS);
	assert_int_equal(client_data(f, 0x4001, "data"), XDP_REDIRECT);
	assert_int_equal(peer_data(f, sharing[3], "data"), XDP_REDIRECT);
}

/* So does the permission that comes with a ChannelBind, be it an old channel's or a new one's. */
static void a_shorter_permission_by_bind(struct fixture *f, __u16 number, struct endpoint peer)
{
	relaying_four(f);
	f->config.permission_lifetime = 1;
	write_config(f);
	bind_channel(f, number, peer);
	expect_end_soon(f, 7);
}

static void a_rebind_shortens_its_permission(void **state)
{
	a_shorter_permission_by_bind(*state, sharing_numbers[1], sharing[1]);
}

static void a_new_bind_shortens_its_permission(void **state)
{
	a_shorter_permission_by_bind(*state, 0x4002, (struct endpoint){ PEER.ip, BE16(7000) });
}

static void a_rebind_shortens_its_channel(void **state)
{
	struct fixture *f = *state;

	relaying_four(f);
	f->config.channel_lifetime = 1;
	write_config(f);
	bind_channel(f, sharing_numbers[1], sharing[1]);
	expect_end_soon(f, 2);
}

static void a_refresh_prolongs_the_relaying(void **state)
{
	struct fixture *f = *state;
	struct message m;
	__u64 first;

	allocate(f, 2);
	relaying(f);
	first = flow_of(f, to_peer_key(NUMBER)).deadline;
	assert_true(first <= now(f) + 2 * f->config.hz);
	ask_refresh(&m, 1, 600);
	asks(f, &m);
	say_refreshed(&m, 1, 600);
	answers(f, &m);
	flow_due(f, to_peer_key(NUMBER));
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS); /* a heartbeat */
	assert_true(flow_of(f, to_peer_key(NUMBER)).deadline > first + 10 * f->config.hz);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT);
}

/* What a Refresh has brought forward is over a second later, by the allocation's timer. */
static void a_shorter_refresh_holds_a_second_later(void **state)
{
	struct fixture *f = *state;
	struct message m;
	__u64 end;

	allocate(f, 600);
	relaying(f);
	ask_refresh(&m, 1, 1);
	asks(f, &m);
	say_refreshed(&m, 1, 1);
	answers(f, &m);
	end = now(f) + f->config.hz;
	wait_for(f, 2.5, stopped);
	assert_in_range(now(f), end - 1, end + 3 * f->config.hz / 2);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_PASS);
}

/* `channel del`: nothing brings it back but its next ChannelBind, and then its proof. */
static void withdrawn_until_the_next_bind(void **state)
{
	struct turn_control c = { .operation = TURN_DELETE, .key[0] = to_peer_key(NUMBER) };
	struct fixture *f = *state;
	struct message m;

	assert_int_equal(control(f, &c), ENOENT);
	allocate(f, 600);
	relaying(f);
	assert_int_equal(control(f, &c), 0);
	expect_passed(f, TURN_REASON_WITHDRAWN);
	twin_to_peer(f, PEER, "data");
	twin_to_client(f, NUMBER, "data");
	expect_passed(f, TURN_REASON_WITHDRAWN);
	ask_permission(&m, 1, PEER);
	asks(f, &m);
	say_success(&m, CREATE_PERMISSION, 1);
	answers(f, &m);
	expect_passed(f, TURN_REASON_WITHDRAWN);
	assert_int_equal(map_count(f, "turn_flows"), 2);

	bind_channel(f, NUMBER, PEER);
	expect_passed(f, TURN_REASON_UNCONFIRMED);
	twin_to_peer(f, PEER, "data");
	twin_to_client(f, NUMBER, "data");
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_REDIRECT);
}

const struct test lifetime_tests[] = {
	TEST(stops_when_the_channel_expires),
	TEST(stops_when_the_permission_expires),
	TEST(stops_when_the_allocation_expires),
	TEST(a_bind_renews_channel_and_permission),
	TEST(a_permission_is_renewed),
	TEST(a_shorter_permission_holds_at_once),
	TEST(a_rebind_shortens_its_permission),
	TEST(a_new_bind_shortens_its_permission),
	TEST(a_rebind_shortens_its_channel),
	TEST(a_refresh_prolongs_the_relaying),
	TEST(a_shorter_refresh_holds_a_second_later),
	TEST(withdrawn_until_the_next_bind),
	{},
};
