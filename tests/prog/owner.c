// SPDX-License-Identifier: GPL-2.0
/* A flow's owner, the CPU that its packets come to, counts without atomics. No count may be lost
 * by that, whatever other CPUs do, and no IP identification be used twice. */
#include "tests.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define OTHER_OWNER 1000000 /* no CPU's */

static void set_owner(struct fixture *f, __u32 owner)
{
	struct turn_flow flow = flow_of(f, to_peer_key(NUMBER));

	flow.owner = owner;
	flow_write(f, to_peer_key(NUMBER), &flow);
}

/* The IP identification of one packet relayed while @owner owns the flow. */
static __u16 relayed_id(struct fixture *f, __u32 owner)
{
	struct frame in, out;
	__u8 payload[64];

	set_owner(f, owner);
	frame_udp(&in, CLIENT, SERVER, payload, channel_data(payload, NUMBER, "data", 4, 0));
	assert_int_equal(receive(f, &in, &out), XDP_REDIRECT);
	return get16(out.data + AT_ID);
}

static void the_owner_and_others_count_apart(void **state)
{
	struct fixture *f = *state;
	__u32 here = sched_getcpu() + 1;
	struct turn_flow flow;
	__u16 id[6];
	int i, j;

	put_channel(f, NUMBER);
	for (i = 0; i < 6; i++)
		id[i] = relayed_id(f, i % 3 ? OTHER_OWNER : here);
	for (i = 0; i < 6; i++)
		for (j = 0; j < i; j++)
			assert_int_not_equal(id[i], id[j]);
	flow = flow_of(f, to_peer_key(NUMBER));
	assert_int_equal(flow.own.packets, 2);
	assert_int_equal(flow.own.bytes, 8);
	assert_int_equal(flow.others.packets, 4);
	assert_int_equal(flow.others.bytes, 16);
}

/* The first packet of a flow goes to the server: whoever has it owns the flow from then on. A later
 * change could lose what the old owner is just counting. */
static void the_first_packet_finds_the_owner(void **state)
{
	struct fixture *f = *state;
	struct turn_key4 keys[] = { to_peer_key(NUMBER), to_client_key(PEER) };
	int i;

	put_channel(f, NUMBER);
	for (i = 0; i < 2; i++) {
		assert_int_equal(flow_of(f, keys[i]).owner, 0);
		flow_due(f, keys[i]);
	}
	client_data(f, NUMBER, "data");
	peer_data(f, PEER, "data");
	for (i = 0; i < 2; i++)
		assert_int_equal(flow_of(f, keys[i]).owner, sched_getcpu() + 1);
	set_owner(f, OTHER_OWNER);
	flow_due(f, keys[0]);
	client_data(f, NUMBER, "data");
	assert_int_equal(flow_of(f, keys[0]).owner, OTHER_OWNER);
}

/* ---- two CPUs at once ------------------------------------------------------------------------ */

#define PACKETS 30000

struct sender {
	pthread_t thread;
	int cpu, program;
	struct frame frame;
	__u32 relayed;
};

static void *send_all(void *data)
{
	struct sender *sender = data;
	struct frame out;
	cpu_set_t here;
	int i;

	CPU_ZERO(&here);
	CPU_SET(sender->cpu, &here);
	if (pthread_setaffinity_np(pthread_self(), sizeof(here), &here))
		return NULL;
	for (i = 0; i < PACKETS; i++)
		sender->relayed += run_program(sender->program, &sender->frame, &out) ==
				   XDP_REDIRECT;
	return NULL;
}

static void no_count_is_lost_on_two_cpus(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before = counters(f);
	struct sender senders[2] = {};
	struct turn_flow flow;
	__u8 payload[64];
	int i, here = sched_getcpu();

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip();
	put_channel(f, NUMBER);
	set_owner(f, here + 1);
	for (i = 0; i < 2; i++) {
		struct sender *sender = &senders[i];

		sender->cpu = i ? !here : here; /* CPU 0 or 1 is another one */
		sender->program = f->program[f->fused ? TURNCTL_FUSED : TURNCTL_CLI2REM];
		frame_udp(&sender->frame, CLIENT, SERVER, payload,
			  channel_data(payload, NUMBER, "data", 4, 0));
		assert_int_equal(pthread_create(&sender->thread, NULL, send_all, sender), 0);
	}
	for (i = 0; i < 2; i++)
		pthread_join(senders[i].thread, NULL);
	assert_int_equal(senders[0].relayed, PACKETS);
	assert_int_equal(senders[1].relayed, PACKETS);
	flow = flow_of(f, to_peer_key(NUMBER));
	assert_int_equal(flow.own.packets, PACKETS);
	assert_int_equal(flow.own.bytes, 4 * PACKETS);
	assert_int_equal(flow.others.packets, PACKETS);
	assert_int_equal(flow.others.bytes, 4 * PACKETS);
	expect_counted(f, &before, .to_peer_packets = 2 * PACKETS, .to_peer_bytes = 8 * PACKETS);
}

const struct test owner_tests[] = {
	TEST(the_owner_and_others_count_apart),
	TEST(the_first_packet_finds_the_owner),
	TEST(no_count_is_lost_on_two_cpus),
	{},
};
