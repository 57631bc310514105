// SPDX-License-Identifier: GPL-2.0
/* From handshake to relaying: what is learned, from whom, and what a packet must show before its
 * direction is relayed. */
#include "tests.h"

#include <string.h>

static void learns_an_allocation(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before = counters(f);
	struct turn_alloc alloc;
	__u64 then = now(f);

	allocate(f, 777);
	expect_counted(f, &before, EVENT(ALLOCATED) = 1);
	assert_true(alloc_find(f, CLIENT, &alloc));
	assert_int_equal(alloc.relay.v4, RELAY.ip);
	assert_int_equal(alloc.public_relay.v4, RELAY.ip);
	assert_int_equal(alloc.relay_port, RELAY.port);
	assert_in_range(alloc.expires, then + 777 * f->config.hz, now(f) + 777 * f->config.hz);
	assert_in_range(alloc.slot, 1, f->config.slots - 1);
	assert_int_equal(map_count(f, "turn_flows"), 0);
}

/* A response without LIFETIME is against RFC 8656 section 7.2: what was configured is assumed. */
static void an_allocation_without_lifetime_has_the_default(void **state)
{
	struct fixture *f = *state;
	struct turn_alloc alloc;
	struct message m;
	__u64 then = now(f);

	f->config.allocation_lifetime = 321;
	write_config(f);
	ask_allocate(&m, 1);
	asks(f, &m);
	stun_begin(&m, ALLOCATE | SUCCESS, 1);
	stun_add_address(&m, A_RELAYED, RELAY);
	answers(f, &m);
	assert_true(alloc_find(f, CLIENT, &alloc));
	assert_in_range(alloc.expires, then + 321 * f->config.hz, now(f) + 321 * f->config.hz);
}

static void learns_a_channel(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct turn_permission permission;
	struct turn_flow cli, rem;
	__u64 then = now(f);

	allocate(f, 600);
	before = counters(f);
	bind_channel(f, NUMBER, PEER);
	expect_counted(f, &before, EVENT(BOUND_CHANNEL) = 1);
	cli = flow_of(f, to_peer_key(NUMBER));
	rem = flow_of(f, to_client_key(PEER));
	assert_int_equal(cli.saddr.v4, RELAY.ip);
	assert_int_equal(cli.sport, RELAY.port);
	assert_int_equal(cli.daddr.v4, PEER.ip);
	assert_int_equal(cli.dport, PEER.port);
	assert_int_equal(rem.saddr.v4, SERVER.ip);
	assert_int_equal(rem.sport, SERVER.port);
	assert_int_equal(rem.daddr.v4, CLIENT.ip);
	assert_int_equal(rem.dport, CLIENT.port);
	assert_int_equal(rem.channel, BE16(NUMBER));
	assert_int_equal(cli.state, TURN_BOUND);
	assert_int_equal(rem.state, TURN_BOUND);
	assert_in_range(cli.expires, then + 600 * f->config.hz, now(f) + 600 * f->config.hz);
	assert_true(permission_find(f, PEER, &permission));
	assert_in_range(permission.expires, then + 300 * f->config.hz,
			now(f) + 300 * f->config.hz);
	assert_int_equal(permission.channels, 1);
	assert_int_equal(port_users(f, RELAY.port), 1);
	assert_int_equal(port_users(f, SERVER.port), 2); /* the listener's own use too */
}

/* The first packet goes to the server; only when the server itself has sent it on is the
 * direction relayed, and the other waits for its own. */
static void relays_only_after_own_twin(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;

	allocate(f, 600);
	bind_channel(f, NUMBER, PEER);
	before = counters(f);
	assert_int_equal(client_data(f, NUMBER, "first"), XDP_PASS);
	assert_int_equal(client_data(f, NUMBER, "second"), XDP_PASS);
	assert_int_equal(peer_data(f, PEER, "hello"), XDP_PASS);
	expect_counted(f, &before, PASSED(BOUND) = 3);

	before = counters(f);
	twin_to_peer(f, PEER, "first");
	assert_int_equal(client_data(f, NUMBER, "third"), XDP_REDIRECT);
	assert_int_equal(peer_data(f, PEER, "hello"), XDP_PASS);
	expect_counted(f, &before, .to_peer_packets = 1, .to_peer_bytes = 5, PASSED(BOUND) = 1,
		       EVENT(CONFIRMED) = 1);

	twin_to_client(f, NUMBER, "hello");
	before = counters(f);
	assert_int_equal(peer_data(f, PEER, "hello"), XDP_REDIRECT);
	assert_int_equal(client_data(f, NUMBER, "third"), XDP_REDIRECT);
	expect_counted(f, &before, .to_peer_packets = 1, .to_peer_bytes = 5,
		       .to_client_packets = 1, .to_client_bytes = 5);
}

/* ChannelData to a client does not say whose data it is: it proves a peer only once the server has
 * sent to that peer. */
static void a_peer_is_not_its_own_witness(void **state)
{
	struct fixture *f = *state;

	allocate(f, 600);
	bind_channel(f, NUMBER, PEER);
	assert_int_equal(peer_data(f, PEER, "hello"), XDP_PASS);
	twin_to_client(f, NUMBER, "hello");
	assert_int_equal(peer_data(f, PEER, "hello"), XDP_PASS);
	assert_int_equal(client_data(f, NUMBER, "first"), XDP_PASS);
	twin_to_client(f, NUMBER, "hello");
	twin_to_peer(f, PEER, "first");
	/* the twin that came too early has made way for the next packet's */
	assert_int_equal(peer_data(f, PEER, "hello again"), XDP_PASS);
	twin_to_client(f, NUMBER, "hello again");
	assert_int_equal(peer_data(f, PEER, "hello"), XDP_REDIRECT);
}

/* The frame leaves as the server's own did: MACs, device. */
static void takes_the_next_hop_from_the_twin(void **state)
{
	struct fixture *f = *state;
	struct frame in, out;
	struct turn_flow flow;
	__u8 payload[32];

	allocate(f, 600);
	bind_channel(f, NUMBER, PEER);
	assert_int_equal(client_data(f, NUMBER, "first"), XDP_PASS);
	frame_sent(&in, RELAY, PEER, "first", 5);
	server_sends(f, &in);
	flow = flow_of(f, to_peer_key(NUMBER));
	assert_memory_equal(flow.dmac, hop_mac, 6);
	assert_memory_equal(flow.smac, device_mac, 6);
	assert_int_equal(flow.ifindex, f->ifindex);
	assert_int_equal(flow.mtu, 1500);

	frame_udp(&in, CLIENT, SERVER, payload, channel_data(payload, NUMBER, "next", 4, 0));
	assert_int_equal(receive(f, &in, &out), XDP_REDIRECT);
	assert_memory_equal(out.data, hop_mac, 6);
	assert_memory_equal(out.data + 6, device_mac, 6);
	assert_int_equal(get16(out.data + AT_FRAGMENT), 0);
	frame_sent(&in, RELAY, PEER, "next", 4);
	assert_memory_equal(out.data + AT_SOURCE, in.data + AT_SOURCE, 20);
	assert_int_equal(out.len, in.len);
}

static void learns_from_served_listeners_only(void **state)
{
	const struct endpoint other = { IP(198, 51, 100, 1), BE16(5349) };
	struct turn_control serve = { .operation = TURN_SERVE, .key[0].dport = other.port };
	struct fixture *f = *state;
	struct turn_stats before = counters(f);
	struct message m;
	struct frame in;
	int round;

	/* whether or not anything else of ours is at that port */
	for (round = 0; round < 2; round++) {
		ask_allocate(&m, 1);
		frame_udp(&in, CLIENT, other, m.data, m.len);
		assert_int_equal(receive(f, &in, NULL), XDP_PASS);
		assert_int_equal(map_count(f, "turn_pendings"), 0);
		say_allocated(&m, 1, RELAY, 600);
		frame_sent(&in, other, CLIENT, m.data, m.len);
		server_sends(f, &in);
		control(f, &serve);
	}
	assert_int_equal(map_count(f, "turn_allocs"), 0);
	expect_counted(f, &before, 0);
}

static void learns_from_the_named_address_only(void **state)
{
	struct fixture *f = *state;

	f->config.listener[0].ip.v4 = IP(198, 51, 100, 2);
	write_config(f);
	allocate(f, 600);
	assert_int_equal(map_count(f, "turn_allocs") + map_count(f, "turn_pendings"), 0);
	f->config.listener[0].ip.v4 = SERVER.ip;
	write_config(f);
	allocate(f, 600);
	assert_int_equal(map_count(f, "turn_allocs"), 1);
}

static void learns_nothing_from_other_macs(void **state)
{
	struct fixture *f = *state;
	struct message m;
	struct frame in;

	ask_allocate(&m, 1);
	frame_udp(&in, CLIENT, SERVER, m.data, m.len);
	in.data[5] ^= 1;
	assert_int_equal(receive(f, &in, NULL), XDP_PASS);
	assert_int_equal(map_count(f, "turn_pendings"), 0);
}

/* An allocation for TCP, or for IPv6 alone, is not ours to relay. */
static void learns_udp_over_ipv4_only(void **state)
{
	struct fixture *f = *state;
	struct message m;

	stun_begin(&m, ALLOCATE, 1);
	stun_add(&m, A_TRANSPORT, "\x06\0\0", 4);
	asks(f, &m);
	say_allocated(&m, 1, RELAY, 600);
	answers(f, &m);

	stun_begin(&m, ALLOCATE, 2);
	asks(f, &m);
	say_allocated(&m, 2, RELAY, 600);
	answers(f, &m);

	ask_allocate(&m, 3);
	asks(f, &m);
	stun_begin(&m, ALLOCATE | SUCCESS, 3);
	stun_add_address6(&m, A_RELAYED);
	stun_add32(&m, A_LIFETIME, 600);
	answers(f, &m);
	assert_int_equal(map_count(f, "turn_allocs"), 0);

	allocate(f, 600);
	stun_begin(&m, CHANNEL_BIND, 4);
	stun_add32(&m, A_CHANNEL, NUMBER << 16);
	stun_add_address6(&m, A_PEER);
	asks(f, &m);
	say_success(&m, CHANNEL_BIND, 4);
	answers(f, &m);
	assert_int_equal(map_count(f, "turn_flows"), 0);
}

/* Both families at once (RFC 8656 section 7.2): the IPv4 half is learned. */
static void learns_the_ipv4_half_of_a_dual_allocation(void **state)
{
	struct fixture *f = *state;
	struct turn_alloc alloc;
	struct message m;

	ask_allocate(&m, 1);
	asks(f, &m);
	stun_begin(&m, ALLOCATE | SUCCESS, 1);
	stun_add_address6(&m, A_RELAYED);
	stun_add_address(&m, A_RELAYED, RELAY);
	stun_add32(&m, A_LIFETIME, 600);
	answers(f, &m);
	assert_true(alloc_find(f, CLIENT, &alloc));
	assert_int_equal(alloc.relay.v4, RELAY.ip);
}

/* Behind 1:1 NAT the client is told the public address; the wire has the private one. */
static void knows_the_relays_private_address(void **state)
{
	const struct endpoint told = { IP(192, 0, 2, 200), BE16(50000) };
	const struct {
		const char *name;
		__be32 pub, priv, relay;
	} cases[] = {
		{ "no mapping, no socket", 0, 0, told.ip },
		{ "a mapping", told.ip, IP(10, 0, 0, 5), IP(10, 0, 0, 5) },
		{ "a mapping to the listener's address", told.ip, 0, SERVER.ip },
		{ "another's mapping", IP(192, 0, 2, 201), IP(10, 0, 0, 5), told.ip },
	};
	struct fixture *f = *state;
	struct turn_alloc alloc;
	struct message m;
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		f->config.external[1].pub.v4 = cases[i].pub;
		f->config.external[1].priv.v4 = cases[i].priv;
		write_config(f);
		ask_allocate(&m, 10 + i);
		asks(f, &m);
		say_allocated(&m, 10 + i, told, 600);
		answers(f, &m);
		assert_true(alloc_find(f, CLIENT, &alloc));
		if (alloc.relay.v4 != cases[i].relay)
			fail_msg("%s: relay %08x", cases[i].name, BE32(alloc.relay.v4));
		assert_int_equal(alloc.public_relay.v4, told.ip);
	}
}

/* An untouched field of the config is no mapping of 0.0.0.0. */
static void relays_with_a_private_relay_address(void **state)
{
	const struct endpoint told = { IP(192, 0, 2, 200), BE16(50000) };
	struct fixture *f = *state;
	struct message m;

	f->config.external[0].pub.v4 = told.ip;
	f->config.external[0].priv.v4 = RELAY.ip;
	write_config(f);
	ask_allocate(&m, 1);
	asks(f, &m);
	say_allocated(&m, 1, told, 600);
	answers(f, &m);
	bind_channel(f, NUMBER, PEER);
	prove(f, NUMBER, PEER);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_REDIRECT);
}

static void channels_of_one_allocation_are_apart(void **state)
{
	struct fixture *f = *state;

	f->live = true; /* both twins must come from one socket */
	allocate(f, 600);
	bind_channel(f, 0x4000, PEER);
	bind_channel(f, 0x4fff, PEER2);
	prove(f, 0x4000, PEER);
	assert_int_equal(flow_of(f, to_peer_key(0x4fff)).state, TURN_BOUND);
	assert_int_equal(flow_of(f, to_client_key(PEER2)).state, TURN_BOUND);
	prove(f, 0x4fff, PEER2);
	assert_int_equal(client_data(f, 0x4fff, "data"), XDP_REDIRECT);
	assert_int_equal(client_data(f, 0x4000, "data"), XDP_REDIRECT);
}

const struct test learn_tests[] = {
	TEST(learns_an_allocation),
	TEST(an_allocation_without_lifetime_has_the_default),
	TEST(learns_a_channel),
	TEST(relays_only_after_own_twin),
	TEST(a_peer_is_not_its_own_witness),
	TEST(takes_the_next_hop_from_the_twin),
	TEST(learns_from_served_listeners_only),
	TEST(learns_from_the_named_address_only),
	TEST(learns_nothing_from_other_macs),
	TEST(learns_udp_over_ipv4_only),
	TEST(learns_the_ipv4_half_of_a_dual_allocation),
	TEST(knows_the_relays_private_address),
	TEST(relays_with_a_private_relay_address),
	TEST(channels_of_one_allocation_are_apart),
	{},
};
