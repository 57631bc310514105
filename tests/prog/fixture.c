// SPDX-License-Identifier: GPL-2.0
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

static void die(const char *what)
{
	fprintf(stderr, "test_prog: %s: %s\n", what, strerror(errno));
	exit(99); /* automake's "hard error" */
}

/* libbpf's warnings are worth seeing, but for one: libxdp's section is none of its business. */
static int libbpf_says(enum libbpf_print_level level, const char *format, va_list ap)
{
	if (level == LIBBPF_DEBUG || strstr(format, "skipping unrecognized data section"))
		return 0;
	return vfprintf(stderr, format, ap);
}

/* ---- the world ------------------------------------------------------------------------------- */

void fixture_world(void)
{
	static const char *const commands[] = {
		"ip link set lo up",
		"ip link add wire0 address 02:00:00:00:00:01 type veth peer name wire1",
		"sysctl -qw net.ipv6.conf.all.disable_ipv6=1",
		"ip address add 198.51.100.1/24 dev wire0",
		"ip link set wire0 up",
		"ip link set wire1 up",
		"tc qdisc add dev wire0 clsact",
	};
	cpu_set_t cpus;
	size_t i;

	if (unshare(CLONE_NEWNET))
		die("unshare: be root");
	for (i = 0; i < COUNT(commands); i++)
		if (system(commands[i]))
			die(commands[i]);
	/* a chain leaves its note on the CPU it runs on */
	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("sched_setaffinity");
}

void lo_forwarding(bool on)
{
	int fd = open("/proc/sys/net/ipv4/conf/lo/forwarding", O_WRONLY);

	if (fd < 0 || write(fd, on ? "1" : "0", 1) != 1)
		die("lo.forwarding");
	close(fd);
}

/* ---- loading --------------------------------------------------------------------------------- */

static void share_maps(struct bpf_object *object, struct bpf_object *with)
{
	struct bpf_map *map, *shared;

	bpf_object__for_each_map(map, object) {
		if (strstr(bpf_map__name(map), ".rodata"))
			continue;
		shared = bpf_object__find_map_by_name(with, bpf_map__name(map));
		if (shared && bpf_map__reuse_fd(map, bpf_map__fd(shared)))
			die(bpf_map__name(map));
	}
}

static struct bpf_object *open_program(enum turnctl_program which, enum turn_role role)
{
	struct turn_self self = { .device = TEST_DEVICE, .role = role };
	bool exit_program = which == TURNCTL_SHIFT;
	struct turnctl_error err = {};
	struct bpf_object *object;

	memcpy(self.mac, device_mac, sizeof(self.mac));
	object = turnctl_object_open(which, NULL, exit_program ? NULL : &self, NULL, &err);
	if (!object)
		die(turnctl_program_name(which));
	return object;
}

static int load_program(struct bpf_object *object, enum turnctl_program which)
{
	if (bpf_object__load(object))
		die(turnctl_program_name(which));
	return turnctl_object_fd(object, which);
}

/* An exit program as plain XDP, so that it can be test-run. */
static int load_plain(struct bpf_object **object, enum turnctl_program which)
{
	*object = open_program(which, TURN_ROLE_CLIENT);
	bpf_program__set_expected_attach_type(bpf_object__next_program(*object, NULL), 0);
	return load_program(*object, which);
}

static void attach_egress(struct fixture *f)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = f->ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 2, .flags = BPF_TC_F_REPLACE,
		    .prog_fd = f->program[TURNCTL_EGRESS]);

	if (bpf_tc_attach(&hook, &opts))
		die("cannot attach turn_egress");
}

static int packet_socket(unsigned int ifindex)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = ifindex };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die("packet socket");
	return fd;
}

static int load_for_relay(struct bpf_object **object, enum turnctl_program which,
			  struct bpf_object *shared)
{
	*object = open_program(which, TURN_ROLE_RELAY);
	share_maps(*object, shared);
	return load_program(*object, which);
}

static void resize(struct bpf_object *object, const char *map, unsigned int entries)
{
	if (entries)
		bpf_map__set_max_entries(bpf_object__find_map_by_name(object, map), entries);
}

void fixture_open(struct fixture *f, unsigned int channels, unsigned int allocations,
		  unsigned int permissions)
{
	struct bpf_object *shared;
	int i;

	memset(f, 0, sizeof(*f));
	libbpf_set_print(libbpf_says);
	f->ifindex = if_nametoindex("wire0");
	shared = f->object[TURNCTL_CONTROL] = open_program(TURNCTL_CONTROL, TURN_ROLE_CLIENT);
	resize(shared, "turn_flows", 2 * channels);
	resize(shared, "turn_allocs", allocations);
	resize(shared, "turn_perms", permissions);
	f->program[TURNCTL_CONTROL] = load_program(shared, TURNCTL_CONTROL);
	for (i = 0; i < TURNCTL_PROGRAMS; i++) {
		if (i == TURNCTL_CONTROL)
			continue;
		f->object[i] = open_program(i, TURN_ROLE_CLIENT);
		share_maps(f->object[i], shared);
		f->program[i] = load_program(f->object[i], i);
	}
	f->shift = load_plain(&f->object[TURNCTL_PROGRAMS], TURNCTL_SHIFT);
	f->fused_relay = load_for_relay(&f->object[TURNCTL_PROGRAMS + 1], TURNCTL_FUSED, shared);
	f->rem2cli_relay =
		load_for_relay(&f->object[TURNCTL_PROGRAMS + 2], TURNCTL_REM2CLI, shared);
	f->sender = packet_socket(f->ifindex);
}

void fixture_close(struct fixture *f)
{
	size_t i;

	for (i = 0; i < COUNT(f->object); i++)
		bpf_object__close(f->object[i]);
	close(f->sender);
}

/* ---- a clean start --------------------------------------------------------------------------- */

int map_of(const struct fixture *f, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(f->object[TURNCTL_CONTROL], name);

	if (fd < 0)
		fd = bpf_object__find_map_fd_by_name(f->object[TURNCTL_CLI2REM], name);
	if (fd < 0)
		die(name);
	return fd;
}

static void empty(const struct fixture *f, const char *map)
{
	int fd = map_of(f, map);
	__u8 key[64];

	while (!bpf_map_get_next_key(fd, NULL, key))
		bpf_map_delete_elem(fd, key);
}

static void zero_entry(const struct fixture *f, const char *map, __u32 key, size_t size)
{
	size_t room = size * libbpf_num_possible_cpus();
	void *zeros = calloc(1, room);

	if (bpf_map_update_elem(map_of(f, map), &key, zeros, BPF_ANY))
		die(map);
	free(zeros);
}

void write_config(struct fixture *f)
{
	__u32 zero = 0;

	if (bpf_map_update_elem(map_of(f, "turn_config"), &zero, &f->config, BPF_ANY))
		die("turn_config");
}

void set_exit(struct fixture *f, const char *map, unsigned int ifindex, bool there)
{
	struct bpf_devmap_val exit = { .ifindex = ifindex, .bpf_prog.fd = -1 };

	if (!there) {
		bpf_map_delete_elem(map_of(f, map), &ifindex);
		return;
	}
	if (!strcmp(map, "turn_exits"))
		exit.bpf_prog.fd = f->program[TURNCTL_SHIFT];
	if (bpf_map_update_elem(map_of(f, map), &ifindex, &exit, BPF_ANY))
		die(map);
}

static __u32 ticks_a_second(void)
{
	struct timespec tick;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return (1000000000 + tick.tv_nsec / 2) / tick.tv_nsec;
}

static void reset(struct fixture *f)
{
	struct turn_control serve = { .operation = TURN_SERVE, .key[0].dport = SERVER.port };
	static const char *const exits[] = { "turn_exits", "turn_plain" };
	static const char *const hashes[] = { "turn_allocs", "turn_flows", "turn_perms",
					      "turn_pendings" };
	struct bpf_map_info slots = {};
	__u32 size = sizeof(slots), i;

	for (i = 0; i < COUNT(hashes); i++)
		empty(f, hashes[i]);
	for (i = 0; i < COUNT(exits); i++)
		set_exit(f, exits[i], f->ifindex, true);
	bpf_obj_get_info_by_fd(map_of(f, "turn_slots"), &slots, &size);
	for (i = 0; i < slots.max_entries; i++)
		bpf_map_update_elem(map_of(f, "turn_slots"), &i, &(struct turn_slot){}, BPF_ANY);
	for (i = 0; i < TURN_DEVICES; i++)
		zero_entry(f, "turn_stats", i, sizeof(struct turn_stats));
	zero_entry(f, "turn_ports", 0, 65536 * sizeof(__u32));
	zero_entry(f, "turn_declined", 0, 64);
	zero_entry(f, "turn_doubts", 0, sizeof(struct turn_doubts));
	zero_entry(f, "turn_pulse", 0, sizeof(struct turn_pulse));
	case_name = "";


	memset(&f->config, 0, sizeof(f->config));
	f->config.hz = ticks_a_second();
	f->config.heartbeat = 2 * f->config.hz;
	f->config.channel_lifetime = 600;
	f->config.permission_lifetime = 300;
	f->config.allocation_lifetime = 600;
	f->config.slots = slots.max_entries;
	f->config.max_channels = 1024;
	f->config.listener[0].port = SERVER.port;
	write_config(f);
	control(f, &serve);
	attach_egress(f);
	lo_forwarding(false);
	f->live = false;
}

int fixture_begin(void **state)
{
	static struct fixture fixture;

	if (!fixture.object[0])
		fixture_open(&fixture, 0, 0, 0);
	reset(&fixture);
	fixture.fused = *state != NULL;
	*state = &fixture;
	return 0;
}

void fixture_like(struct fixture *small, const struct fixture *f, unsigned int channels,
		  unsigned int allocations, unsigned int permissions)
{
	fixture_open(small, channels, allocations, permissions);
	reset(small);
	small->fused = f->fused;
}

/* ---- running programs ------------------------------------------------------------------------ */

int run_program(int fd, const struct frame *in, struct frame *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->data, .data_size_in = in->len,
		    .data_out = out->data, .data_size_out = sizeof(out->data), .repeat = 1);

	if (bpf_prog_test_run_opts(fd, &opts))
		die("BPF_PROG_TEST_RUN");
	out->len = opts.data_size_out;
	return opts.retval;
}

int control(const struct fixture *f, struct turn_control *c)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = c, .data_size_in = sizeof(*c), .data_out = c,
		    .data_size_out = sizeof(*c), .repeat = 1);

	if (bpf_prog_test_run_opts(f->program[TURNCTL_CONTROL], &opts))
		die("turn_control");
	return opts.retval;
}

__u64 now(const struct fixture *f)
{
	struct turn_control c = { .operation = TURN_NOW };

	control(f, &c);
	return c.now;
}

int receive(struct fixture *f, const struct frame *in, struct frame *out)
{
	static const enum turnctl_program chain[] = { TURNCTL_CLI2REM, TURNCTL_REM2CLI,
						      TURNCTL_STUN, TURNCTL_HEARTBEAT };
	static const enum turnctl_program fused[] = { TURNCTL_FUSED };
	const enum turnctl_program *programs = f->fused ? fused : chain;
	size_t count = f->fused ? COUNT(fused) : COUNT(chain), i;
	struct frame left, exit;
	int verdict = XDP_PASS;

	for (i = 0; i < count && verdict == XDP_PASS; i++) {
		verdict = run_program(f->program[programs[i]], in, &left);
		if (verdict == XDP_PASS)
			expect_frame(&left, in->data, in->len,
				     turnctl_program_name(programs[i]));
	}
	if (verdict == XDP_PASS)
		return verdict;
	assert_int_equal(verdict, XDP_REDIRECT); /* it never drops by decision */
	if (!f->fused) {
		assert_int_equal(run_program(f->shift, &left, &exit), XDP_PASS);
		left = exit;
	}
	if (out)
		*out = left;
	return verdict;
}

void server_sends(struct fixture *f, const struct frame *frame)
{
	struct __sk_buff skb = { .ifindex = f->ifindex }, skb_out;
	struct frame out;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data, .data_size_in = frame->len,
		    .data_out = out.data, .data_size_out = sizeof(out.data), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb), .ctx_out = &skb_out,
		    .ctx_size_out = sizeof(skb_out), .repeat = 1);

	if (f->live) {
		assert_int_equal(send(f->sender, frame->data, frame->len, 0), frame->len);
		return;
	}
	if (bpf_prog_test_run_opts(f->program[TURNCTL_EGRESS], &opts))
		die("turn_egress");
	out.len = opts.data_size_out;
	assert_int_equal((int)opts.retval, TC_ACT_UNSPEC);
	expect_frame(&out, frame->data, frame->len, "turn_egress");
}
