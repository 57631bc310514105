// SPDX-License-Identifier: GPL-2.0
/* The twin is the proof: what counts as one, and what happens when it does not come. */
#include "tests.h"

#include <string.h>

static void bound(struct fixture *f)
{
	f->live = true;
	allocate(f, 600);
	bind_channel(f, NUMBER, PEER);
}

static __u8 state_of(struct fixture *f, bool to_peer)
{
	return flow_of(f, to_peer ? to_peer_key(NUMBER) : to_client_key(PEER)).state;
}

/* Puts a direction back to where no packet was sampled and no twin seen. */
static void forget(struct fixture *f, bool to_peer)
{
	struct turn_key4 key = to_peer ? to_peer_key(NUMBER) : to_client_key(PEER);
	struct turn_flow flow = flow_of(f, key);

	flow.state = TURN_BOUND;
	flow.reason = TURN_REASON_BOUND;
	flow.deadline = 0;
	flow.sample.when = 0;
	flow_write(f, key, &flow);
}

/* Bound, and the server has sent to the peer once: without that, no peer is believed. */
static void bound_and_met(struct fixture *f)
{
	bound(f);
	assert_int_equal(client_data(f, NUMBER, "first"), XDP_PASS);
	twin_to_peer(f, PEER, "first");
	forget(f, true);
}

static void relaying(struct fixture *f)
{
	bound(f);
	prove(f, NUMBER, PEER);
}

/* The server's packet that is the twin of @len bytes of @data, in one of the directions. */
static void make_twin(struct frame *frame, bool to_peer, const __u8 *data, unsigned int len)
{
	__u8 payload[128];

	if (to_peer)
		frame_sent(frame, RELAY, PEER, data, len);
	else
		frame_sent(frame, SERVER, CLIENT, payload,
			   channel_data(payload, NUMBER, data, len, 0));
}

static void make_original(struct frame *frame, bool to_peer, const __u8 *data, unsigned int len)
{
	__u8 payload[128];

	if (to_peer)
		frame_udp(frame, CLIENT, SERVER, payload,
			  channel_data(payload, NUMBER, data, len, 0));
	else
		frame_udp(frame, PEER, RELAY, data, len);
}

/* Every length, the short ones above all, and every byte at both ends. */
static void a_twin_has_the_same_data(void **state)
{
	struct fixture *f = *state;
	struct frame frame;
	unsigned int len, at;
	__u8 data[40];
	int to_peer;

	bound_and_met(f);
	for (to_peer = 0; to_peer < 2; to_peer++) {
		for (len = 0; len <= 24; len++) {
			for (at = 0; at < len; at++)
				data[at] = 0x80 + at + len;
			forget(f, to_peer);
			make_original(&frame, to_peer, data, len);
			assert_int_equal(receive(f, &frame, NULL), XDP_PASS);
			make_twin(&frame, to_peer, data, len + 1);
			server_sends(f, &frame);
			if (len)
				make_twin(&frame, to_peer, data, len - 1);
			server_sends(f, &frame);
			for (at = 0; at < len; at++) {
				if (at >= 8 && at < len - 8)
					continue; /* only the ends are sampled */
				data[at] ^= 0x20;
				make_twin(&frame, to_peer, data, len);
				server_sends(f, &frame);
				data[at] ^= 0x20;
			}
			if (state_of(f, to_peer) != TURN_BOUND)
				fail_msg("%u bytes: confirmed by something else", len);
			make_twin(&frame, to_peer, data, len);
			server_sends(f, &frame);
			if (state_of(f, to_peer) != TURN_OFFLOADED)
				fail_msg("%u bytes: the twin was not recognised", len);
		}
	}
}

/* The same data between other addresses, or on another channel, is no twin. */
static void a_twin_has_the_same_addresses(void **state)
{
	const struct endpoint ends[] = { RELAY, PEER, SERVER, CLIENT };
	struct fixture *f = *state;
	struct endpoint to, from;
	struct frame frame;
	__u8 payload[64];
	unsigned int len;
	int i;

	bound_and_met(f);
	assert_int_equal(client_data(f, NUMBER, "same data"), XDP_PASS);
	assert_int_equal(peer_data(f, PEER, "same data"), XDP_PASS);
	for (i = 0; i < 8; i++) {
		from = ends[i / 4 * 2];
		to = ends[i / 4 * 2 + 1];
		if (i % 4 == 0)
			from.port ^= BE16(1);
		if (i % 4 == 1)
			from.ip ^= BE32(1);
		if (i % 4 == 2)
			to.port ^= BE16(1);
		if (i % 4 == 3)
			to.ip ^= BE32(1);
		len = channel_data(payload, NUMBER, "same data", 9, 0);
		frame_sent(&frame, from, to, payload + (i < 4 ? 4 : 0), len - (i < 4 ? 4 : 0));
		server_sends(f, &frame);
	}
	twin_to_client(f, NUMBER + 1, "same data");
	twin_to_client(f, 0x5000, "same data");
	assert_int_equal(state_of(f, true), TURN_BOUND);
	assert_int_equal(state_of(f, false), TURN_BOUND);
	twin_to_client(f, NUMBER, "same data");
	assert_int_equal(state_of(f, true), TURN_BOUND);
	assert_int_equal(state_of(f, false), TURN_OFFLOADED);
}

/* ChannelData that is sent on with padding is a twin; with more bytes behind it is not. */
static void a_twin_may_be_padded(void **state)
{
	struct fixture *f = *state;
	struct frame frame;
	__u8 payload[64];
	unsigned int surplus;

	bound_and_met(f);
	assert_int_equal(peer_data(f, PEER, "same data"), XDP_PASS);
	for (surplus = 4; surplus--;) {
		if (surplus == 2) {
			forget(f, false);
			assert_int_equal(peer_data(f, PEER, "same data"), XDP_PASS);
		}
		frame_sent(&frame, SERVER, CLIENT, payload,
			   channel_data(payload, NUMBER, "same data", 9,
					surplus == 3 ? 4 : surplus));
		server_sends(f, &frame);
		assert_int_equal(state_of(f, false), surplus == 3 ? TURN_BOUND : TURN_OFFLOADED);
	}
}

/* At a high rate the next packet always comes before the twin. */
static void a_sample_waits_for_its_twin(void **state)
{
	struct fixture *f = *state;

	bound(f);
	assert_int_equal(client_data(f, NUMBER, "one"), XDP_PASS);
	assert_int_equal(client_data(f, NUMBER, "two"), XDP_PASS);
	twin_to_peer(f, PEER, "two");
	assert_int_equal(state_of(f, true), TURN_BOUND);
	twin_to_peer(f, PEER, "one");
	assert_int_equal(state_of(f, true), TURN_OFFLOADED);
}

/* ... but not for ever. */
static void a_sample_waits_no_longer_than_a_second(void **state)
{
	struct fixture *f = *state;
	struct turn_flow flow;

	bound(f);
	assert_int_equal(client_data(f, NUMBER, "one"), XDP_PASS);
	flow = flow_of(f, to_peer_key(NUMBER));
	flow.sample.when = now(f) - f->config.hz / 2;
	flow_write(f, to_peer_key(NUMBER), &flow);
	assert_int_equal(client_data(f, NUMBER, "two"), XDP_PASS);
	twin_to_peer(f, PEER, "two");
	assert_int_equal(state_of(f, true), TURN_BOUND);
	flow = flow_of(f, to_peer_key(NUMBER));
	flow.sample.when = now(f) - f->config.hz;
	flow_write(f, to_peer_key(NUMBER), &flow);
	assert_int_equal(client_data(f, NUMBER, "two"), XDP_PASS);
	twin_to_peer(f, PEER, "one");
	assert_int_equal(state_of(f, true), TURN_BOUND);
	twin_to_peer(f, PEER, "two");
	assert_int_equal(state_of(f, true), TURN_OFFLOADED);
}

/* A packet that the server sends twice proves what it proves once. */
static void a_sample_is_used_once(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;

	relaying(f);
	before = counters(f);
	twin_to_peer(f, PEER, "a client's first");
	twin_to_client(f, NUMBER, "a peer's first");
	expect_counted(f, &before, 0);
}

/* One packet goes to the server, the rest is relayed; the next beat is 3/4 to 5/4 away. */
static void a_heartbeat_is_one_packet(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct turn_flow flow;
	__u64 then;
	int i;

	relaying(f);
	for (i = 0; i < 20; i++) {
		flow_due(f, to_peer_key(NUMBER));
		before = counters(f);
		then = now(f);
		assert_int_equal(client_data(f, NUMBER, "beat"), XDP_PASS);
		assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT);
		expect_counted(f, &before, .heartbeats = 1, .to_peer_packets = 1,
			       .to_peer_bytes = 4);
		flow = flow_of(f, to_peer_key(NUMBER));
		assert_int_equal(flow.heartbeats, i + 1);
		assert_int_equal(flow.missed, 1);
		assert_in_range(flow.deadline, then + f->config.heartbeat * 3 / 4,
				now(f) + f->config.heartbeat * 5 / 4);
		twin_to_peer(f, PEER, "beat");
		assert_int_equal(flow_of(f, to_peer_key(NUMBER)).missed, 0);
	}
}

static void three_heartbeats_without_a_twin_suspend(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	int to_peer, i;

	relaying(f);
	for (to_peer = 0; to_peer < 2; to_peer++) {
		before = counters(f);
		for (i = 0; i < 3; i++) {
			flow_due(f, to_peer ? to_peer_key(NUMBER) : to_client_key(PEER));
			assert_int_equal(to_peer ? client_data(f, NUMBER, "beat")
						 : peer_data(f, PEER, "beat"), XDP_PASS);
		}
		assert_int_equal(to_peer ? client_data(f, NUMBER, "beat")
					 : peer_data(f, PEER, "beat"), XDP_PASS);
		/* the third is the last chance: its own twin would lift the suspension */
		expect_counted(f, &before, .heartbeats = 3, PASSED(UNCONFIRMED) = 1,
			       EVENT(SUSPENDED) = 1);
		/* the other direction has a proof of its own */
		assert_int_equal(state_of(f, !to_peer), TURN_OFFLOADED);
		if (to_peer)
			twin_to_peer(f, PEER, "beat");
		else
			twin_to_client(f, NUMBER, "beat");
		assert_int_equal(to_peer ? client_data(f, NUMBER, "beat")
					 : peer_data(f, PEER, "beat"), XDP_REDIRECT);
	}
}

/* A twin is good for four intervals, also if no packet came that could have been missed. */
static void a_proof_does_not_last(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct turn_flow flow;

	relaying(f);
	flow = flow_of(f, to_peer_key(NUMBER));
	assert_int_equal(flow.proof, flow.confirmed + 4 * f->config.heartbeat);
	flow.deadline = flow.due = flow.proof = now(f);
	flow_write(f, to_peer_key(NUMBER), &flow);
	before = counters(f);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	expect_counted(f, &before, PASSED(UNCONFIRMED) = 2, EVENT(SUSPENDED) = 1);

	/* nor is a deadline ever later than the proof's end */
	flow.proof = now(f) + f->config.hz;
	flow.deadline = flow.beat = 1;
	flow_write(f, to_peer_key(NUMBER), &flow);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	assert_int_equal(flow_of(f, to_peer_key(NUMBER)).deadline, flow.proof);
}

/* @where: the IP header's flags and offset; 0x2000 is a first fragment. */
static void server_sends_fragment(struct fixture *f, struct frame *frame, __u16 where)
{
	put16(frame->data + AT_FRAGMENT, where);
	frame_fix_ip(frame);
	server_sends(f, frame);
}

/* The stack had to fragment what the relay sent: the path takes less than the device. */
static void a_fragment_shows_the_paths_mtu(void **state)
{
	struct turn_key4 key = to_peer_key(NUMBER);
	static const char big[600];
	struct fixture *f = *state;
	struct turn_stats before;
	struct frame frame;
	__u8 payload[700];
	unsigned int size;

	relaying(f);
	assert_int_equal(flow_of(f, key).mtu, 1500);
	frame_sent(&frame, RELAY, PEER, big, 572);
	server_sends_fragment(f, &frame, 0x0040); /* the rest of some packet */
	assert_int_equal(flow_of(f, key).mtu, 1500);
	frame_sent(&frame, RELAY, PEER2, big, 572);
	server_sends_fragment(f, &frame, 0x2000); /* another peer's */
	assert_int_equal(flow_of(f, key).mtu, 1500);
	frame_sent(&frame, RELAY, PEER, big, 572);
	server_sends_fragment(f, &frame, 0x2000);
	assert_int_equal(flow_of(f, key).mtu, 600);

	/* the next twin does not widen it */
	flow_due(f, key);
	assert_int_equal(client_data(f, NUMBER, "beat"), XDP_PASS);
	twin_to_peer(f, PEER, "beat");
	assert_int_equal(flow_of(f, key).mtu, 600);
	before = counters(f);
	for (size = 572; size <= 573; size++) {
		frame_udp(&frame, CLIENT, SERVER, payload,
			  channel_data(payload, NUMBER, big, size, 0));
		assert_int_equal(receive(f, &frame, NULL),
				 size == 572 ? XDP_REDIRECT : XDP_PASS);
	}
	expect_counted(f, &before, .to_peer_packets = 1, .to_peer_bytes = 572, PASSED(MTU) = 1);
}

/* A path's MTU rises when the stack sends whole what it fragmented before: its own has expired, or
 * the device's was raised. Up to 7 bytes more it may always have taken, for fragments end at a
 * multiple of 8. */
static void a_whole_packet_shows_that_the_path_takes_it(void **state)
{
	static const struct { __u16 mtu; bool whole; __u16 size, then; } steps[] = {
		{ 1500, false, 600, 600 },  { 600, true, 600, 600 },   { 600, true, 100, 600 },
		{ 600, true, 607, 607 },    { 607, false, 600, 607 },  { 608, false, 600, 600 },
		{ 600, true, 608, 1500 },   { 600, true, 1500, 1500 }, { 1500, true, 1500, 1500 },
	};
	static const char big[1500];
	struct fixture *f = *state;
	struct turn_flow flow;
	struct frame frame;
	__u8 payload[1500];
	unsigned int i;
	int to_peer;

	relaying(f);
	for (to_peer = 0; to_peer < 2; to_peer++) {
		struct turn_key4 key = to_peer ? to_peer_key(NUMBER) : to_client_key(PEER);
		struct turn_key4 other = to_peer ? to_client_key(PEER) : to_peer_key(NUMBER);

		for (i = 0; i < COUNT(steps); i++) {
			flow = flow_of(f, key);
			flow.mtu = steps[i].mtu;
			flow_write(f, key, &flow);
			if (to_peer)
				frame_sent(&frame, RELAY, PEER, big, steps[i].size - 28);
			else
				frame_sent(&frame, SERVER, CLIENT, payload,
					   channel_data(payload, NUMBER, big, steps[i].size - 32, 0));
			if (steps[i].whole)
				server_sends(f, &frame);
			else
				server_sends_fragment(f, &frame, 0x2000);
			if (flow_of(f, key).mtu != steps[i].then)
				fail_msg("to the %s, step %u: %u", to_peer ? "peer" : "client", i,
					 flow_of(f, key).mtu);
			assert_int_equal(flow_of(f, other).mtu, 1500);
		}
	}
}

/* ... that is, the path by this device. */
static void a_whole_packet_elsewhere_shows_nothing(void **state)
{
	struct turn_key4 key = to_peer_key(NUMBER);
	static const char big[1500];
	struct fixture *f = *state;
	struct turn_flow flow;
	struct frame frame;

	relaying(f);
	flow = flow_of(f, key);
	flow.mtu = 600;
	flow.ifindex++;
	flow_write(f, key, &flow);
	frame_sent(&frame, RELAY, PEER, big, 1472);
	server_sends(f, &frame);
	assert_int_equal(flow_of(f, key).mtu, 600);
}

/* ... and what the listener sent, in which the first fragment tells the channel. */
static void a_fragment_shows_the_clients_mtu(void **state)
{
	struct turn_key4 key = to_client_key(PEER);
	static const char big[600];
	struct fixture *f = *state;
	struct turn_stats before;
	struct frame frame;
	__u8 payload[700];
	unsigned int size;

	relaying(f);
	frame_sent(&frame, SERVER, CLIENT, payload,
		   channel_data(payload, NUMBER + 1, big, 568, 0)); /* another channel's */
	server_sends_fragment(f, &frame, 0x2000);
	assert_int_equal(flow_of(f, key).mtu, 1500);
	frame_sent(&frame, SERVER, CLIENT, payload, channel_data(payload, NUMBER, big, 568, 0));
	server_sends_fragment(f, &frame, 0x2000);
	assert_int_equal(flow_of(f, key).mtu, 600);
	assert_int_equal(flow_of(f, to_peer_key(NUMBER)).mtu, 1500);
	before = counters(f);
	for (size = 568; size <= 569; size++) {
		frame_udp(&frame, PEER, RELAY, big, size);
		assert_int_equal(receive(f, &frame, NULL),
				 size == 568 ? XDP_REDIRECT : XDP_PASS);
	}
	expect_counted(f, &before, .to_client_packets = 1, .to_client_bytes = 568, PASSED(MTU) = 1);
}

/* What ended stays ended, whatever the server still sends. */
static void no_twin_revives_an_ended_allocation(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct message m;

	bound(f);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_PASS);
	ask_refresh(&m, 1, 0);
	asks(f, &m);
	say_refreshed(&m, 1, 0);
	answers(f, &m);
	before = counters(f);
	twin_to_peer(f, PEER, "data");
	twin_to_client(f, NUMBER, "data");
	expect_counted(f, &before, 0);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_PASS);
}

const struct test twin_tests[] = {
	TEST(a_twin_has_the_same_data),
	TEST(a_twin_has_the_same_addresses),
	TEST(a_twin_may_be_padded),
	TEST(a_sample_waits_for_its_twin),
	TEST(a_sample_waits_no_longer_than_a_second),
	TEST(a_sample_is_used_once),
	TEST(a_heartbeat_is_one_packet),
	TEST(three_heartbeats_without_a_twin_suspend),
	TEST(a_proof_does_not_last),
	TEST(a_fragment_shows_the_paths_mtu),
	TEST(a_fragment_shows_the_clients_mtu),
	TEST(a_whole_packet_shows_that_the_path_takes_it),
	TEST(a_whole_packet_elsewhere_shows_nothing),
	TEST(no_twin_revives_an_ended_allocation),
	{},
};
