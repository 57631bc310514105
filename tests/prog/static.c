// SPDX-License-Identifier: GPL-2.0
/* Static channels: relayed by an operator's word, without server, handshake or proof. */
#include "tests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "relaying.h"
#include "vector.h"

static int add(struct fixture *f, struct turn_key4 to_peer, struct turn_key4 to_client)
{
	struct turn_control c = { .operation = TURN_ADD_STATIC };
	int i;

	c.key[0] = to_peer;
	c.key[1] = to_client;
	for (i = 0; i < 2; i++) {
		memcpy(c.hop[i].dmac, hop_mac, 6);
		memcpy(c.hop[i].smac, device_mac, 6);
		c.hop[i].ifindex = f->ifindex;
		c.hop[i].mtu = 1500;
		c.hop[i].ip.v4 = BE32(0xc63364fc); /* 198.51.100.252 */
	}
	return control(f, &c);
}

static int add_channel(struct fixture *f)
{
	return add(f, to_peer_key(NUMBER), to_client_key(PEER));
}

static void world(const char *command)
{
	if (system(command))
		fail_msg("%s", command);
}

#define HOP "198.51.100.254"       /* which nobody knows yet */
#define KNOWN_HOP "198.51.100.252" /* of which add() says that it has hop_mac */

/* A route to the peer, and @in is a packet of a static channel to it. */
static void routed(struct fixture *f, const char *route, struct frame *in)
{
	__u8 payload[64];

	lo_forwarding(true);
	world(route);
	frame_udp(in, CLIENT, SERVER, payload, channel_data(payload, NUMBER, "data", 4, 0));
	assert_int_equal(add_channel(f), 0);
}

static void routed_no_more(void)
{
	world("ip route del 203.0.113.0/24");
	lo_forwarding(false);
}

/* The first packet already, and byte by byte like a learned channel's. (The host's forwarding
 * sysctl is off here, as on TURN servers: what netlink said at `channel add` is used.) */
static void static_channels_relay_at_once(void **state)
{
	struct fixture *f = *state;
	struct frame in, out;
	size_t i, n = 0;

	for (i = 0; i < vector_count; i++) {
		const struct vector *v = &all_vectors[i];
		struct turn_key4 other = { .saddr = v->daddr, .daddr = v->saddr, .sport = v->dport,
					   .dport = v->sport,
					   .channel = v->to_peer ? 0 : v->channel };
		struct turn_stats before;

		if (v->packets)
			continue; /* static channels count from 0 */
		assert_int_equal(add(f, v->to_peer ? v->key : other, v->to_peer ? other : v->key),
				 0);
		before = counters(f);
		vector_frame(v, &in);
		assert_int_equal(receive(f, &in, &out), XDP_REDIRECT);
		expect_frame(&out, v->go, v->go_len, v->name);
		if (v->to_peer)
			expect_counted(f, &before, .to_peer_packets = 1,
				       .to_peer_bytes = v->length);
		else
			expect_counted(f, &before, .to_client_packets = 1,
				       .to_client_bytes = v->length);
		n++;
	}
	assert_true(n > 5);
}

static void a_static_channel_is_added_once_and_removed_whole(void **state)
{
	struct turn_control delete = { .operation = TURN_DELETE, .key[0] = to_peer_key(NUMBER) };
	struct fixture *f = *state;
	struct turn_key4 key = to_peer_key(NUMBER + 1);

	assert_int_equal(add_channel(f), 0);
	assert_int_equal(port_users(f, RELAY.port), 1);
	assert_int_equal(port_users(f, SERVER.port), 2);
	assert_int_equal(add_channel(f), EEXIST);
	assert_int_equal(add(f, key, to_client_key(PEER)), EEXIST);
	assert_int_equal(add(f, to_peer_key(NUMBER), to_client_key(PEER2)), EEXIST);
	assert_int_equal(map_count(f, "turn_flows"), 2);
	assert_int_equal(port_users(f, RELAY.port), 1);
	assert_int_equal(port_users(f, SERVER.port), 2);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT);
	assert_int_equal(control(f, &delete), 0);
	assert_int_equal(map_count(f, "turn_flows"), 0);
	assert_int_equal(port_users(f, RELAY.port), 0);
	assert_int_equal(port_users(f, SERVER.port), 1);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	assert_int_equal(control(f, &delete), ENOENT);
}

/* At its deadline, the kernel's tables are asked: a next hop that moved is followed, one that is
 * not known is not guessed. */
static void the_next_hop_is_refreshed_at_the_deadline(void **state)
{
	static const __u8 moved[6] = { 2, 0, 0, 0, 0, 0x99 };
	struct fixture *f = *state;
	struct turn_stats before;
	struct turn_flow flow;
	struct frame in, out;

	routed(f, "ip route replace 203.0.113.0/24 via " HOP, &in);
	before = counters(f);
	assert_int_equal(receive(f, &in, NULL), XDP_PASS);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_PASS);
	expect_counted(f, &before, PASSED(NO_NEIGHBOUR) = 1, PASSED(NO_ROUTE) = 1);
	assert_int_equal(flow_of(f, to_peer_key(NUMBER)).state, TURN_SUSPENDED);

	world("ip neigh replace " HOP " lladdr 02:00:00:00:00:99 dev wire0 nud permanent");
	assert_int_equal(receive(f, &in, &out), XDP_REDIRECT);
	assert_memory_equal(out.data, moved, 6);
	assert_memory_equal(out.data + 6, device_mac, 6);
	flow = flow_of(f, to_peer_key(NUMBER));
	assert_int_equal(flow.state, TURN_OFFLOADED);
	assert_in_range(flow.deadline, now(f) + f->config.heartbeat / 2,
			now(f) + f->config.heartbeat * 5 / 4);

	/* until the deadline nothing is asked, at the deadline it is */
	world("ip neigh replace " HOP " lladdr 02:00:00:00:00:03 dev wire0 nud permanent");
	assert_int_equal(receive(f, &in, &out), XDP_REDIRECT);
	assert_memory_equal(out.data, moved, 6);
	flow_due(f, to_peer_key(NUMBER));
	assert_int_equal(receive(f, &in, &out), XDP_REDIRECT);
	assert_memory_equal(out.data, hop_mac, 6);

	/* the route's MTU */
	world("ip route replace 203.0.113.0/24 via " HOP " mtu lock 600");
	flow_due(f, to_peer_key(NUMBER));
	before = counters(f);
	{
		__u8 big[700] = {}, data[640] = {};

		frame_udp(&in, CLIENT, SERVER, big, channel_data(big, NUMBER, data, 573, 0));
		assert_int_equal(receive(f, &in, NULL), XDP_PASS);
		frame_udp(&in, CLIENT, SERVER, big, channel_data(big, NUMBER, data, 572, 0));
		assert_int_equal(receive(f, &in, NULL), XDP_REDIRECT);
	}
	expect_counted(f, &before, PASSED(MTU) = 1, .to_peer_packets = 1, .to_peer_bytes = 572);
	world("ip neigh del " HOP " dev wire0");
	routed_no_more();
}

/* The kernel forgets a neighbour with its device's carrier. The MAC of the same hop must do until
 * it knows one. */
static void a_forgotten_neighbour_keeps_its_mac(void **state)
{
	struct turn_key4 key = to_peer_key(NUMBER);
	struct fixture *f = *state;
	struct frame in, out;

	routed(f, "ip route replace 203.0.113.0/24 via " KNOWN_HOP, &in);
	assert_int_equal(receive(f, &in, &out), XDP_REDIRECT);
	assert_memory_equal(out.data, hop_mac, 6);
	flow_due(f, key);
	world("ip route replace 203.0.113.0/24 via 198.51.100.253"); /* another hop's it is not */
	assert_int_equal(receive(f, &in, NULL), XDP_PASS);
	world("ip route replace 203.0.113.0/24 via " KNOWN_HOP);
	assert_int_equal(receive(f, &in, &out), XDP_REDIRECT);
	routed_no_more();
}

/* ... and not that of another hop: a route moves from one (which is forgotten) to another, and
 * back. */
static void a_forgotten_neighbour_takes_no_others_mac(void **state)
{
	struct turn_key4 key = to_peer_key(NUMBER);
	struct fixture *f = *state;
	struct turn_stats before;
	struct frame in, out;

	routed(f, "ip route replace 203.0.113.0/24 via 198.51.100.253", &in);
	world("ip neigh replace 198.51.100.253 lladdr 02:00:00:00:00:99 dev wire0 nud permanent");
	flow_due(f, key);
	assert_int_equal(receive(f, &in, &out), XDP_REDIRECT);
	assert_memory_equal(out.data, "\2\0\0\0\0\x99", 6);

	world("ip route replace 203.0.113.0/24 via " KNOWN_HOP);
	flow_due(f, key);
	before = counters(f);
	assert_int_equal(receive(f, &in, NULL), XDP_PASS);
	expect_counted(f, &before, PASSED(NO_NEIGHBOUR) = 1);

	/* it is the other's still, and does when that one is forgotten */
	world("ip neigh del 198.51.100.253 dev wire0");
	world("ip route replace 203.0.113.0/24 via 198.51.100.253");
	assert_int_equal(receive(f, &in, &out), XDP_REDIRECT);
	assert_memory_equal(out.data, "\2\0\0\0\0\x99", 6);
	routed_no_more();
}

/* A static channel whose exit is not attached is left to the stack, at every packet. */
static void a_static_channel_without_exit_passes(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;

	assert_int_equal(add_channel(f), 0);
	set_exit(f, "turn_exits", f->ifindex, false);
	set_exit(f, "turn_plain", f->ifindex, false);
	before = counters(f);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	expect_counted(f, &before, PASSED(NO_DEVICE) = 2);
}

/* What the operator said is not overruled by a handshake. */
static void learning_leaves_static_channels_alone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add_channel(f), 0);
	allocate(f, 600);
	bind_channel(f, NUMBER, PEER2);
	assert_int_equal(flow_of(f, to_peer_key(NUMBER)).daddr.v4, PEER.ip);
	assert_true(flow_of(f, to_peer_key(NUMBER)).flags & TURN_STATIC);
	assert_int_equal(map_count(f, "turn_flows"), 2);
	expect_relaying(f);
}

static void learning_takes_no_static_channels_peer(void **state)
{
	struct fixture *f = *state;
	struct turn_flow rem;

	assert_int_equal(add_channel(f), 0);
	allocate(f, 600);
	bind_channel(f, NUMBER + 1, PEER);
	rem = flow_of(f, to_client_key(PEER));
	assert_true(rem.flags & TURN_STATIC);
	assert_int_equal(rem.channel, BE16(NUMBER));
	expect_relaying(f);
}

/* Nothing that the server sends, and no ICMP, concerns it. */
static void the_server_has_no_say_in_static_channels(void **state)
{
	struct fixture *f = *state;
	struct frame quoted, frame;
	struct turn_stats before;

	assert_int_equal(add_channel(f), 0);
	expect_relaying(f);
	before = counters(f);
	twin_to_peer(f, PEER, "data");
	twin_to_client(f, NUMBER, "data");
	frame_udp(&quoted, PEER, RELAY, "data", 4);
	frame_unreachable(&frame, &quoted);
	server_sends(f, &frame);
	expect_counted(f, &before, 0);
	expect_relaying(f);
}

const struct test static_tests[] = {
	TEST(static_channels_relay_at_once),
	TEST(a_static_channel_is_added_once_and_removed_whole),
	TEST(the_next_hop_is_refreshed_at_the_deadline),
	TEST(a_forgotten_neighbour_keeps_its_mac),
	TEST(a_forgotten_neighbour_takes_no_others_mac),
	TEST(a_static_channel_without_exit_passes),
	TEST(learning_leaves_static_channels_alone),
	TEST(learning_takes_no_static_channels_peer),
	TEST(the_server_has_no_say_in_static_channels),
	{},
};
