// SPDX-License-Identifier: GPL-2.0
/*
 * The server's pulse: when it loses heartbeats, they are set farther apart. What bounds a flow
 * otherwise is looked at as often as before.
 */
#include "relaying.h"
#include "tests.h"

#include <bpf/bpf.h>

static struct turn_pulse pulse_read(struct fixture *f)
{
	struct turn_pulse pulse;
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(map_of(f, "turn_pulse"), &zero, &pulse), 0);
	return pulse;
}

static void pulse_write(struct fixture *f, struct turn_pulse pulse)
{
	__u32 zero = 0;

	assert_int_equal(bpf_map_update_elem(map_of(f, "turn_pulse"), &zero, &pulse, BPF_ANY), 0);
}

/* One heartbeat to a peer, which the server relays if @answered. */
static void beat(struct fixture *f, bool answered)
{
	struct turn_flow flow;

	flow_due(f, to_peer_key(NUMBER));
	flow = flow_of(f, to_peer_key(NUMBER));
	if (flow.confirmed)
		flow.confirmed = now(f) - 60 * f->config.hz; /* due, however far apart they are */
	flow_write(f, to_peer_key(NUMBER), &flow);
	assert_int_equal(client_data(f, NUMBER, "beat"), XDP_PASS);
	if (answered)
		twin_to_peer(f, PEER, "beat");
}

/* The allocation's last vote was so many jiffies ago. */
static void voted_ago(struct fixture *f, __u64 jiffies)
{
	struct turn_alloc alloc;

	assert_true(alloc_find(f, CLIENT, &alloc));
	alloc.voted = now(f) - jiffies;
	alloc_write(f, CLIENT, &alloc);
}

/* A round is over, with these figures: what is made of them. */
static void the_pulse_is_judged(void **state)
{
	static const struct {
		const char *name;
		__u32 heartbeat; /* s */
		struct turn_pulse is, becomes;
	} cases[] = {
		{ "all is well", 2, { .asked = 100, .answered = 100, .stretch = 1 },
		  { .good = 1, .stretch = 1 } },
		{ "a bad round", 2, { .asked = 100, .answered = 50, .stretch = 1 },
		  { .bad = 1, .stretch = 1 } },
		{ "at first there is no stretch", 2, { .asked = 100, .answered = 50, .bad = 1 },
		  { .stretch = 2 } },
		{ "another", 2, { .asked = 100, .answered = 50, .bad = 1, .good = 5, .stretch = 1 },
		  { .stretch = 2 } },
		{ "and another", 2, { .asked = 100, .answered = 50, .bad = 2, .stretch = 2 },
		  { .stretch = 4 } },
		{ "a third is answered", 2, { .asked = 99, .answered = 33, .bad = 2, .stretch = 1 },
		  { .stretch = 4 } },
		{ "hardly any is answered", 2, { .asked = 100, .answered = 1, .bad = 2, .stretch = 1 },
		  { .stretch = 8 } },
		{ "16 s is the most", 2, { .asked = 100, .answered = 1, .bad = 9, .stretch = 8 },
		  { .stretch = 8 } },
		{ "a longer interval was set", 10, { .asked = 100, .answered = 100, .stretch = 8 },
		  { .stretch = 4 } },
		{ "also of a long interval", 31, { .asked = 100, .answered = 1, .bad = 9,
						   .stretch = 1 }, { .stretch = 1 } },
		{ "the server is gone, not slow", 2, { .asked = 100, .bad = 1, .stretch = 1 },
		  { .bad = 1, .stretch = 1 } },
		{ "it answers, but too late", 2, { .asked = 100, .bad = 1, .stretch = 1, .alive = 1 },
		  { .stretch = 8 } },
		{ "too few to tell", 2, { .asked = 63, .answered = 1, .bad = 1, .stretch = 1 },
		  { .good = 1, .stretch = 1 } },
		{ "neither good nor bad", 2, { .asked = 100, .answered = 75, .bad = 1, .good = 7,
					       .stretch = 4 }, { .stretch = 4 } },
		{ "still not good", 2, { .asked = 100, .answered = 93, .good = 7, .stretch = 4 },
		  { .stretch = 4 } },
		{ "good", 2, { .asked = 100, .answered = 94, .good = 6, .stretch = 4 },
		  { .good = 7, .stretch = 4 } },
		{ "good for long", 2, { .asked = 100, .answered = 94, .good = 7, .stretch = 4 },
		  { .stretch = 2 } },
		{ "a wave, and its answers late", 2, { .asked = 100, .answered = 100,
						       .asked_of_late = 400, .answered_of_late = 40,
						       .bad = 1, .stretch = 1 }, { .stretch = 4 } },
		{ "what was bad long ago", 2, { .asked = 100, .answered = 100, .asked_of_late = 10,
						.answered_of_late = 0, .bad = 1, .stretch = 1 },
		  { .good = 1, .stretch = 1 } },
		{ "later answers than questions", 2, { .asked = 100, .answered = 120, .good = 7,
						       .stretch = 2 }, { .stretch = 1 } },
	};
	struct fixture *f = *state;
	size_t i;

	relaying(f);
	for (i = 0; i < COUNT(cases); i++) {
		struct turn_pulse is = cases[i].is, pulse;

		f->config.heartbeat = cases[i].heartbeat * f->config.hz;
		write_config(f);
		is.began = now(f) - f->config.heartbeat / 2;
		is.alive |= is.answered != 0;
		pulse_write(f, is);
		voted_ago(f, f->config.heartbeat);
		beat(f, true);
		pulse = pulse_read(f);
		if (pulse.bad != cases[i].becomes.bad || pulse.good != cases[i].becomes.good ||
		    pulse.stretch != cases[i].becomes.stretch)
			fail_msg("%s: bad %u, good %u, stretch %u", cases[i].name, pulse.bad,
				 pulse.good, pulse.stretch);
		assert_int_equal(pulse.asked, 1); /* of the next round */
		assert_int_equal(pulse.answered, 1);
		assert_in_range(pulse.began, is.began + f->config.heartbeat / 2, now(f));
	}
}

/* Only what could be answered is asked: first packets of a channel, and those of one that the
 * server has never relayed, are not. */
static void the_pulse_counts_proven_channels(void **state)
{
	struct fixture *f = *state;
	struct turn_flow flow;
	int i;

	f->live = true;
	pulse_write(f, (struct turn_pulse){ .began = now(f), .stretch = 1 });
	allocate(f, 600);
	bind_channel(f, NUMBER, PEER);
	assert_int_equal(client_data(f, NUMBER, "first"), XDP_PASS);
	twin_to_peer(f, PEER, "first");
	assert_int_equal(pulse_read(f).asked, 0);
	assert_int_equal(pulse_read(f).answered, 0);
	for (i = 0; i < 3; i++) {
		voted_ago(f, f->config.heartbeat);
		beat(f, true);
		assert_int_equal(pulse_read(f).asked, i + 1);
		assert_int_equal(pulse_read(f).answered, i + 1);
	}
	/* missed, and not asked again while the sample waits for its twin */
	for (i = 0; i < 2; i++) {
		voted_ago(f, f->config.heartbeat);
		beat(f, false);
	}
	assert_int_equal(pulse_read(f).asked, 4);
	assert_int_equal(pulse_read(f).answered, 3);

	/* what was proven long ago speaks for itself alone */
	flow = flow_of(f, to_peer_key(NUMBER));
	flow.state = TURN_SUSPENDED;
	flow.confirmed = now(f) - 121 * f->config.hz;
	flow.sample.when = flow.deadline = 0;
	flow_write(f, to_peer_key(NUMBER), &flow);
	voted_ago(f, f->config.heartbeat);
	assert_int_equal(client_data(f, NUMBER, "again"), XDP_PASS);
	assert_int_equal(pulse_read(f).asked, 4);
}

/* However many channels: what one client's do not get from the server says little about it. The
 * votes of an allocation are a sixteenth of an interval apart, so that they see all of it. */
static void an_allocation_votes_now_and_then(void **state)
{
	struct fixture *f = *state;
	__u32 apart;
	int i, vote;

	f->live = true;
	f->config.heartbeat = 160 * f->config.hz;
	apart = f->config.heartbeat / 16;
	write_config(f);
	allocate(f, 600);
	pulse_write(f, (struct turn_pulse){ .began = now(f), .stretch = 1 });
	for (i = 0; i < 4; i++) {
		struct endpoint peer = { PEER.ip, BE16(7000 + i) };

		bind_channel(f, NUMBER + i, peer);
		prove(f, NUMBER + i, peer);
	}
	for (vote = 1; vote <= 3; vote++) {
		voted_ago(f, vote == 1 ? f->config.heartbeat : apart + 1);
		for (i = 0; i < 4; i++) {
			flow_due(f, to_peer_key(NUMBER + i));
			assert_int_equal(client_data(f, NUMBER + i, "beat"), XDP_PASS);
		}
		assert_int_equal(pulse_read(f).asked, vote);
		assert_int_equal(pulse_read(f).waiting, 4);
		for (i = 0; i < 4; i++)
			twin_to_peer(f, (struct endpoint){ PEER.ip, BE16(7000 + i) }, "beat");
		assert_int_equal(pulse_read(f).answered, vote);
		assert_int_equal(pulse_read(f).waiting, 0);

		voted_ago(f, apart - f->config.hz);
		flow_due(f, to_peer_key(NUMBER));
		assert_int_equal(client_data(f, NUMBER, "beat"), XDP_PASS);
		assert_int_equal(pulse_read(f).asked, vote);
		twin_to_peer(f, PEER, "beat");
	}
}

/* What a server that is short of CPU sends at last may be too old to be known again, and yet shows
 * that it lives. */
static void late_answers_are_a_sign_of_life(void **state)
{
	struct fixture *f = *state;

	relaying(f);
	pulse_write(f, (struct turn_pulse){ .began = now(f), .waiting = 100 });
	twin_to_peer(f, PEER2, "somebody else's");
	assert_int_equal(pulse_read(f).alive, 0);
	assert_int_equal(pulse_read(f).waiting, 100);
	twin_to_peer(f, PEER, "not the sample");
	assert_int_equal(pulse_read(f).alive, 1);
	assert_int_equal(pulse_read(f).waiting, 0);
	assert_int_equal(pulse_read(f).answered, 0);

	/* for the rest of the round */
	pulse_write(f, (struct turn_pulse){ .began = now(f) - f->config.heartbeat, .alive = 1 });
	beat(f, false);
	assert_int_equal(pulse_read(f).alive, 0);
}

/* What the server has to fragment has no twin, and nothing is missed for it. */
static void what_does_not_fit_is_no_heartbeat(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct turn_flow flow;
	int i;

	relaying(f);
	flow = flow_of(f, to_peer_key(NUMBER));
	flow.mtu = 20 + 8 + 4;
	flow_write(f, to_peer_key(NUMBER), &flow);
	flow_due(f, to_peer_key(NUMBER));
	before = counters(f);
	for (i = 0; i < 5; i++)
		assert_int_equal(client_data(f, NUMBER, "large"), XDP_PASS);
	expect_counted(f, &before, PASSED(MTU) = 5);
	assert_int_equal(flow_of(f, to_peer_key(NUMBER)).missed, 0);
	before = counters(f);
	assert_int_equal(client_data(f, NUMBER, "fits"), XDP_PASS);
	expect_counted(f, &before, .heartbeats = 1);
}

/* A flow is looked at every interval, and only every so many goes to the server. */
static void a_stretched_heartbeat_is_late(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct turn_flow flow;
	__u64 then;

	relaying(f);
	pulse_write(f, (struct turn_pulse){ .began = now(f), .stretch = 8, .left = 64 });
	then = now(f);
	beat(f, true);
	flow = flow_of(f, to_peer_key(NUMBER));
	assert_in_range(flow.due, then + f->config.heartbeat * 3 / 4,
			now(f) + f->config.heartbeat * 5 / 4);
	assert_in_range(flow.beat, then + f->config.heartbeat * 8 * 3 / 4,
			now(f) + f->config.heartbeat * 8 * 5 / 4);
	assert_int_equal(flow.deadline, flow.due);
	assert_int_equal(flow.proof, flow.confirmed + 4 * 8 * f->config.heartbeat);

	flow.due = flow.deadline = now(f);
	flow_write(f, to_peer_key(NUMBER), &flow);
	before = counters(f);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT); /* looked at, and relayed */
	expect_counted(f, &before, .to_peer_packets = 1, .to_peer_bytes = 4);
	flow = flow_of(f, to_peer_key(NUMBER));
	assert_true(flow.deadline > now(f));
	assert_int_equal(flow.missed, 0);

	/* the next look is never later than the heartbeat */
	flow.due = flow.deadline = now(f);
	flow.confirmed = now(f) - 60 * f->config.hz;
	flow.beat = now(f) + 5;
	flow_write(f, to_peer_key(NUMBER), &flow);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT);
	assert_int_equal(flow_of(f, to_peer_key(NUMBER)).deadline, flow.beat);
}

/* Some are left every half interval all the same: else nobody would notice that it falls silent. */
static void a_few_heartbeats_are_never_late(void **state)
{
	struct fixture *f = *state;
	const struct {
		struct turn_pulse is;
		bool beats;
	} cases[] = {
		{ { .began = now(f), .stretch = 8, .left = 64 }, false },
		{ { .began = now(f), .stretch = 8, .left = 63 }, true },
		{ { .began = now(f) - f->config.heartbeat / 2, .stretch = 8, .left = 64 }, true },
	};
	struct turn_flow flow;
	size_t i;

	relaying(f);
	beat(f, true);
	for (i = 0; i < COUNT(cases); i++) {
		pulse_write(f, cases[i].is);
		flow = flow_of(f, to_peer_key(NUMBER));
		flow.due = flow.deadline = now(f);
		flow.beat = flow.proof = now(f) + 100 * f->config.hz;
		flow_write(f, to_peer_key(NUMBER), &flow);
		assert_int_equal(client_data(f, NUMBER, "data"),
				 cases[i].beats ? XDP_PASS : XDP_REDIRECT);
		if (cases[i].beats)
			twin_to_peer(f, PEER, "data");
	}
	assert_int_equal(pulse_read(f).left, 1); /* in a round that has begun with it */
}

/* What was set before the server was found to be slow is put off, too. */
static void a_stretch_holds_at_once(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct turn_flow flow;

	relaying(f);
	pulse_write(f, (struct turn_pulse){ .began = now(f), .stretch = 8, .left = 64 });
	flow_due(f, to_peer_key(NUMBER));
	before = counters(f);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT);
	expect_counted(f, &before, .to_peer_packets = 1, .to_peer_bytes = 4);
	flow = flow_of(f, to_peer_key(NUMBER));
	assert_int_equal(flow.beat, flow.confirmed + 8 * f->config.heartbeat * 3 / 4);
	assert_true(flow.proof > flow.beat);
}

/* The longest frame that fits, and one that does not: as on the fast path. */
static void what_is_only_looked_at_must_fit(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct turn_flow flow;

	relaying(f);
	beat(f, true);
	flow = flow_of(f, to_peer_key(NUMBER));
	flow.due = flow.deadline = now(f);
	flow.beat = now(f) + f->config.hz;
	flow.mtu = 20 + 8 + 3;
	flow_write(f, to_peer_key(NUMBER), &flow);
	before = counters(f);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	expect_counted(f, &before, PASSED(MTU) = 1);
}

/* Six misses in a row suspend, however far apart; a proof from before the stretch does not end
 * before the next heartbeat. */
static void a_proof_lasts_until_a_late_heartbeat(void **state)
{
	struct fixture *f = *state;
	struct turn_flow flow;
	int i;

	relaying(f);
	flow = flow_of(f, to_peer_key(NUMBER));
	flow.proof = now(f) + f->config.hz;
	flow_write(f, to_peer_key(NUMBER), &flow);
	pulse_write(f, (struct turn_pulse){ .began = now(f), .stretch = 8, .left = 64 });
	for (i = 1; i < 6; i++) {
		beat(f, false);
		flow = flow_of(f, to_peer_key(NUMBER));
		assert_int_equal(flow.missed, i);
		assert_int_equal(flow.state, TURN_OFFLOADED);
		assert_true(flow.proof > flow.beat);
	}
	beat(f, false);
	assert_int_equal(flow_of(f, to_peer_key(NUMBER)).state, TURN_SUSPENDED);
}

/* A server that answers nobody is not waited for, however far apart the heartbeats are. */
static void silence_is_heard_between_late_heartbeats(void **state)
{
	static const struct {
		__u32 waiting, intervals; /* heartbeats without any answer, and since when */
		bool silent;
	} cases[] = { { 100, 2, false }, { 63, 9, false }, { 64, 4, true } };
	struct fixture *f = *state;
	struct turn_stats before;
	struct turn_flow flow;
	size_t i;

	relaying(f);
	for (i = 0; i < COUNT(cases); i++) {
		pulse_write(f, (struct turn_pulse){ .began = now(f), .stretch = 8, .left = 64,
						    .waiting = cases[i].waiting,
						    .since = now(f) - cases[i].intervals *
									      f->config.heartbeat });
		flow = flow_of(f, to_peer_key(NUMBER));
		flow.due = flow.deadline = now(f);
		flow.beat = flow.proof = now(f) + 100 * f->config.hz;
		flow_write(f, to_peer_key(NUMBER), &flow);
		before = counters(f);
		assert_int_equal(client_data(f, NUMBER, "data"),
				 cases[i].silent ? XDP_PASS : XDP_REDIRECT);
		if (cases[i].silent)
			expect_counted(f, &before, PASSED(UNCONFIRMED) = 1, EVENT(SUSPENDED) = 1);
	}
	/* one answer, to whomever, and it is heard again */
	twin_to_peer(f, PEER, "data");
	assert_int_equal(pulse_read(f).waiting, 0);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT);
}

/* A slow server's answers have waited in its queues: so does the sample. */
static void a_sample_waits_for_a_slow_server(void **state)
{
	static const struct {
		__u32 stretch, seconds;
		bool waits;
	} cases[] = { { 1, 2, false }, { 4, 2, true }, { 4, 5, false }, { 16, 3, true },
		      { 16, 5, false } };
	struct fixture *f = *state;
	struct turn_flow flow;
	size_t i;

	f->live = true;
	allocate(f, 600);
	for (i = 0; i < COUNT(cases); i++) {
		struct endpoint peer = { PEER.ip, BE16(7000 + i) };
		struct turn_key4 key = to_peer_key(NUMBER + i);

		bind_channel(f, NUMBER + i, peer);
		pulse_write(f, (struct turn_pulse){ .began = now(f), .stretch = cases[i].stretch });
		assert_int_equal(client_data(f, NUMBER + i, "first"), XDP_PASS);
		flow = flow_of(f, key);
		flow.sample.when = now(f) - cases[i].seconds * f->config.hz;
		flow_write(f, key, &flow);
		assert_int_equal(client_data(f, NUMBER + i, "second"), XDP_PASS);
		twin_to_peer(f, peer, "first");
		assert_int_equal(flow_of(f, key).state,
				 cases[i].waits ? TURN_OFFLOADED : TURN_BOUND);
	}
}

/* A wrong checksum: the stack drops it, so it is no heartbeat, and none is missed for it. */
static void an_unsound_packet_is_no_heartbeat(void **state)
{
	static const unsigned int lengths[] = { 0, 1, 7, 511, 512, 513, 1400 };
	struct fixture *f = *state;
	struct turn_stats before;
	__u8 data[1400], payload[1500];
	struct frame frame;
	size_t i;

	relaying(f);
	for (i = 0; i < COUNT(lengths); i++) {
		unsigned int j;

		for (j = 0; j < lengths[i]; j++)
			data[j] = j + i;
		frame_udp(&frame, CLIENT, SERVER, payload,
			  channel_data(payload, NUMBER, data, lengths[i], 0));
		flow_due(f, to_peer_key(NUMBER));
		frame.data[AT_UDP_CHECK] ^= 0x10;
		before = counters(f);
		assert_int_equal(receive(f, &frame, NULL), XDP_PASS);
		expect_counted(f, &before, PASSED(UDP_CHECKSUM) = 1);
		assert_int_equal(flow_of(f, to_peer_key(NUMBER)).missed, 0);

		frame.data[AT_UDP_CHECK] ^= 0x10;
		before = counters(f);
		assert_int_equal(receive(f, &frame, NULL), XDP_PASS);
		expect_counted(f, &before, .heartbeats = 1);
		frame_sent(&frame, RELAY, PEER, data, lengths[i]);
		server_sends(f, &frame);

		/* none at all is right */
		frame_udp(&frame, CLIENT, SERVER, payload,
			  channel_data(payload, NUMBER, data, lengths[i], 0));
		put16(frame.data + AT_UDP_CHECK, 0);
		flow_due(f, to_peer_key(NUMBER));
		before = counters(f);
		assert_int_equal(receive(f, &frame, NULL), XDP_PASS);
		expect_counted(f, &before, .heartbeats = 1);
		frame_sent(&frame, RELAY, PEER, data, lengths[i]);
		server_sends(f, &frame);
	}
}

/* However far apart the heartbeats are: the socket is looked for every interval. */
static void a_closed_socket_is_noticed_between_late_heartbeats(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct turn_flow flow;

	relaying(f);
	pulse_write(f, (struct turn_pulse){ .began = now(f), .stretch = 8, .left = 64 });
	beat(f, true);
	flow = flow_of(f, to_peer_key(NUMBER));
	flow.due = flow.deadline = now(f);
	flow.flags |= TURN_SOCKET_SEEN; /* nothing listens at RELAY */
	flow_write(f, to_peer_key(NUMBER), &flow);
	before = counters(f);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	expect_counted(f, &before, PASSED(ENDED) = 1, EVENT(SOCKET_GONE) = 1);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_PASS);
}

const struct test pulse_tests[] = {
	TEST(the_pulse_is_judged),
	TEST(the_pulse_counts_proven_channels),
	TEST(an_allocation_votes_now_and_then),
	TEST(late_answers_are_a_sign_of_life),
	TEST(what_does_not_fit_is_no_heartbeat),
	TEST(a_stretched_heartbeat_is_late),
	TEST(a_few_heartbeats_are_never_late),
	TEST(a_stretch_holds_at_once),
	TEST(what_is_only_looked_at_must_fit),
	TEST(a_proof_lasts_until_a_late_heartbeat),
	TEST(silence_is_heard_between_late_heartbeats),
	TEST(a_sample_waits_for_a_slow_server),
	TEST(an_unsound_packet_is_no_heartbeat),
	TEST(a_closed_socket_is_noticed_between_late_heartbeats),
	{},
};
