// SPDX-License-Identifier: GPL-2.0
/* The server's sockets: relaying ends with them, and nobody else's packets prove anything. Also
 * what else may come of a packet on its way out: port unreachable, a VLAN tag. */
#include "relaying.h"
#include "tests.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/if_packet.h>

static int udp_socket(struct endpoint at)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = at.ip,
				       .sin_port = at.port };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Another socket whose frames leave by the device, as those of f->sender do. */
static int packet_socket(const struct fixture *f)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = f->ifindex };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* A heartbeat of each direction. */
static void beat(struct fixture *f)
{
	flow_due(f, to_peer_key(NUMBER));
	flow_due(f, to_client_key(PEER));
	assert_int_equal(client_data(f, NUMBER, "beat"), XDP_PASS);
	assert_int_equal(peer_data(f, PEER, "beat"), XDP_PASS);
}

/* Within one heartbeat of either direction, both stop. */
static void stops_when_the_relay_socket_is_closed(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	int fd = udp_socket(RELAY);

	relaying(f);
	beat(f);
	assert_true(flow_of(f, to_peer_key(NUMBER)).flags & TURN_SOCKET_SEEN);
	assert_true(flow_of(f, to_client_key(PEER)).flags & TURN_SOCKET_SEEN);
	expect_relaying(f);
	close(fd);
	flow_due(f, to_client_key(PEER));
	before = counters(f);
	assert_int_equal(peer_data(f, PEER, "beat"), XDP_PASS);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	expect_counted(f, &before, PASSED(ENDED) = 2, EVENT(SOCKET_GONE) = 1);
}

static void a_client_packet_finds_the_socket_gone_too(void **state)
{
	struct fixture *f = *state;
	int fd = udp_socket(RELAY);

	relaying(f);
	close(fd);
	flow_due(f, to_peer_key(NUMBER));
	assert_int_equal(client_data(f, NUMBER, "beat"), XDP_PASS);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_PASS);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
}

/* "Not found" means something only for a socket that was found once. */
static void a_socket_that_was_never_seen_is_not_missed(void **state)
{
	struct fixture *f = *state;

	relaying(f);
	beat(f);
	expect_relaying(f);
}

/* A wildcard socket at that port is somebody else's, or hides the relay's. */
static void a_wildcard_socket_is_not_the_relays(void **state)
{
	struct fixture *f = *state;
	int fd = udp_socket((struct endpoint){ 0, RELAY.port });

	relaying(f);
	beat(f);
	assert_false(flow_of(f, to_peer_key(NUMBER)).flags & TURN_SOCKET_SEEN);
	close(fd);
	twin_to_peer(f, PEER, "beat");
	twin_to_client(f, NUMBER, "beat");
	beat(f);
	expect_relaying(f);
}

static void a_wildcard_socket_does_not_stand_in_for_the_relays(void **state)
{
	struct fixture *f = *state;
	int fd = udp_socket(RELAY);

	relaying(f);
	beat(f);
	close(fd);
	fd = udp_socket((struct endpoint){ 0, RELAY.port });
	flow_due(f, to_peer_key(NUMBER));
	assert_int_equal(client_data(f, NUMBER, "beat"), XDP_PASS);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	close(fd);
}

/* The port has passed to another socket: whoever that is, it is not this allocation. */
static void a_twin_from_another_socket_ends_the_allocation(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct frame frame;
	int other = packet_socket(f);

	relaying(f);
	beat(f);
	before = counters(f);
	frame_sent(&frame, RELAY, PEER, "beat", 4);
	assert_int_equal(send(other, frame.data, frame.len, 0), frame.len);
	close(other);
	expect_counted(f, &before, EVENT(OTHER_SOCKET) = 1);
	expect_ended(f);
}

/* Whereas a new allocation has a new socket. */
static void a_new_allocation_may_have_another_socket(void **state)
{
	struct fixture *f = *state;
	int old = f->sender;

	relaying(f);
	f->sender = packet_socket(f);
	close(old);
	relaying(f);
	expect_relaying(f);
}

/* Public address told, nothing configured, and the relay's socket is at the listener's. */
static void finds_the_relay_behind_nat_by_its_socket(void **state)
{
	const struct endpoint told = { IP(192, 0, 2, 200), RELAY.port };
	struct fixture *f = *state;
	struct turn_alloc alloc;
	struct message m;
	int fd = udp_socket(RELAY);

	ask_allocate(&m, 1);
	asks(f, &m);
	say_allocated(&m, 1, told, 600);
	answers(f, &m);
	close(fd);
	assert_true(alloc_find(f, CLIENT, &alloc));
	assert_int_equal(alloc.relay.v4, RELAY.ip);
	assert_int_equal(alloc.public_relay.v4, told.ip);
}

/* Our host answered a peer's packet: nobody is there. Back to waiting for a proof. */
static void port_unreachable_suspends(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	struct frame quoted, frame;

	relaying(f);
	frame_udp(&quoted, PEER, RELAY, "data", 4);
	frame_unreachable(&frame, &quoted);
	before = counters(f);
	server_sends(f, &frame);
	expect_counted(f, &before, EVENT(UNREACHABLE) = 1);
	before = counters(f);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_PASS);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	expect_counted(f, &before, PASSED(UNREACHABLE) = 2);
	twin_to_peer(f, PEER, "data");
	twin_to_client(f, NUMBER, "data");
	expect_relaying(f);
}

/* Every other kind of ICMP, about whatever, is let go. */
static void other_icmp_changes_nothing(void **state)
{
	static const struct {
		unsigned int at, value;
	} changes[] = {
		{ 34, 11 },                    /* time exceeded */
		{ 34, 0 },                     /* echo reply */
		{ 35, 1 },                     /* host unreachable */
		{ 35, 4 },                     /* fragmentation needed */
		{ 42, 0x46 },                  /* quotes options */
		{ 42 + 9, 6 },                 /* quotes TCP */
		{ 42 + 15, 99 },               /* from another address */
		{ 42 + 21, 99 },               /* from another port */
		{ 42 + 23, 99 },               /* to another port */
	};
	struct fixture *f = *state;
	struct turn_stats before;
	struct frame quoted, frame;
	size_t i;

	relaying(f);
	before = counters(f);
	frame_udp(&quoted, PEER, RELAY, "data", 4);
	for (i = 0; i < COUNT(changes); i++) {
		frame_unreachable(&frame, &quoted);
		frame.data[changes[i].at] = changes[i].value;
		server_sends(f, &frame);
	}
	frame_unreachable(&frame, &quoted);
	for (; frame.len > 20; frame.len -= 7) {
		if (frame.len < 42 + 28)
			server_sends(f, &frame);
	}
	expect_counted(f, &before, 0);
	expect_relaying(f);
}

/* A program that puts a tag onto what leaves, as a VLAN device would have done; 1 is ahead of
 * turn_egress. */
static void tag_what_leaves(const struct fixture *f, bool on)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = BE16(0x8100) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 5 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_vlan_push },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = f->ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1);

	if (!on) {
		assert_int_equal(bpf_tc_detach(&hook, &opts), 0);
		return;
	}
	opts.prog_fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "tag", "GPL", code, COUNT(code), NULL);
	assert_true(opts.prog_fd > 0);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	close(opts.prog_fd);
}

/* The server's packets leave with a VLAN tag, which we do not write. */
static void tagged_channels_are_left_to_the_server(void **state)
{
	struct fixture *f = *state;
	struct turn_stats before;
	int i;

	f->live = true;
	allocate(f, 600);
	bind_channel(f, NUMBER, PEER);
	tag_what_leaves(f, true);
	for (i = 0; i < 2; i++) {
		before = counters(f);
		assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
		twin_to_peer(f, PEER, "data");
		if (i == 0)
			expect_counted(f, &before, PASSED(BOUND) = 1);
		else
			expect_counted(f, &before, PASSED(TAGGED) = 1);
	}
	tag_what_leaves(f, false);
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	twin_to_peer(f, PEER, "data");
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT);
}

const struct test socket_tests[] = {
	TEST(stops_when_the_relay_socket_is_closed),
	TEST(a_client_packet_finds_the_socket_gone_too),
	TEST(a_socket_that_was_never_seen_is_not_missed),
	TEST(a_wildcard_socket_is_not_the_relays),
	TEST(a_wildcard_socket_does_not_stand_in_for_the_relays),
	TEST(a_twin_from_another_socket_ends_the_allocation),
	TEST(a_new_allocation_may_have_another_socket),
	TEST_ONCE(finds_the_relay_behind_nat_by_its_socket),
	TEST(port_unreachable_suspends),
	TEST(other_icmp_changes_nothing),
	TEST(tagged_channels_are_left_to_the_server),
	{},
};
