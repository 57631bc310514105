// SPDX-License-Identifier: GPL-2.0
/*
 * Frames that this host passes on, with the server's addresses as their source: a bridge's, a
 * container's. Only the server on this host speaks for the server.
 */
#include "tests.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/if_packet.h>

/* Passes on what arrives at @from to the device under test. */
static void forward(unsigned int from, unsigned int to)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = to },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = from, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1);

	bpf_tc_hook_create(&hook);
	opts.prog_fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "on", "GPL", code, COUNT(code), NULL);
	assert_true(opts.prog_fd > 0);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	close(opts.prog_fd);
}

static void stop_forwarding(unsigned int from)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = from,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	bpf_tc_hook_destroy(&hook);
}

/* From a device, as if from a wire: without any socket. */
static void from_a_wire(const struct frame *frame)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data, .data_size_in = frame->len,
		    .repeat = 1, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", code, COUNT(code), NULL);

	assert_true(fd > 0);
	assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0);
	close(fd);
}

/* From a container: by a socket of another namespace, through a veth pair, on which the packet
 * keeps its socket. */
static int container;

static void from_a_container(const struct frame *frame)
{
	assert_int_equal(send(container, frame->data, frame->len, 0), frame->len);
}

static void send_udp(void (*send_frame)(const struct frame *frame), struct endpoint from,
		     struct endpoint to, const void *data, unsigned int len)
{
	struct frame frame;

	frame_sent(&frame, from, to, data, len);
	send_frame(&frame);
}

/* Nothing that is sent on by @send_frame begins, confirms or ends anything. */
static void expect_no_say(struct fixture *f, void (*send_frame)(const struct frame *frame))
{
	struct turn_stats before;
	struct frame quoted, frame;
	__u8 payload[64];
	struct message m;

	ask_allocate(&m, 1);
	asks(f, &m);
	say_allocated(&m, 1, RELAY, 600);
	send_udp(send_frame, SERVER, CLIENT, m.data, m.len);
	assert_int_equal(map_count(f, "turn_allocs"), 0);

	allocate(f, 600);
	bind_channel(f, NUMBER, PEER);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_PASS);
	before = counters(f);
	send_udp(send_frame, RELAY, PEER, "data", 4);
	send_udp(send_frame, SERVER, CLIENT, payload,
		 channel_data(payload, NUMBER, "data", 4, 0));
	ask_refresh(&m, 2, 0);
	asks(f, &m);
	say_refreshed(&m, 2, 0);
	send_udp(send_frame, SERVER, CLIENT, m.data, m.len);
	frame_udp(&quoted, PEER, RELAY, "data", 4);
	frame_unreachable(&frame, &quoted);
	send_frame(&frame);
	expect_counted(f, &before, 0);

	/* whereas the server's own do (by the same device) */
	twin_to_peer(f, PEER, "data");
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT);
}

static void frames_from_a_wire_do_not_speak_for_the_server(void **state)
{
	struct fixture *f = *state;

	forward(if_nametoindex("lo"), f->ifindex);
	expect_no_say(f, from_a_wire);
	stop_forwarding(if_nametoindex("lo"));
}

/* A packet socket in a namespace of its own, at the far end of the device "pass0" here. */
static int open_container(void)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET };
	int home = open("/proc/self/ns/net", O_RDONLY), away, fd;
	char command[128];

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	away = open("/proc/self/ns/net", O_RDONLY);
	snprintf(command, sizeof(command),
		 "ip link add pass1 type veth peer name pass0 netns /proc/%d/fd/%d && "
		 "ip link set pass1 up", getpid(), home);
	if (system(command))
		fail_msg("%s", command);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	address.sll_ifindex = if_nametoindex("pass1");
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	assert_int_equal(system("ip link set pass0 up"), 0);
	close(home);
	close(away);
	return fd;
}

static void a_container_does_not_speak_for_the_server(void **state)
{
	struct fixture *f = *state;

	container = open_container();
	forward(if_nametoindex("pass0"), f->ifindex);
	expect_no_say(f, from_a_container);
	close(container);
}

const struct test forward_tests[] = {
	TEST_ONCE(frames_from_a_wire_do_not_speak_for_the_server),
	TEST_ONCE(a_container_does_not_speak_for_the_server),
	{},
};
