// SPDX-License-Identifier: GPL-2.0
/*
 * The whole way of a frame, live: into one device, through a stage attached as XDP, through the
 * devmap and the program on its entry, out of another device. Byte for byte as scapy has it.
 */
#include "tests.h"

#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>

#include "vector.h"

struct way {
	unsigned int in, out; /* the devices' ifindex */
	int sender, receiver; /* packet sockets at the far ends */
};

static int packet_socket(const char *device)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = BE16(0x0003),
				       .sll_ifindex = if_nametoindex(device) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void world(const char *command)
{
	if (system(command))
		fail_msg("%s", command);
}

/* Two pairs of devices. A frame redirected into a veth arrives only if its far end has GRO (or an
 * XDP program), from before it came up. */
static struct way open_way(void)
{
	struct way way;

	if (!if_nametoindex("in0")) {
		world("ip link add in0 type veth peer name in1");
		world("ip link add out0 type veth peer name out1");
		world("ethtool -K out1 gro on");
		world("for dev in in0 in1 out0 out1; do ip link set $dev up; done");
	}
	way.in = if_nametoindex("in0");
	way.out = if_nametoindex("out0");
	way.sender = packet_socket("in1");
	way.receiver = packet_socket("out1");
	return way;
}

static void close_way(struct fixture *f, struct way *way)
{
	static const char *const exits[] = { "turn_exits", "turn_plain" };
	size_t i;

	for (i = 0; i < COUNT(exits); i++)
		set_exit(f, exits[i], way->out, false);
	close(way->sender);
	close(way->receiver);
}

static void send_frame(const struct way *way, const struct frame *frame)
{
	assert_int_equal(send(way->sender, frame->data, frame->len, 0), frame->len);
}

/* The next frame at the far end, within a second. */
static void receive_frame(const struct way *way, struct frame *frame, const char *name)
{
	struct pollfd poller = { .fd = way->receiver, .events = POLLIN };
	ssize_t len;

	if (poll(&poller, 1, 1000) != 1)
		fail_msg("%s: nothing arrived", name);
	len = recv(way->receiver, frame->data, sizeof(frame->data), 0);
	assert_true(len > 0);
	frame->len = len;
}

static void drain(const struct way *way)
{
	struct frame frame;

	while (recv(way->receiver, frame.data, sizeof(frame.data), 0) > 0)
		;
}

/* Runs all vectors through @program; @to_peer and @to_client say which it takes. */
static void go_all_the_way(struct fixture *f, int program, __u32 mode, bool to_peer,
			   bool to_client)
{
	struct way way = open_way();
	struct frame in, out;
	size_t i, n = 0;

	set_exit(f, "turn_exits", way.out, true);
	set_exit(f, "turn_plain", way.out, true);
	assert_int_equal(bpf_xdp_attach(way.in, program, mode, NULL), 0);
	drain(&way);
	for (i = 0; i < vector_count; i++) {
		const struct vector *v = &all_vectors[i];

		if (!(v->to_peer ? to_peer : to_client))
			continue;
		vector_put(f, v, way.out);
		vector_frame(v, &in);
		send_frame(&way, &in);
		receive_frame(&way, &out, v->name);
		expect_frame(&out, v->go, v->go_len, v->name);
		n++;
	}
	bpf_xdp_detach(way.in, mode, NULL);
	close_way(f, &way);
	assert_true(n > 50);
}

static void strips_on_the_way_out(void **state)
{
	struct fixture *f = *state;

	go_all_the_way(f, f->program[TURNCTL_CLI2REM], XDP_FLAGS_DRV_MODE, true, false);
}

static void inserts_on_the_way_out(void **state)
{
	struct fixture *f = *state;

	go_all_the_way(f, f->program[TURNCTL_REM2CLI], XDP_FLAGS_DRV_MODE, false, true);
}

static void strips_on_the_way_out_generic(void **state)
{
	struct fixture *f = *state;

	go_all_the_way(f, f->program[TURNCTL_CLI2REM], XDP_FLAGS_SKB_MODE, true, false);
}

static void inserts_on_the_way_out_generic(void **state)
{
	struct fixture *f = *state;

	go_all_the_way(f, f->program[TURNCTL_REM2CLI], XDP_FLAGS_SKB_MODE, false, true);
}

static void the_fused_program_goes_all_the_way(void **state)
{
	struct fixture *f = *state;

	go_all_the_way(f, f->program[TURNCTL_FUSED], XDP_FLAGS_DRV_MODE, true, true);
}

static void the_fused_program_goes_all_the_way_generic(void **state)
{
	struct fixture *f = *state;

	go_all_the_way(f, f->program[TURNCTL_FUSED], XDP_FLAGS_SKB_MODE, true, true);
}

/* A frame of ours that cannot be shifted: it says so, it does not send it on. */
static void the_exit_aborts_what_it_cannot_shift(void **state)
{
	static const __u8 mark[] = { 0x00, 0x01, 0x45 };
	struct fixture *f = *state;
	struct frame in = { .len = 45 }, out;

	memcpy(in.data, device_mac, 6);
	memcpy(in.data + 12, mark, sizeof(mark));
	assert_int_equal(run_program(f->shift, &in, &out), XDP_ABORTED);
}

/* The kernel runs it on whatever shares a bulk with a frame of ours. */
static void the_exit_leaves_others_frames_alone(void **state)
{
	/* IPv4, IPv6, ARP, a VLAN tag, 802.3 with a length, and our marks before no IPv4 header */
	static const __u8 others[][3] = { { 0x08, 0x00, 0x45 }, { 0x86, 0xdd, 0x60 },
					  { 0x08, 0x06, 0x00 }, { 0x81, 0x00, 0x00 },
					  { 0x00, 0x26, 0x42 }, { 0x00, 0x01, 0x42 },
					  { 0x40, 0x00, 0x46 }, { 0x60, 0x03, 0x00 },
					  { 0x88, 0x47, 0x45 }, { 0x3f, 0xff, 0x45 },
					  { 0x80, 0x00, 0x45 }, { 0x00, 0x02, 0x45 } };
	struct fixture *f = *state;
	struct frame in = { .len = 60 }, out;
	size_t i;

	memcpy(in.data, device_mac, 6);
	for (i = 0; i < COUNT(others); i++) {
		memcpy(in.data + 12, others[i], 3);
		assert_int_equal(run_program(f->shift, &in, &out), XDP_PASS);
		expect_frame(&out, in.data, in.len, "another's frame");
	}
}

const struct test shift_tests[] = {
	TEST_ONCE(strips_on_the_way_out),
	TEST_ONCE(inserts_on_the_way_out),
	TEST_ONCE(strips_on_the_way_out_generic),
	TEST_ONCE(inserts_on_the_way_out_generic),
	TEST_ONCE(the_fused_program_goes_all_the_way),
	TEST_ONCE(the_fused_program_goes_all_the_way_generic),
	TEST_ONCE(the_exit_aborts_what_it_cannot_shift),
	TEST_ONCE(the_exit_leaves_others_frames_alone),
	{},
};
