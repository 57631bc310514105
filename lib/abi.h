/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything that the kernel programs and the command share: keys and values of the pinned maps,
 * the reasons that are counted, and the layout's version. The one definition of each.
 *
 * Addresses, ports and channel numbers are in network byte order wherever their type is __be*.
 * Times are jiffies64 unless the name says otherwise: the fast path's clock must cost nothing
 * (bpf_jiffies64 is inlined). turn_config.hz turns them into seconds.
 *
 * IPv6 will come as tables of its own with other keys; values hold addresses of either family.
 */
#ifndef TURN_ABI_H
#define TURN_ABI_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/types.h>

/* Raised whenever a map's layout changes. It is part of the pin's path. */
#define TURN_ABI 3

#define TURN_DEVICES 32   /* attached devices of one instance */
#define TURN_HEARTBEAT_MOST 60 /* s between two heartbeats of a direction */
#define TURN_STRETCH_MOST 16 /* s, of a stretched interval: turn-rs closes a session after 20 s */
#define TURN_LISTENERS 16 /* served listeners of one instance */
#define TURN_EXTERNAL 16  /* --external-ip mappings */
#define TURN_REQUESTS 8   /* requests in flight that are remembered per allocation */
#define TURN_REQUEST_PEERS 4
#define TURN_CHANNEL_BITS 4096 /* see turn_alloc.channels */

/* Priorities in libxdp's dispatcher: lower runs first. The default is 50 and xdp-filter's 10. */
#define TURN_PRIO 60

union turn_ip {
	__u64 words[2]; /* first, so that = {} clears all 16 bytes, not just the first member's */
	__be32 v4;
	__u8 v6[16];
};

/* An IPv4 address with the other 12 bytes 0. (An initialiser { .v4 = x } leaves them undefined.) */
static inline __attribute__((always_inline)) union turn_ip turn_ip4(__be32 address)
{
	union turn_ip ip = {};

	ip.v4 = address;
	return ip;
}

/* ---- flows: one direction of one channel --------------------------------------------------- */

/*
 * The key of a direction is what stands in its packets when they reach this machine:
 *   client to peer: client, server, and the ChannelData's number;
 *   peer to client: peer, relayed transport address, and channel 0.
 */
struct turn_key4 {
	__be32 saddr, daddr;
	__be16 sport, dport;
	__be16 channel;
	__u16 zero;
};

enum turn_state {
	TURN_BOUND = 0, /* sanctioned, not proven: packets go to the server */
	TURN_OFFLOADED, /* proven by a twin: relayed here */
	TURN_SUSPENDED, /* the proof ran out, see turn_flow.reason */
};

enum turn_flow_flags {
	TURN_STATIC = 1 << 0,      /* an operator's: no server, no proof, no expiry */
	TURN_WITHDRAWN = 1 << 1,   /* an operator took it out of the kernel, until its next bind */
	TURN_SOCKET_SEEN = 1 << 2, /* the relay socket was once found under exactly its address */
};

/*
 * What is remembered of the last packet that was left to the server, so that the server's own
 * packet that carries the same data (the twin) can be recognised.
 */
struct turn_sample {
	__u64 when; /* 0: none outstanding */
	__u64 head; /* the first 8 bytes of application data, fewer are filled with 0 */
	__u64 tail; /* the last 8 */
	__u32 length;
	__u32 asked; /* counts in turn_pulse */
};

/* A neighbour entry that turnctl has made a managed one, for a static channel. */
struct turn_kept {
	__u64 zero; /* turn_sample.when: there is none outstanding */
	union turn_ip ip;
	__u32 ifindex; /* 0: none, or somebody else has it managed */
	__u32 zero2;
};

/* Frames relayed, and application data in them. */
struct turn_relayed {
	__u64 packets, bytes;
};

struct turn_flow {
	/* what the fast path reads */
	__u64 deadline; /* relay before it: the earliest of @due, @until and the proof's end */
	__u32 slot;     /* of the allocation: turn_slots[slot].epoch must be @epoch */
	__u32 epoch;
	union turn_ip saddr, daddr; /* the new header's addresses and ports */
	__be16 sport, dport;
	__be16 channel; /* the channel's number, in both directions */
	__u16 mtu;      /* largest IP packet that the way out takes, bytes */
	__u32 ifindex;  /* egress device */
	__u8 dmac[ETH_ALEN], smac[ETH_ALEN];
	__u8 state;  /* enum turn_state */
	__u8 reason; /* enum turn_reason: why @state is not TURN_OFFLOADED */
	__u16 zero;
	__u32 owner; /* CPU + 1 that saw the first packet, and as a rule sees all; 0: none yet */
	/* counted by the fast path: the flow's count is the sum */
	struct turn_relayed own;    /* by the owner, without atomics, which cost 5 ns each */
	struct turn_relayed others; /* by all other CPUs, atomically */
	/* the slow path's */
	__u64 heartbeats;
	__u64 passed; /* left to the server for any other reason */
	__u64 created;
	__u64 expires;   /* of the channel */
	__u64 until;     /* earliest end of channel, permission, allocation when last reckoned */
	__u64 due;       /* when to look at it again: is its allocation's socket still there? */
	__u64 confirmed; /* when the last twin was seen, 0 = never */
	union {
		struct turn_sample sample; /* learned */
		struct turn_kept kept;     /* static: what is to be given back in the end */
	};
	union turn_ip hop; /* static: the next hop whose MAC @dmac is */
	__u32 missed; /* heartbeats since the last twin */
	__u32 flags;  /* enum turn_flow_flags */
	__u64 beat;   /* next heartbeat; @due, unless heartbeats are stretched (turn_pulse) */
	__u64 proof;  /* until when the last twin is proof enough */
	/* a hash table's element is 64 bytes longer than this: whole cache lines */
	__u64 room[2];
};

_Static_assert(sizeof(struct turn_key4) == 16, "a hole in a hash key is never equal to itself");
_Static_assert(sizeof(struct turn_sample) == 32, "layout");
_Static_assert(sizeof(struct turn_kept) == sizeof(struct turn_sample), "one in the other's place");
_Static_assert(sizeof(struct turn_flow) == 256, "layout: raise TURN_ABI with it");

/* ---- allocations ----------------------------------------------------------------------------- */

/* A slot's epoch is what the channels of one allocation live by: raising it stops all of them at
 * once. Slot 0 belongs to the static channels and its epoch stays 0. */
struct turn_slot {
	__u32 epoch;
	__u32 used;
};

/* A request that the server has not answered yet. */
struct turn_request {
	__u8 transaction[12];
	__u16 method;  /* enum stun_method, 0 = free */
	__u8 poisoned; /* another request came under the same transaction */
	__u8 family;   /* REQUESTED-ADDRESS-FAMILY, 0 = none */
	__be16 channel;
	__be16 port; /* of the peer */
	__u32 peers;
	union turn_ip peer[TURN_REQUEST_PEERS];
};

/* The key of an allocation is its 5-tuple (RFC 8656 section 3.2), UDP: client, server, channel 0.
 * The key of an Allocate in flight has the transaction too. */
struct turn_pending4 {
	struct turn_key4 tuple;
	__u8 transaction[12];
	__u32 zero;
};

/* Seconds in which a request is answered, if it is at all; it is sent anew before, else. */
#define TURN_ANSWER_LASTS 10

struct turn_pending {
	__u64 when; /* seen last, in jiffies */
	__u8 poisoned;
	__u8 transport;
	__u8 family;
	__u8 zero;
};

struct turn_alloc {
	struct bpf_timer timer;    /* sweeps what has ended */
	struct bpf_spin_lock lock; /* guards @request */
	__u32 slot, epoch;
	__be16 relay_port;
	__u16 zero;
	union turn_ip relay; /* relayed transport address as it is on the wire here */
	union turn_ip public_relay; /* as the server told the client: differs behind 1:1 NAT */
	__u64 created;
	__u64 expires;
	__u64 armed;  /* when the timer fires, 0 = not armed */
	__u64 cookie; /* of the relay socket, 0 = not seen yet */
	__u8 transaction[12]; /* of the Allocate, to know its retransmissions by */
	__u32 next; /* request[next % TURN_REQUESTS] is replaced when all are in use */
	__u64 voted; /* when last one of its heartbeats was counted in turn_pulse.asked */
	struct turn_request request[TURN_REQUESTS];
	/* bit (number & 0xfff): a channel 0x4nnn, 0x5nnn, 0x6nnn or 0x7nnn may be in turn_flows */
	__u64 channels[TURN_CHANNEL_BITS / 64];
};

_Static_assert(sizeof(struct turn_request) == 88, "layout");
_Static_assert(sizeof(struct turn_alloc) == 1336, "layout: raise TURN_ABI with it");
_Static_assert(sizeof(struct turn_pending4) == 32, "layout");

/* Permissions are shared by the channels of an allocation (RFC 8656 section 9). Only those that a
 * channel needs are kept. */
struct turn_permission_key {
	__u32 slot, epoch;
	union turn_ip peer;
};

struct turn_permission {
	__u64 expires;
	__u32 channels; /* how many flows need it */
	__u32 zero;
};

/* ---- configuration --------------------------------------------------------------------------- */

struct turn_listener {
	union turn_ip ip; /* all zero: any local address */
	__be16 port;      /* 0: unused entry */
	__u16 zero;
};

/* --external-ip PUB[/PRIV]: what the server tells its clients, and what is on the wire. */
struct turn_external {
	union turn_ip pub;
	union turn_ip priv; /* all zero: the listener's own address */
};

enum turn_config_flags {
	TURN_SET_LO_FORWARDING = 1 << 0, /* net.ipv4.conf.lo.forwarding was 0: ours to reset */
};

struct turn_config {
	__u32 hz;        /* jiffies a second */
	__u32 heartbeat; /* jiffies between the heartbeats of one direction */
	__u32 channel_lifetime;    /* seconds, RFC 8656 section 12: 600 */
	__u32 permission_lifetime; /* seconds, section 9: 300 */
	__u32 allocation_lifetime; /* seconds, of a response without LIFETIME; section 3.2: 600 */
	__u32 slots;         /* size of turn_slots */
	__u32 max_channels;
	__u32 mode;  /* enum turn_mode: one for all devices, since devmaps join them */
	__u32 flags; /* enum turn_config_flags */
	__u32 zero;
	__u64 netns; /* inode of the network namespace that the devices are in */
	struct turn_listener listener[TURN_LISTENERS];
	struct turn_external external[TURN_EXTERNAL];
};

/* ---- the server's pulse ---------------------------------------------------------------------- */

/* Heartbeats of proven channels, counted for half an interval (a round) or more. */
struct turn_pulse {
	__u64 began; /* the round */
	__u64 since; /* the first of those since which the server has sent nothing */
	__u32 waiting;
	__u32 alive;    /* it has sent something in this round */
	__u32 asked;    /* went to the server */
	__u32 answered; /* were relayed by it */
	__u32 asked_of_late, answered_of_late; /* in earlier rounds, each worth half the next */
	__u32 bad, good; /* rounds in a row: some were answered, but too few; or nearly all */
	__u32 stretch; /* the interval is multiplied by this; 0 is 1 */
	__u32 left;    /* heartbeats in this round, whether they vote or not */
};

/* ---- doubts about listeners ------------------------------------------------------------------ */

/* When a client was last seen to send what only a server says (bpf/doubts.h), by a hash of its
 * address and port, and when somebody was of whom it cannot be told who it is. In seconds. */
#define TURN_DOUBTS (1 << 17)

struct turn_doubts {
	__u32 everybody;
	__u32 about[TURN_DOUBTS];
};

/* ---- devices --------------------------------------------------------------------------------- */

enum turn_role {
	TURN_ROLE_CLIENT = 1, /* clients are here, and perhaps peers */
	TURN_ROLE_RELAY,      /* peers are here */
};

enum turn_mode {
	TURN_NATIVE = 1,
	TURN_SKB,
};

enum turn_device_flags {
	TURN_FUSED = 1 << 0,
	TURN_MADE_CLSACT = 1 << 1, /* the clsact qdisc is ours to remove */
	TURN_TCX = 1 << 2,         /* egress hook: tcx link (pinned), else a clsact filter */
	TURN_UP = 1 << 3,          /* XDP went on: the attach came to its end */
};

/* The command's own notes of what it did to a device, so that a later command can undo it. */
struct turn_device {
	__u32 ifindex; /* 0: unused entry */
	__u32 role;    /* enum turn_role */
	__u32 flags;   /* enum turn_device_flags */
	__u32 prio;    /* of the first stage; the others follow */
	char name[16];
	__u8 mac[ETH_ALEN];
	__u16 zero;
};

/* What is built into the programs of one device (their read-only data). */
struct turn_self {
	__u32 device; /* index into turn_stats and turn_devices */
	__u32 role;   /* enum turn_role */
	__u8 mac[ETH_ALEN];
	__u16 zero;
};

/* ---- counters -------------------------------------------------------------------------------- */

/*
 * Why a packet of a known channel was left to the server. The last to decide counts, so for each
 * device: frames that hit a known key = relayed + heartbeats + the sum of these.
 */
#define TURN_REASONS(X)                                                                          \
	X(BOUND, "bound", "waiting for the server to relay one packet itself")                    \
	X(UNCONFIRMED, "unconfirmed",                                                             \
	  "not proven of late: the server relayed none of the last heartbeats")                   \
	X(EXPIRED_CHANNEL, "expired-channel", "the channel's lifetime is over")                   \
	X(EXPIRED_PERMISSION, "expired-permission", "the permission's lifetime is over")          \
	X(EXPIRED_ALLOCATION, "expired-allocation", "the allocation's lifetime is over")          \
	X(ENDED, "ended", "the allocation was given up, or its socket is gone")                   \
	X(WITHDRAWN, "withdrawn", "taken out of the kernel until the next ChannelBind")           \
	X(UNREACHABLE, "unreachable", "this host answered port unreachable")                      \
	X(TAKEN, "taken", "another client's channel has the same peer and relay address")         \
	X(TAGGED, "tagged", "the server's packets leave with a VLAN tag")                         \
	X(NO_ROUTE, "no-route", "no route to the next hop")                                       \
	X(NO_NEIGHBOUR, "no-neighbour", "the next hop's MAC address is not known")                \
	X(NO_DEVICE, "no-device", "the egress device is not attached")                            \
	X(OTHER_MAC, "other-mac", "not addressed to this device's MAC")                           \
	X(LENGTH, "length", "the lengths in the headers disagree")                                \
	X(CHANNEL_LENGTH, "channel-length", "the ChannelData length does not fit")                \
	X(TTL, "ttl", "TTL would become 0")                                                       \
	X(MTU, "mtu", "larger than the egress MTU")                                               \
	X(IP_CHECKSUM, "ip-checksum", "wrong IP header checksum")                                 \
	X(PARTIAL_CHECKSUM, "partial-checksum",                                                   \
	  "UDP checksum left to the hardware by a local sender")                                  \
	X(UDP_CHECKSUM, "udp-checksum", "wrong UDP checksum, as seen at a heartbeat")

/* What the slow path did or saw, besides packets. */
#define TURN_EVENTS(X)                                                                           \
	X(ALLOCATED, "allocated", "an allocation was learned")                                    \
	X(REFRESHED, "refreshed", "an allocation was refreshed")                                  \
	X(RELEASED, "released", "an allocation was ended by Refresh with lifetime 0")             \
	X(MISMATCH, "mismatch", "an allocation was ended by error 437")                           \
	X(BOUND_CHANNEL, "bound-channel", "a channel was learned")                                \
	X(REBOUND_CHANNEL, "rebound-channel", "a channel was renewed")                            \
	X(PERMITTED, "permitted", "a permission was renewed")                                     \
	X(CONFIRMED, "confirmed", "a twin was seen")                                              \
	X(SUSPENDED, "suspended", "a direction ran out of proof")                                 \
	X(SOCKET_GONE, "socket-gone", "the relay socket was closed")                              \
	X(OTHER_SOCKET, "other-socket", "another socket sends from the relay address")            \
	X(UNREACHABLE, "unreachable", "this host answered port unreachable")                      \
	X(KEY_TAKEN, "key-taken", "a channel lost its peer and relay address to a newer one")     \
	X(SWEPT, "swept", "a channel that had ended was removed")                                 \
	X(UNSOUND, "unsound", "a STUN request with a wrong checksum, which no server gets to see") \
	X(ECHOED, "echoed",                                                                       \
	  "an answer from a client, or a request from a listener: an echo service?")              \
	X(DOUBTED, "doubted", "an allocation was not learned: its answer may be an echo")         \
	X(IRREGULAR, "irregular", "a STUN message that leaves room for two readings")             \
	X(TOO_LONG, "too-long", "a STUN message longer than what is learned from")                \
	X(POISONED, "poisoned", "two requests under one transaction")                             \
	X(UNKNOWN_ALLOCATION, "unknown-allocation", "a request of a 5-tuple without allocation")  \
	X(UNMATCHED, "unmatched", "a response to no remembered request")                          \
	X(FULL_ALLOCATIONS, "full-allocations", "no room for another allocation")                 \
	X(FULL_CHANNELS, "full-channels", "no room for another channel")                          \
	X(FULL_PERMISSIONS, "full-permissions", "no room for another permission")

#define TURN_ENUM(name, word, text) TURN_REASON_##name,
enum turn_reason { TURN_REASONS(TURN_ENUM) TURN_REASON_COUNT };
#undef TURN_ENUM

#define TURN_ENUM(name, word, text) TURN_EVENT_##name,
enum turn_event { TURN_EVENTS(TURN_ENUM) TURN_EVENT_COUNT };
#undef TURN_ENUM

#define TURN_REASON_ROOM 32 /* a power of two, so that a mask bounds the index */
#define TURN_EVENT_ROOM 32

_Static_assert(TURN_REASON_COUNT <= TURN_REASON_ROOM && TURN_EVENT_COUNT <= TURN_EVENT_ROOM,
	       "raise the room, and TURN_ABI with it");

/* One of these per device and CPU. */
struct turn_stats {
	__u64 to_peer_packets, to_peer_bytes;     /* relayed; bytes of application data */
	__u64 to_client_packets, to_client_bytes;
	__u64 heartbeats;
	__u64 passed[TURN_REASON_ROOM];
	__u64 events[TURN_EVENT_ROOM];
};

/* ---- the control program --------------------------------------------------------------------- */

/*
 * Live elements must not be written by a map update from user space (it would lose counters and
 * kill timers), so the command asks `turn_control` to do it, by BPF_PROG_TEST_RUN with one of
 * these as the packet. The answer is the same struct; the program returns 0 or a positive errno.
 */
enum turn_operation {
	TURN_NOW = 1,      /* fills @now */
	TURN_ADD_STATIC,   /* adds both directions: EEXIST, E2BIG (full) */
	TURN_DELETE,       /* @key[0]: removes a static channel, withdraws a learned one: ENOENT */
	TURN_KEEP,         /* notes @hop[0].kept in the static direction @key[0]: ENOENT */
	TURN_SERVE,        /* counts @key[0].dport in as a listener's port */
	TURN_UNSERVE,      /* ... and out */
};

struct turn_control {
	__u32 operation;
	__u32 zero;
	__u64 now;
	struct turn_key4 key[2]; /* client to peer, peer to client */
	struct turn_static_hop {
		__u8 dmac[ETH_ALEN], smac[ETH_ALEN];
		__u32 ifindex;
		__u32 mtu;
		union turn_ip ip;
		struct turn_kept kept;
	} hop[2];
};

#endif
