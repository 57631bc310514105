/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every map of an instance. The command creates and pins them once, sized by --max-channels, and
 * every program that is loaded later is given those (bpf_map__reuse_fd), so the sizes here are
 * only what the tests run with.
 */
#ifndef TURN_MAPS_H
#define TURN_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "packet.h"

/* For loops that call a helper: Linux 6.1 takes some of them, as clang lays them out, for loops
 * that never end ("back-edge"). */
#define TURN_UNROLL _Pragma("unroll")

/*
 * @size, which is known to be 1 to @most (a power of two), in a form in which every verifier sees
 * that: the compiler likes to check one register and to use another.
 */
static __always_inline __u32 turn_size(__u32 size, __u32 most)
{
	packet_opaque(size);
	return ((size - 1) & (most - 1)) + 1;
}

/* Which device this copy of the program runs on. Set before loading. */
const volatile struct turn_self turn_self = {};

/* Both directions of every channel, learned or static. Plain hash: a full table refuses the new,
 * it never forgets the live. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, struct turn_key4);
	__type(value, struct turn_flow);
} turn_flows SEC(".maps");

/* By 5-tuple. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct turn_key4);
	__type(value, struct turn_alloc);
} turn_allocs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2048);
	__type(key, __u32);
	__type(value, struct turn_slot);
} turn_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct turn_permission_key);
	__type(value, struct turn_permission);
} turn_perms SEC(".maps");

/* Allocate requests in flight. Anyone can send those, so the oldest make way. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct turn_pending4);
	__type(value, struct turn_pending);
} turn_pendings SEC(".maps");

/* How many flows and listeners there are at a local UDP port: what is at none of these ports is
 * let go before any hash is computed. */
struct turn_ports {
	__u32 users[65536];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct turn_ports);
} turn_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct turn_config);
} turn_config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct turn_doubts);
} turn_doubts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct turn_pulse);
} turn_pulse SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TURN_DEVICES);
	__type(key, __u32);
	__type(value, struct turn_device);
} turn_devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TURN_DEVICES);
	__type(key, __u32);
	__type(value, struct turn_stats);
} turn_stats SEC(".maps");

/* A fast stage's note to the heartbeat stage about the packet in hand (chain.h). */
struct turn_declined {
	struct turn_key4 key;
	__u32 verdict;
	__u32 noted; /* 1 until the heartbeat stage has read it */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct turn_declined);
} turn_declined SEC(".maps");

/* The exits, by ifindex: with turn_shift for the chained stages, and bare for the fused program,
 * which has shifted the packet already. */
struct turn_devmap {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, TURN_DEVICES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct bpf_devmap_val));
};

struct turn_devmap turn_exits SEC(".maps");
struct turn_devmap turn_plain SEC(".maps");

#endif
