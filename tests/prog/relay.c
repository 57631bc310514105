// SPDX-License-Identifier: GPL-2.0
/* Frames that are relayed: every byte of what leaves, as scapy computes it. */
#include "tests.h"
#include "vector.h"

#include <sched.h>
#include <string.h>

#include <bpf/bpf.h>

#include "vectors.h"

const struct vector *const all_vectors = vectors;
const size_t vector_count = COUNT(vectors);

struct turn_flow vector_flow(struct fixture *f, const struct vector *v, unsigned int ifindex)
{
	struct turn_flow flow = {
		.deadline = now(f) + 60 * f->config.hz,
		.slot = TEST_SLOT,
		.epoch = TEST_EPOCH,
		.sport = v->sport,
		.dport = v->dport,
		.channel = v->channel,
		.ifindex = ifindex,
		.mtu = 1500,
		.state = TURN_OFFLOADED,
		.owner = sched_getcpu() + 1,
		.own.packets = v->packets,
	};

	flow.saddr.v4 = v->saddr;
	flow.daddr.v4 = v->daddr;
	memcpy(flow.dmac, hop_mac, 6);
	memcpy(flow.smac, device_mac, 6);
	return flow;
}

void vector_put(struct fixture *f, const struct vector *v, unsigned int ifindex)
{
	struct turn_control port = { .operation = TURN_SERVE, .key[0].dport = v->key.dport };
	struct turn_flow flow = vector_flow(f, v, ifindex);

	epoch_write(f, TEST_SLOT, TEST_EPOCH);
	flow_write(f, v->key, &flow);
	control(f, &port);
}

void vector_frame(const struct vector *v, struct frame *frame)
{
	memcpy(frame->data, v->come, v->come_len);
	frame->len = v->come_len;
}

static void relay_vectors(struct fixture *f, bool to_peer)
{
	struct frame in, out;
	size_t i;

	for (i = 0; i < COUNT(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct turn_stats before = counters(f);
		struct turn_flow flow;

		if (v->to_peer != to_peer)
			continue;
		vector_put(f, v, f->ifindex);
		vector_frame(v, &in);
		if (receive(f, &in, &out) != XDP_REDIRECT)
			fail_msg("%s: passed", v->name);
		expect_frame(&out, v->go, v->go_len, v->name);
		flow = flow_of(f, v->key);
		assert_int_equal(flow.own.packets, v->packets + 1);
		assert_int_equal(flow.own.bytes, v->length);
		assert_int_equal(flow.passed + flow.heartbeats, 0);
		if (to_peer)
			expect_counted(f, &before, .to_peer_packets = 1,
				       .to_peer_bytes = v->length);
		else
			expect_counted(f, &before, .to_client_packets = 1,
				       .to_client_bytes = v->length);
	}
}

static void relays_to_the_peer_as_scapy_computes(void **state)
{
	relay_vectors(*state, true);
}

static void relays_to_the_client_as_scapy_computes(void **state)
{
	relay_vectors(*state, false);
}

/* The length of what leaves is what counts, exactly; and padding, which the kernel still sees when
 * it compares lengths, before the exit cuts it off. */
static void relays_what_fits_the_mtu(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct frame in, out;
	size_t i;

	for (i = 0; i < COUNT(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct turn_flow flow = vector_flow(f, v, f->ifindex);
		unsigned int padding = 0;

		vector_put(f, v, f->ifindex);
		vector_frame(v, &in);
		if (v->to_peer)
			padding = get16(in.data + AT_IP_LENGTH) - 20 - 8 - 4 - v->length;
		before = counters(f);
		flow.mtu = v->go_len - AT_IP + padding - 1;
		flow_write(f, v->key, &flow);
		assert_int_equal(receive(f, &in, &out), XDP_PASS);
		expect_counted(f, &before, PASSED(MTU) = 1);
		flow.mtu++;
		flow_write(f, v->key, &flow);
		assert_int_equal(receive(f, &in, &out), XDP_REDIRECT);
	}
}

/* A frame that was relayed gives no other frame a note: the next one is judged on its own. */
static void counters_add_up(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before = counters(f), after;
	unsigned int known = 0;
	struct frame in;
	__u8 payload[64];
	int i;

	put_channel(f, 0x4000);
	for (i = 0; i < 60; i++) {
		unsigned int len = channel_data(payload, i % 7 ? 0x4000 : 0x4001, "data", 4,
						i % 5);
		bool known_key = i % 7 || i % 2;

		if (i % 2)
			frame_udp(&in, PEER, RELAY, payload, len);
		else
			frame_udp(&in, CLIENT, SERVER, payload, len);
		if (i % 3 == 0)
			in.data[AT_TTL] = i % 9 ? 1 : 64;
		frame_fix_ip(&in);
		if (i == 45)
			flow_due(f, to_client_key(PEER));
		receive(f, &in, NULL);
		known += known_key;
	}
	after = counters(f);
	assert_int_equal(counted_frames(&after) - counted_frames(&before), known);
	assert_true(after.to_peer_packets > 0 && after.to_client_packets > 0);
}

/* Each direction counts on the flow it belongs to, also what it does not relay. */
static void flows_count_what_they_pass(void **state)
{
	struct fixture *f = *state;
	struct turn_flow flow;
	struct frame in;

	put_channel(f, 0x4000);
	frame_udp(&in, PEER, RELAY, "data", 4);
	in.data[AT_TTL] = 1;
	frame_fix_ip(&in);
	assert_int_equal(receive(f, &in, NULL), XDP_PASS);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_REDIRECT);
	flow = flow_of(f, to_client_key(PEER));
	assert_int_equal(flow.passed, 1);
	assert_int_equal(flow.own.packets, 1);
	assert_int_equal(flow.own.bytes, 4);
	flow = flow_of(f, to_peer_key(0x4000));
	assert_int_equal(flow.passed + flow.own.packets + flow.others.packets +
				 flow.heartbeats, 0);
}

/* What was relayed leaves by the flow's own device and no other. */
static void leaves_by_the_flows_device(void **state)
{
	struct fixture *f = *state;
	struct turn_flow flow;

	put_channel(f, 0x4000);
	flow = flow_of(f, to_peer_key(0x4000));
	flow.ifindex = 1;
	flow_write(f, to_peer_key(0x4000), &flow);
	assert_int_equal(client_data(f, 0x4000, "data"), XDP_PASS);
	set_exit(f, f->fused ? "turn_plain" : "turn_exits", 1, true);
	assert_int_equal(client_data(f, 0x4000, "data"), XDP_REDIRECT);
	set_exit(f, f->fused ? "turn_plain" : "turn_exits", 1, false);
}

/* On a relay device nothing comes from clients: their packets there are somebody else's. */
static void a_relay_device_serves_peers_only(void **state)
{
	struct fixture *f = *state;
	struct frame in, out;
	struct message m;
	__u8 payload[64];

	put_channel(f, 0x4000);
	frame_udp(&in, CLIENT, SERVER, payload, channel_data(payload, 0x4000, "data", 4, 0));
	assert_int_equal(run_program(f->fused_relay, &in, &out), XDP_PASS);
	expect_frame(&out, in.data, in.len, "from a client");
	ask_allocate(&m, 1);
	frame_udp(&in, CLIENT, SERVER, m.data, m.len);
	assert_int_equal(run_program(f->fused_relay, &in, &out), XDP_PASS);
	assert_int_equal(map_count(f, "turn_pendings"), 0);
	frame_udp(&in, PEER, RELAY, "data", 4);
	assert_int_equal(run_program(f->fused_relay, &in, &out), XDP_REDIRECT);
	assert_int_equal(counters(f).to_client_packets, 1);
	flow_due(f, to_client_key(PEER));
	assert_int_equal(run_program(f->fused_relay, &in, &out), XDP_PASS);
	assert_int_equal(counters(f).passed[TURN_REASON_EXPIRED_CHANNEL], 1);
}

const struct test relay_tests[] = {
	TEST(relays_to_the_peer_as_scapy_computes),
	TEST(relays_to_the_client_as_scapy_computes),
	TEST(relays_what_fits_the_mtu),
	TEST(counters_add_up),
	TEST(flows_count_what_they_pass),
	TEST(leaves_by_the_flows_device),
	TEST_ONCE(a_relay_device_serves_peers_only),
	{},
};
