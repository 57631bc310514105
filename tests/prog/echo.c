// SPDX-License-Identifier: GPL-2.0
/*
 * A service that sends back what it is sent, on a port that an operator took for a TURN server's.
 * Its clients choose what it "answers": nothing may be learned from it.
 */
#include "relaying.h"
#include "tests.h"

#include <string.h>

#include <bpf/bpf.h>

/* A message reaches the listener, and leaves it again. */
static void echoes(struct fixture *f, const struct message *m)
{
	asks(f, m);
	answers(f, m);
}

/* An Allocate of @client and the answer to it, whoever has said that. True if it is learned. */
static bool learns(struct fixture *f, struct endpoint client, unsigned int transaction)
{
	struct turn_stats before = counters(f), after;
	struct message m;

	ask_allocate(&m, transaction);
	asks_from(f, client, &m);
	say_allocated(&m, transaction, RELAY, 600);
	answers_to(f, client, &m);
	after = counters(f);
	return after.events[TURN_EVENT_ALLOCATED] - before.events[TURN_EVENT_ALLOCATED];
}

/* The doubts that there are, all so many seconds older. */
static void doubts_age(struct fixture *f, unsigned int seconds)
{
	static struct turn_doubts doubts;
	int fd = map_of(f, "turn_doubts");
	__u32 zero = 0;
	size_t i;

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &doubts), 0);
	if (doubts.everybody)
		doubts.everybody -= seconds;
	for (i = 0; i < COUNT(doubts.about); i++)
		if (doubts.about[i])
			doubts.about[i] -= seconds;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &doubts, BPF_ANY), 0);
}

/* The request, and then its own answer, both sent back. */
static void an_echo_grants_no_allocation(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before = counters(f);
	struct message m;

	ask_allocate(&m, 1);
	echoes(f, &m);
	say_allocated(&m, 1, RELAY, 600);
	echoes(f, &m);
	assert_int_equal(map_count(f, "turn_allocs"), 0);
	expect_counted(f, &before, EVENT(ECHOED) = 2, EVENT(DOUBTED) = 1);
}

/* Each of the two signs is enough: the client hides the other one. And it may come before the
 * request to which it is the answer. */
static void an_answer_from_a_client_is_doubted(void **state)
{
	struct fixture *f = *state;
	struct message m;

	say_allocated(&m, 1, RELAY, 600);
	asks(f, &m);
	assert_false(learns(f, CLIENT, 2));
	assert_true(learns(f, CLIENT2, 3));
	doubts_age(f, 8);
	assert_false(learns(f, CLIENT, 4));
	doubts_age(f, 3);
	assert_true(learns(f, CLIENT, 5));
}

static void a_request_that_leaves_is_doubted(void **state)
{
	struct fixture *f = *state;
	struct message m;

	ask_allocate(&m, 1);
	asks(f, &m);
	answers(f, &m);
	say_allocated(&m, 1, RELAY, 600);
	answers(f, &m);
	assert_int_equal(map_count(f, "turn_allocs"), 0);
}

/* Somebody has told the host of a small path MTU: what is echoed leaves in pieces. */
static void a_request_that_leaves_in_fragments_is_doubted(void **state)
{
	struct fixture *f = *state;
	struct frame frame;
	struct message m;

	ask_allocate(&m, 1);
	asks(f, &m);
	frame_sent(&frame, SERVER, CLIENT, m.data, m.len);
	put16(frame.data + AT_FRAGMENT, 0x2000);
	frame_fix_ip(&frame);
	server_sends(f, &frame);
	say_allocated(&m, 1, RELAY, 600);
	answers(f, &m);
	assert_int_equal(map_count(f, "turn_allocs"), 0);
}

/* An answer that comes long after its request is somebody's who has had to wait for an occasion. */
static void an_answer_comes_in_time(void **state)
{
	static const struct {
		__u32 seconds;
		bool again, in_time;
	} cases[] = { { 9, false, true }, { 11, false, false }, { 11, true, true } };
	struct fixture *f = *state;
	struct turn_pending pending;
	struct turn_pending4 key;
	struct turn_stats before;
	struct message m;
	size_t i;

	for (i = 0; i < COUNT(cases); i++) {
		ask_allocate(&m, 20 + i);
		asks(f, &m);
		memset(&key, 0, sizeof(key));
		key.tuple = key_of(CLIENT, SERVER, 0);
		memcpy(key.transaction, m.data + 8, sizeof(key.transaction));
		assert_int_equal(bpf_map_lookup_elem(map_of(f, "turn_pendings"), &key, &pending), 0);
		pending.when -= cases[i].seconds * f->config.hz;
		assert_int_equal(bpf_map_update_elem(map_of(f, "turn_pendings"), &key, &pending,
						     BPF_EXIST), 0);
		if (cases[i].again)
			asks(f, &m);
		say_allocated(&m, 20 + i, RELAY, 600);
		before = counters(f);
		answers(f, &m);
		expect_counted(f, &before, EVENT(ALLOCATED) = cases[i].in_time,
			       EVENT(UNMATCHED) = !cases[i].in_time);
	}
}

/* ---- what a client may send that the fast path does not read --------------------------------- */

/* Inserts @len bytes at @at. */
static void insert(struct frame *frame, unsigned int at, const void *bytes, unsigned int len)
{
	memmove(frame->data + at + len, frame->data + at, frame->len - at);
	memcpy(frame->data + at, bytes, len);
	frame->len += len;
}

/* @count VLAN tags with VLAN 0, of which only the priority counts. */
static void tag(struct frame *frame, unsigned int count, unsigned int ethertype)
{
	__u8 bytes[4] = { 0, 0, 0xe0, 0 };

	put16(bytes, ethertype);
	while (count--)
		insert(frame, AT_ETHERTYPE, bytes, sizeof(bytes));
}

/* Of the datagram's payload only the first @len bytes, and @fragment in the header's field. */
static void cut(struct frame *frame, unsigned int len, unsigned int fragment)
{
	put16(frame->data + AT_FRAGMENT, fragment);
	put16(frame->data + AT_IP_LENGTH, 28 + len);
	frame->len = AT_PAYLOAD + len;
	frame_fix_ip(frame);
	if (frame->len < 60) { /* as Ethernet does */
		memset(frame->data + frame->len, 0, 60 - frame->len);
		frame->len = 60;
	}
}

static void to_a_group(struct frame *frame) { memset(frame->data, 0xff, 6); }
static void tagged(struct frame *frame) { tag(frame, 1, 0x8100); }
static void service_tagged(struct frame *frame) { tag(frame, 1, 0x88a8); }
static void tagged_four_times(struct frame *frame) { tag(frame, 4, 0x8100); }
static void tagged_five_times(struct frame *frame) { tag(frame, 5, 0x8100); }
static void in_fragments(struct frame *frame) { cut(frame, 24, 0x2000); }
static void in_tiny_fragments(struct frame *frame) { cut(frame, 0, 0x2000); }
static void last_fragment(struct frame *frame) { cut(frame, 24, 0x0003); }
static void plain(struct frame *frame) { (void)frame; }
static void corrupt(struct frame *frame) { frame->data[AT_UDP_CHECK] ^= 1; }

static void with_options(struct frame *frame)
{
	static const __u8 nops[40] = { [0 ... 39] = 1 };

	insert(frame, AT_UDP, nops, sizeof(nops));
	frame->data[AT_IP] = 0x4f;
	put16(frame->data + AT_IP_LENGTH, get16(frame->data + AT_IP_LENGTH) + sizeof(nops));
	frame_fix_ip(frame);
}

static void tagged_fragments(struct frame *frame)
{
	in_tiny_fragments(frame);
	tagged(frame);
}

/* Which a service that is bound to all of them takes, too. */
static void to_another_address(struct frame *frame)
{
	put16(frame->data + AT_DESTINATION + 2, 0x6402);
	frame_fix_ip(frame);
	frame_fix_udp(frame);
}

static void fragments_to_another_address(struct frame *frame)
{
	to_another_address(frame);
	in_tiny_fragments(frame);
}

static void to_another_port(struct frame *frame)
{
	put16(frame->data + AT_UDP + 2, 9);
	in_tiny_fragments(frame);
}

/* ... but not if what is seen of it is no answer to an Allocate. */
static void another_answer(struct frame *frame)
{
	put16(frame->data + AT_PAYLOAD, SUCCESS | REFRESH);
	in_fragments(frame);
}

static void channel_data_in_fragments(struct frame *frame)
{
	put16(frame->data + AT_PAYLOAD, NUMBER);
	in_fragments(frame);
}

static void too_short_for_an_answer(struct frame *frame)
{
	cut(frame, 1, 0);
	put16(frame->data + AT_UDP_LENGTH, 8 + 1);
}

static const struct {
	const char *name;
	void (*make)(struct frame *frame); /* of an answer to an Allocate, sent by CLIENT */
	enum { NOBODY, THAT_CLIENT, EVERYBODY } doubted;
} forms[] = {
	{ "plain", plain, THAT_CLIENT },
	{ "wrong checksum", corrupt, THAT_CLIENT },
	{ "to a group's MAC", to_a_group, THAT_CLIENT },
	{ "priority tag", tagged, THAT_CLIENT },
	{ "service tag", service_tagged, THAT_CLIENT },
	{ "four tags", tagged_four_times, THAT_CLIENT },
	{ "five tags", tagged_five_times, EVERYBODY },
	{ "IP options", with_options, THAT_CLIENT },
	{ "fragments", in_fragments, THAT_CLIENT },
	{ "tiny fragments", in_tiny_fragments, THAT_CLIENT },
	{ "tiny fragments behind a tag", tagged_fragments, THAT_CLIENT },
	{ "to another address", to_another_address, THAT_CLIENT },
	{ "fragments to another address", fragments_to_another_address, THAT_CLIENT },
	{ "not the first fragment", last_fragment, NOBODY },
	{ "to another port", to_another_port, NOBODY },
	{ "another answer, in fragments", another_answer, NOBODY },
	{ "ChannelData in fragments", channel_data_in_fragments, NOBODY },
	{ "one byte", too_short_for_an_answer, NOBODY },
};

static void on_client_device(struct fixture *f, const struct frame *frame)
{
	assert_int_equal(receive(f, frame, NULL), XDP_PASS);
}

static void on_relay_device(struct fixture *f, const struct frame *frame)
{
	int program = f->fused ? f->fused_relay : f->rem2cli_relay;
	struct frame out;

	assert_int_equal(run_program(program, frame, &out), XDP_PASS);
	assert_int_equal(out.len, frame->len);
	assert_memory_equal(out.data, frame->data, frame->len);
}

static void try_all_forms(struct fixture *f,
			  void (*arrives)(struct fixture *, const struct frame *))
{
	struct turn_stats before;
	struct frame frame;
	struct message m;
	size_t i;

	f->config.listener[0].ip.v4 = SERVER.ip;
	write_config(f);
	for (i = 0; i < COUNT(forms); i++) {
		case_name = forms[i].name;
		doubts_age(f, 12);
		say_allocated(&m, 1, RELAY, 600);
		frame_udp(&frame, CLIENT, SERVER, m.data, m.len);
		forms[i].make(&frame);
		before = counters(f);
		arrives(f, &frame);
		expect_counted(f, &before, EVENT(ECHOED) = forms[i].doubted != NOBODY);
		assert_int_equal(learns(f, CLIENT, 100 + i), forms[i].doubted == NOBODY);
		assert_int_equal(learns(f, CLIENT2, 100 + i), forms[i].doubted != EVERYBODY);
	}
	case_name = "";
}

static void answers_from_clients_are_doubted_in_all_forms(void **state)
{
	try_all_forms(*state, on_client_device);
}

/* Who has a second way to the server may send them by that. */
static void answers_by_a_relay_device_are_doubted_in_all_forms(void **state)
{
	try_all_forms(*state, on_relay_device);
}

/* What the stack drops, no server answers: an answer is the client's own. */
static void requests_that_the_stack_drops_are_not_remembered(void **state)
{
	static const char *const names[] = { "UDP checksum", "IP checksum", "none is sound" };
	struct fixture *f = *state;
	struct turn_stats before;
	struct frame frame;
	struct message m;
	int i;

	for (i = 0; i < 3; i++) {
		case_name = names[i];
		ask_allocate(&m, i);
		frame_udp(&frame, CLIENT, SERVER, m.data, m.len);
		if (i == 0)
			frame.data[frame.len - 1] ^= 1;
		else if (i == 1)
			frame.data[AT_IP_CHECK] ^= 1;
		else
			put16(frame.data + AT_UDP_CHECK, 0);
		before = counters(f);
		assert_int_equal(receive(f, &frame, NULL), XDP_PASS);
		if (i < 2)
			expect_counted(f, &before, EVENT(UNSOUND) = 1);
		say_allocated(&m, i, RELAY, 600);
		before = counters(f);
		answers(f, &m);
		if (i < 2)
			expect_counted(f, &before, EVENT(UNMATCHED) = 1);
		assert_int_equal(map_count(f, "turn_allocs"), i == 2);
	}
	case_name = "";
}

/* The listener's own port, which an echo is at, is no relay's, at whatever address. */
static void a_listener_is_no_relay(void **state)
{
	static const struct endpoint relays[] = { SERVER, { IP(198, 51, 100, 2), BE16(3478) } };
	struct fixture *f = *state;
	struct turn_stats before;
	struct message m;
	size_t i;

	f->config.listener[0].ip.v4 = SERVER.ip;
	write_config(f);
	for (i = 0; i < COUNT(relays); i++) {
		ask_allocate(&m, i);
		asks(f, &m);
		say_allocated(&m, i, relays[i], 600);
		before = counters(f);
		answers(f, &m);
		assert_int_equal(map_count(f, "turn_allocs"), 0);
		expect_counted(f, &before, EVENT(ECHOED) = 1);
	}
}

const struct test echo_tests[] = {
	TEST(an_echo_grants_no_allocation),
	TEST(an_answer_from_a_client_is_doubted),
	TEST(a_request_that_leaves_is_doubted),
	TEST(a_request_that_leaves_in_fragments_is_doubted),
	TEST(answers_from_clients_are_doubted_in_all_forms),
	TEST(answers_by_a_relay_device_are_doubted_in_all_forms),
	TEST(requests_that_the_stack_drops_are_not_remembered),
	TEST(a_listener_is_no_relay),
	TEST(an_answer_comes_in_time),
	{},
};
