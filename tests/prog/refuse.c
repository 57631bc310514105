// SPDX-License-Identifier: GPL-2.0
/*
 * Frames of a live channel that are not relayed, and why: receive() sees to it that they pass
 * byte-identical, the table names the one counter that counts them.
 */
#include "tests.h"

#include <stdlib.h>
#include <string.h>

#define NOBODYS (-1) /* no frame of a known key: nothing is counted */

enum fix { NONE, FIX_IP = 1, FIX_UDP = 2, FIX_BOTH = 3 };

/* One field of a sound frame, and what it is changed to. */
static const struct refusal {
	const char *name;
	unsigned int at, size, value;
	enum fix fix;
	int reason;
} fields[] = {
	{ "another destination MAC", 5, 1, 0x77, NONE, TURN_REASON_OTHER_MAC },
	{ "another destination MAC, first byte", 0, 1, 0x06, NONE, TURN_REASON_OTHER_MAC },
	{ "broadcast MAC", 0, 2, 0xffff, NONE, TURN_REASON_OTHER_MAC },
	{ "ARP", AT_ETHERTYPE, 2, 0x0806, NONE, NOBODYS },
	{ "IPv6", AT_ETHERTYPE, 2, 0x86dd, NONE, NOBODYS },
	{ "VLAN tag", AT_ETHERTYPE, 2, 0x8100, NONE, NOBODYS },
	{ "service VLAN tag", AT_ETHERTYPE, 2, 0x88a8, NONE, NOBODYS },
	{ "the EtherType of a channel", AT_ETHERTYPE, 2, 0x4000, NONE, NOBODYS },
	{ "IP options", AT_IP, 1, 0x46, FIX_IP, NOBODYS },
	{ "IP header too short", AT_IP, 1, 0x44, FIX_IP, NOBODYS },
	{ "IP version 6 in IPv4's EtherType", AT_IP, 1, 0x65, FIX_IP, NOBODYS },
	{ "first fragment", AT_FRAGMENT, 2, 0x2000, FIX_IP, NOBODYS },
	{ "last fragment", AT_FRAGMENT, 2, 0x0001, FIX_IP, NOBODYS },
	{ "fragment far off", AT_FRAGMENT, 2, 0x1000, FIX_IP, NOBODYS },
	{ "fragment with DF", AT_FRAGMENT, 2, 0x6000, FIX_IP, NOBODYS },
	{ "TCP", AT_PROTOCOL, 1, 6, FIX_IP, NOBODYS },
	{ "ICMP", AT_PROTOCOL, 1, 1, FIX_IP, NOBODYS },
	{ "UDP-Lite", AT_PROTOCOL, 1, 136, FIX_IP, NOBODYS },
	{ "TTL 0", AT_TTL, 1, 0, FIX_IP, TURN_REASON_TTL },
	{ "TTL 1", AT_TTL, 1, 1, FIX_IP, TURN_REASON_TTL },
	{ "wrong IP checksum", AT_TTL, 1, 63, NONE, TURN_REASON_IP_CHECKSUM },
	{ "IP checksum 0", AT_IP_CHECK, 2, 0, NONE, TURN_REASON_IP_CHECKSUM },
	{ "IP longer than UDP", AT_IP_LENGTH, 2, 20 + 8 + 4 + 16 + 1, FIX_IP,
	  TURN_REASON_LENGTH },
	{ "IP shorter than UDP", AT_IP_LENGTH, 2, 20 + 8 + 4 + 16 - 1, FIX_IP,
	  TURN_REASON_LENGTH },
	{ "UDP longer than IP", AT_UDP_LENGTH, 2, 8 + 4 + 16 + 1, NONE, TURN_REASON_LENGTH },
	{ "UDP shorter than IP", AT_UDP_LENGTH, 2, 8 + 4 + 16 - 1, NONE, TURN_REASON_LENGTH },
	{ "UDP length 7", AT_UDP_LENGTH, 2, 7, NONE, TURN_REASON_LENGTH },
	{ "UDP length 0", AT_UDP_LENGTH, 2, 0, NONE, TURN_REASON_LENGTH },
	{ "UDP length 65535", AT_UDP_LENGTH, 2, 0xffff, NONE, TURN_REASON_LENGTH },
	{ "IP length 65535", AT_IP_LENGTH, 2, 0xffff, FIX_IP, TURN_REASON_LENGTH },
	{ "another source address", AT_SOURCE, 2, 0x0a01, FIX_BOTH, NOBODYS },
	{ "another source port", AT_UDP, 2, 1, FIX_BOTH, NOBODYS },
	{ "another destination address", AT_DESTINATION, 2, 0x0a01, FIX_BOTH, NOBODYS },
	{ "another destination port", AT_UDP + 2, 2, 9, FIX_BOTH, NOBODYS },
};

/* The same for what only ChannelData has. Its data has 16 bytes. */
static const struct refusal channel_fields[] = {
	{ "unknown channel", AT_PAYLOAD, 2, 0x4001, FIX_UDP, NOBODYS },
	{ "the channel's other spelling", AT_PAYLOAD, 2, 0x5000, FIX_UDP, NOBODYS },
	{ "channel below the range", AT_PAYLOAD, 2, 0x3fff, FIX_UDP, NOBODYS },
	{ "channel above the range", AT_PAYLOAD, 2, 0x8000, FIX_UDP, NOBODYS },
	{ "channel 0", AT_PAYLOAD, 2, 0, FIX_UDP, NOBODYS },
	{ "length one too long", AT_PAYLOAD + 2, 2, 17, FIX_UDP, TURN_REASON_CHANNEL_LENGTH },
	{ "length far too long", AT_PAYLOAD + 2, 2, 0xffff, FIX_UDP, TURN_REASON_CHANNEL_LENGTH },
	{ "length of the frame", AT_PAYLOAD + 2, 2, 0x3fff, FIX_UDP, TURN_REASON_CHANNEL_LENGTH },
	{ "surplus of 4", AT_PAYLOAD + 2, 2, 12, FIX_UDP, TURN_REASON_CHANNEL_LENGTH },
	{ "surplus of 5", AT_PAYLOAD + 2, 2, 11, FIX_UDP, TURN_REASON_CHANNEL_LENGTH },
	{ "all of it surplus", AT_PAYLOAD + 2, 2, 0, FIX_UDP, TURN_REASON_CHANNEL_LENGTH },
};

static void sound_frame(struct frame *in, bool to_peer)
{
	__u8 payload[64];

	if (to_peer)
		frame_udp(in, CLIENT, SERVER, payload,
			  channel_data(payload, 0x4000, "sixteen bytes...", 16, 0));
	else
		frame_udp(in, PEER, RELAY, "twenty bytes to send", 20);
}

static void expect_refused(struct fixture *f, const struct frame *in, int reason, const char *name)
{
	struct turn_stats before = counters(f), want = {};

	if (reason != NOBODYS)
		want.passed[reason] = 1;
	case_name = name;
	if (receive(f, in, NULL) != XDP_PASS)
		fail_msg("%s: relayed", name);
	check_counted(f, &before, &want, __FILE__, __LINE__);
	case_name = "";
}

static void refuse_table(struct fixture *f, bool to_peer, const struct refusal *r, size_t count)
{
	struct frame in;

	put_channel(f, 0x4000);
	for (; count--; r++) {
		sound_frame(&in, to_peer);
		assert_int_equal(receive(f, &in, NULL), XDP_REDIRECT);
		if (r->size == 2)
			put16(in.data + r->at, r->value);
		else
			in.data[r->at] = r->value;
		if (r->fix & FIX_IP)
			frame_fix_ip(&in);
		if (r->fix & FIX_UDP)
			frame_fix_udp(&in);
		expect_refused(f, &in, r->reason, r->name);
	}
}

static void leaves_unsound_frames_of_clients_alone(void **state)
{
	refuse_table(*state, true, fields, COUNT(fields));
}

static void leaves_unsound_frames_of_peers_alone(void **state)
{
	refuse_table(*state, false, fields, COUNT(fields));
}

static void leaves_unsound_channel_data_alone(void **state)
{
	refuse_table(*state, true, channel_fields, COUNT(channel_fields));
}

/* Cut short anywhere, whatever the headers say; none is relayed. (14 bytes are the fewest that
 * the kernel test-runs.) */
static void leaves_short_frames_alone(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before, after;
	struct frame in, whole;
	int to_peer;

	put_channel(f, 0x4000);
	for (to_peer = 0; to_peer < 2; to_peer++) {
		sound_frame(&whole, to_peer);
		for (in = whole, in.len = 14; in.len < whole.len; in.len++) {
			before = counters(f);
			assert_int_equal(receive(f, &in, NULL), XDP_PASS);
			after = counters(f);
			assert_int_equal(after.passed[TURN_REASON_LENGTH] -
						 before.passed[TURN_REASON_LENGTH],
					 in.len >= AT_PAYLOAD + (to_peer ? 4 : 0));
			assert_int_equal(counted_frames(&after) - counted_frames(&before),
					 in.len >= AT_PAYLOAD + (to_peer ? 4 : 0));
		}
	}
}

/* A UDP payload that ends inside the ChannelData header; Ethernet padding follows, which could
 * be read for the rest of it. */
static void leaves_half_a_channel_header_alone(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct frame in;
	__u8 payload[4] = { 0x40, 0 };
	unsigned int len;

	put_channel(f, 0x4000);
	for (len = 0; len < 4; len++) {
		frame_udp(&in, CLIENT, SERVER, payload, len);
		memcpy(in.data + AT_PAYLOAD, payload, 4);
		memset(in.data + AT_PAYLOAD + 4, 0, 14);
		in.len = 60;
		before = counters(f);
		assert_int_equal(receive(f, &in, NULL), XDP_PASS);
		expect_counted(f, &before, PASSED(CHANNEL_LENGTH) = 1);
	}
}

/* Surplus bytes: (data, surplus) as coturn takes them or drops them. */
static void relays_no_surplus_that_a_server_would_drop(void **state)
{
	static const struct {
		unsigned int length, surplus;
		bool relayed;
	} cases[] = {
		{ 0, 0, true }, { 0, 1, false }, { 0, 3, false }, { 0, 4, false },
		{ 1, 3, true }, { 1, 4, false }, { 8, 1, true }, { 8, 3, true },
		{ 8, 4, false }, { 8, 5, false }, { 8, 8, false }, { 9, 3, true },
		{ 9, 4, false }, { 9, 7, false },
	};
	struct fixture *f = *state;
	__u8 payload[64];
	struct frame in;
	size_t i;

	put_channel(f, 0x4000);
	for (i = 0; i < COUNT(cases); i++) {
		frame_udp(&in, CLIENT, SERVER, payload,
			  channel_data(payload, 0x4000, "some data", cases[i].length,
				       cases[i].surplus));
		if (cases[i].relayed)
			assert_int_equal(receive(f, &in, NULL), XDP_REDIRECT);
		else
			expect_refused(f, &in, TURN_REASON_CHANNEL_LENGTH, "surplus");
	}
}

/* What a local sender leaves for its NIC to complete would be wrong after the rewrite. */
static void leaves_partial_checksums_alone(void **state)
{
	struct fixture *f = *state;
	struct frame in;
	int to_peer;

	put_channel(f, 0x4000);
	for (to_peer = 0; to_peer < 2; to_peer++) {
		unsigned int sum = 17, i;

		sound_frame(&in, to_peer);
		for (i = 0; i < 8; i += 2)
			sum += get16(in.data + AT_SOURCE + i);
		sum += get16(in.data + AT_UDP_LENGTH);
		while (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
		put16(in.data + AT_UDP_CHECK, sum);
		expect_refused(f, &in, TURN_REASON_PARTIAL_CHECKSUM, "partial checksum");
	}
}

static void leaves_what_has_no_exit_alone(void **state)
{
	struct fixture *f = *state;
	struct frame in;
	int to_peer;

	put_channel(f, 0x4000);
	set_exit(f, "turn_plain", f->ifindex, false);
	for (to_peer = 0; to_peer < 2; to_peer++) {
		set_exit(f, "turn_exits", f->ifindex, false);
		sound_frame(&in, to_peer);
		expect_refused(f, &in, TURN_REASON_NO_DEVICE, "no exit");
	}
}

/* Raising the epoch stops both directions at their next packet; and only those that carry it. */
static void stops_when_the_epoch_is_raised(void **state)
{
	struct fixture *f = *state;
	struct frame in;
	int to_peer;

	put_channel(f, 0x4000);
	for (to_peer = 0; to_peer < 2; to_peer++) {
		sound_frame(&in, to_peer);
		epoch_write(f, TEST_SLOT + 1, TEST_EPOCH + 1);
		assert_int_equal(receive(f, &in, NULL), XDP_REDIRECT);
		epoch_write(f, TEST_SLOT, TEST_EPOCH + 1);
		expect_refused(f, &in, TURN_REASON_ENDED, "epoch");
		epoch_write(f, TEST_SLOT, TEST_EPOCH);
	}
}

/* Past its deadline a flow is not relayed, but judged (here: it never had an allocation). */
static void stops_at_the_deadline(void **state)
{
	struct fixture *f = *state;
	struct turn_flow flow;
	struct frame in;
	int to_peer;

	put_channel(f, 0x4000);
	for (to_peer = 0; to_peer < 2; to_peer++) {
		struct turn_key4 key = to_peer ? to_peer_key(0x4000) : to_client_key(PEER);

		flow_due(f, key);
		sound_frame(&in, to_peer);
		expect_refused(f, &in, TURN_REASON_EXPIRED_CHANNEL, "deadline");
		flow = flow_of(f, key);
		assert_int_equal(flow.state, TURN_SUSPENDED);
		flow.expires = now(f) + 1000 * f->config.hz;
		flow_write(f, key, &flow);
		expect_refused(f, &in, TURN_REASON_EXPIRED_ALLOCATION, "no allocation");
	}
}

/* Nothing at the port: no table is asked, even if it would have an answer. */
static void lets_unused_ports_go_at_once(void **state)
{
	struct turn_control drop = { .operation = TURN_UNSERVE };
	struct fixture *f = *state;
	struct frame in;

	put_channel(f, 0x4000);
	drop.key[0].dport = RELAY.port;
	while (port_users(f, RELAY.port))
		control(f, &drop);
	sound_frame(&in, false);
	expect_refused(f, &in, NOBODYS, "port");
	sound_frame(&in, true);
	assert_int_equal(receive(f, &in, NULL), XDP_REDIRECT);
}

/* Random bytes, random changes of sound frames: none is dropped, none half-rewritten. */
static void leaves_noise_alone(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before = counters(f), after;
	unsigned int i, n, known = 0;
	struct frame in;

	put_channel(f, 0x4000);
	srand(1);
	for (i = 0; i < 20000; i++) {
		sound_frame(&in, i % 2);
		for (n = rand() % 4 + 1; n; n--)
			in.data[rand() % in.len] = rand();
		if (i % 3 == 0)
			in.len = 14 + rand() % (in.len - 14);
		if (i % 5 == 0)
			frame_fix_ip(&in);
		known += receive(f, &in, NULL) == XDP_REDIRECT;
	}
	after = counters(f);
	assert_int_equal(after.to_peer_packets + after.to_client_packets - before.to_peer_packets -
				 before.to_client_packets, known);
	assert_true(known > 100);
}

const struct test refuse_tests[] = {
	TEST(leaves_unsound_frames_of_clients_alone),
	TEST(leaves_unsound_frames_of_peers_alone),
	TEST(leaves_unsound_channel_data_alone),
	TEST(leaves_short_frames_alone),
	TEST(leaves_half_a_channel_header_alone),
	TEST(relays_no_surplus_that_a_server_would_drop),
	TEST(leaves_partial_checksums_alone),
	TEST(leaves_what_has_no_exit_alone),
	TEST(stops_when_the_epoch_is_raised),
	TEST(stops_at_the_deadline),
	TEST(lets_unused_ports_go_at_once),
	TEST(leaves_noise_alone),
	{},
};
