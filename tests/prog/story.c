// SPDX-License-Identifier: GPL-2.0
/* The verbs that tests are told in: what clients, peers and the server do, and the tables. */
#include "fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

/* ---- packets --------------------------------------------------------------------------------- */

int client_data(struct fixture *f, __u16 number, const char *text)
{
	struct frame frame;
	__u8 payload[1500];

	frame_udp(&frame, CLIENT, SERVER, payload,
		  channel_data(payload, number, text, strlen(text), 0));
	return receive(f, &frame, NULL);
}

int peer_data(struct fixture *f, struct endpoint peer, const char *text)
{
	struct frame frame;

	frame_udp(&frame, peer, RELAY, text, strlen(text));
	return receive(f, &frame, NULL);
}

void asks_from(struct fixture *f, struct endpoint client, const struct message *m)
{
	struct frame frame;

	frame_udp(&frame, client, SERVER, m->data, m->len);
	assert_int_equal(receive(f, &frame, NULL), XDP_PASS);
}

void asks(struct fixture *f, const struct message *m)
{
	asks_from(f, CLIENT, m);
}

void answers_to(struct fixture *f, struct endpoint client, const struct message *m)
{
	struct frame frame;

	frame_sent(&frame, SERVER, client, m->data, m->len);
	server_sends(f, &frame);
}

void answers(struct fixture *f, const struct message *m)
{
	answers_to(f, CLIENT, m);
}

void twin_to_peer(struct fixture *f, struct endpoint peer, const char *text)
{
	struct frame frame;

	frame_sent(&frame, RELAY, peer, text, strlen(text));
	server_sends(f, &frame);
}

void twin_to_client(struct fixture *f, __u16 number, const char *text)
{
	struct frame frame;
	__u8 payload[1500];

	frame_sent(&frame, SERVER, CLIENT, payload,
		   channel_data(payload, number, text, strlen(text), 0));
	server_sends(f, &frame);
}

/* ---- stories --------------------------------------------------------------------------------- */

static unsigned int fresh_transaction(void)
{
	static unsigned int last = 1000;

	return last++;
}

void allocate(struct fixture *f, __u32 lifetime)
{
	unsigned int transaction = fresh_transaction();
	struct message m;

	ask_allocate(&m, transaction);
	asks(f, &m);
	say_allocated(&m, transaction, RELAY, lifetime);
	answers(f, &m);
}

void bind_channel(struct fixture *f, __u16 number, struct endpoint peer)
{
	unsigned int transaction = fresh_transaction();
	struct message m;

	ask_bind(&m, transaction, number, peer);
	asks(f, &m);
	say_success(&m, CHANNEL_BIND, transaction);
	answers(f, &m);
}

void prove(struct fixture *f, __u16 number, struct endpoint peer)
{
	assert_int_equal(client_data(f, number, "a client's first"), XDP_PASS);
	twin_to_peer(f, peer, "a client's first");
	assert_int_equal(peer_data(f, peer, "a peer's first"), XDP_PASS);
	twin_to_client(f, number, "a peer's first");
	assert_int_equal(flow_of(f, to_peer_key(number)).state, TURN_OFFLOADED);
	assert_int_equal(flow_of(f, to_client_key(peer)).state, TURN_OFFLOADED);
}

/* ---- flows ----------------------------------------------------------------------------------- */

struct turn_key4 key_of(struct endpoint from, struct endpoint to, __u16 number)
{
	return (struct turn_key4){ .saddr = from.ip, .daddr = to.ip, .sport = from.port,
				   .dport = to.port, .channel = BE16(number) };
}

struct turn_key4 to_peer_key(__u16 number)
{
	return key_of(CLIENT, SERVER, number);
}

struct turn_key4 to_client_key(struct endpoint peer)
{
	return key_of(peer, RELAY, 0);
}

bool flow_find(const struct fixture *f, struct turn_key4 key, struct turn_flow *flow)
{
	return !bpf_map_lookup_elem(map_of(f, "turn_flows"), &key, flow);
}

struct turn_flow flow_of(const struct fixture *f, struct turn_key4 key)
{
	struct turn_flow flow = {};

	assert_true(flow_find(f, key, &flow));
	return flow;
}

void flow_write(const struct fixture *f, struct turn_key4 key, const struct turn_flow *flow)
{
	assert_int_equal(bpf_map_update_elem(map_of(f, "turn_flows"), &key, flow, BPF_ANY), 0);
}

void flow_due(const struct fixture *f, struct turn_key4 key)
{
	struct turn_flow flow = flow_of(f, key);

	flow.deadline = flow.due = flow.beat = now(f);
	flow_write(f, key, &flow);
}

static void use_port(const struct fixture *f, __be16 port)
{
	struct turn_control c = { .operation = TURN_SERVE, .key[0].dport = port };

	assert_int_equal(control(f, &c), 0);
}

void put_channel(struct fixture *f, __u16 number)
{
	struct turn_flow flow = {
		.deadline = now(f) + 60 * f->config.hz,
		.slot = TEST_SLOT,
		.epoch = TEST_EPOCH,
		.channel = BE16(number),
		.ifindex = f->ifindex,
		.mtu = 1500,
		.state = TURN_OFFLOADED,
	};

	memcpy(flow.dmac, hop_mac, 6);
	memcpy(flow.smac, device_mac, 6);
	flow.saddr.v4 = RELAY.ip;
	flow.daddr.v4 = PEER.ip;
	flow.sport = RELAY.port;
	flow.dport = PEER.port;
	flow_write(f, to_peer_key(number), &flow);
	flow.saddr.v4 = SERVER.ip;
	flow.daddr.v4 = CLIENT.ip;
	flow.sport = SERVER.port;
	flow.dport = CLIENT.port;
	flow_write(f, to_client_key(PEER), &flow);
	use_port(f, SERVER.port);
	use_port(f, RELAY.port);
	epoch_write(f, TEST_SLOT, TEST_EPOCH);
}

/* ---- allocations, permissions ---------------------------------------------------------------- */

bool alloc_find(const struct fixture *f, struct endpoint client, struct turn_alloc *alloc)
{
	struct turn_key4 key = key_of(client, SERVER, 0);

	return !bpf_map_lookup_elem(map_of(f, "turn_allocs"), &key, alloc);
}

void alloc_write(const struct fixture *f, struct endpoint client, const struct turn_alloc *alloc)
{
	struct turn_key4 key = key_of(client, SERVER, 0);

	/* with the lock's flag, the kernel writes the element in place and leaves its timer be */
	assert_int_equal(bpf_map_update_elem(map_of(f, "turn_allocs"), &key, alloc,
					     BPF_EXIST | BPF_F_LOCK), 0);
}

void epoch_write(const struct fixture *f, __u32 slot, __u32 epoch)
{
	struct turn_slot value = { .epoch = epoch, .used = 1 };

	assert_int_equal(bpf_map_update_elem(map_of(f, "turn_slots"), &slot, &value, BPF_ANY), 0);
}

static struct turn_permission_key permission_key(const struct fixture *f, struct endpoint peer)
{
	struct turn_permission_key key = {};
	struct turn_alloc alloc;

	assert_true(alloc_find(f, CLIENT, &alloc));
	key.slot = alloc.slot;
	key.epoch = alloc.epoch;
	key.peer.v4 = peer.ip;
	return key;
}

bool permission_find(const struct fixture *f, struct endpoint peer, struct turn_permission *p)
{
	struct turn_permission_key key = permission_key(f, peer);

	return !bpf_map_lookup_elem(map_of(f, "turn_perms"), &key, p);
}

void permission_write(const struct fixture *f, struct endpoint peer,
		      const struct turn_permission *p)
{
	struct turn_permission_key key = permission_key(f, peer);

	assert_int_equal(bpf_map_update_elem(map_of(f, "turn_perms"), &key, p, BPF_EXIST), 0);
}

unsigned int map_count(const struct fixture *f, const char *name)
{
	int fd = map_of(f, name);
	__u8 keys[2][64];
	unsigned int n = 0;

	while (!bpf_map_get_next_key(fd, n ? keys[(n - 1) & 1] : NULL, keys[n & 1]))
		n++;
	return n;
}

__u32 port_users(const struct fixture *f, __be16 port)
{
	__u32 *users = malloc(65536 * sizeof(__u32)), count, zero = 0;

	assert_non_null(users);
	assert_int_equal(bpf_map_lookup_elem(map_of(f, "turn_ports"), &zero, users), 0);
	count = users[BE16(port)];
	free(users);
	return count;
}
