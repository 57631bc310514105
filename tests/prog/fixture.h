/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the program tests share: every program loaded once with one set of maps, in a network
 * namespace of their own, and the verbs in which the tests are told. Each test begins with empty
 * tables (fixture_begin); most run twice, once against the chained stages and once against the
 * fused program.
 */
#ifndef TEST_FIXTURE_H
#define TEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "abi.h"
#include "frame.h"
#include "objects.h"

#define TEST_DEVICE 3  /* index of the device under test in turn_stats */
#define TEST_SLOT 7    /* slot of channels that are put into the table by hand */
#define TEST_EPOCH 5

struct fixture {
	bool fused;     /* under test is the fused program, not the four stages */
	bool live;      /* the server's frames leave by @sender and the device, not by a test run */
	int sender;     /* packet socket: stands for the server's relay socket */
	unsigned int ifindex; /* "wire0", which has SERVER's address */
	struct turn_config config;
	struct bpf_object *object[TURNCTL_PROGRAMS + 3];
	int program[TURNCTL_PROGRAMS];
	int shift; /* turn_shift as plain XDP, which can be test-run */
	/* a relay device's; all others are a client device's */
	int fused_relay, rem2cli_relay;
};

/* Opens all programs with tables of the given sizes (0: as they are declared). Exits if it
 * cannot: without it there is nothing to test. */
void fixture_open(struct fixture *f, unsigned int channels, unsigned int allocations,
		  unsigned int permissions);
void fixture_close(struct fixture *f);

/* cmocka's per-test setup: *state is a struct fixture of empty tables. What *state was before,
 * the test's initial_state, says which programs: NULL the chain, else the fused one. */
int fixture_begin(void **state);

/* For tests that need tables of another size: a second fixture, like @f but empty. */
void fixture_like(struct fixture *small, const struct fixture *f, unsigned int channels,
		  unsigned int allocations, unsigned int permissions);

/* Makes the namespace and its devices, once. */
void fixture_world(void);

void lo_forwarding(bool on); /* the sysctl that bpf_fib_lookup asks here; off at first */
int map_of(const struct fixture *f, const char *name);
void write_config(struct fixture *f); /* @f->config into the map */
void set_exit(struct fixture *f, const char *map, unsigned int ifindex, bool there);
unsigned int map_count(const struct fixture *f, const char *name);
__u32 port_users(const struct fixture *f, __be16 port);

/* turn_control: its answer (0 or a positive errno). */
int control(const struct fixture *f, struct turn_control *c);
__u64 now(const struct fixture *f); /* jiffies */

/* ---- packets in ------------------------------------------------------------------------------ */

/* Runs one program on @in; returns its verdict, and in @out the bytes it left. */
int run_program(int fd, const struct frame *in, struct frame *out);

/*
 * Runs the programs of a client device on @in: the chain until one does not pass, or the fused
 * one. XDP_PASS: fails unless the bytes are untouched. XDP_REDIRECT: @out (may be NULL) is the
 * frame as it leaves, shifted.
 */
int receive(struct fixture *f, const struct frame *in, struct frame *out);

/* Data of a channel, and of a peer, arrives: the verdict. */
int client_data(struct fixture *f, __u16 number, const char *text);
int peer_data(struct fixture *f, struct endpoint peer, const char *text);

/* A request arrives from a client; passes by, or the test fails. */
void asks(struct fixture *f, const struct message *m);
void asks_from(struct fixture *f, struct endpoint client, const struct message *m);

/* ---- packets out ----------------------------------------------------------------------------- */

/* The server sends a frame: turn_egress sees it and changes nothing, or the test fails. */
void server_sends(struct fixture *f, const struct frame *frame);

void answers(struct fixture *f, const struct message *m);
void answers_to(struct fixture *f, struct endpoint client, const struct message *m);

/* The server relays @text itself. */
void twin_to_peer(struct fixture *f, struct endpoint peer, const char *text);
void twin_to_client(struct fixture *f, __u16 number, const char *text);

/* ---- stories --------------------------------------------------------------------------------- */

/* CLIENT has an allocation with relayed transport address RELAY. */
void allocate(struct fixture *f, __u32 lifetime);
/* ... and a channel. */
void bind_channel(struct fixture *f, __u16 number, struct endpoint peer);
/* ... which the server relays, in both directions. */
void prove(struct fixture *f, __u16 number, struct endpoint peer);

/* ---- tables ---------------------------------------------------------------------------------- */

struct turn_key4 key_of(struct endpoint from, struct endpoint to, __u16 number);
struct turn_key4 to_peer_key(__u16 number);
struct turn_key4 to_client_key(struct endpoint peer);

bool flow_find(const struct fixture *f, struct turn_key4 key, struct turn_flow *flow);
struct turn_flow flow_of(const struct fixture *f, struct turn_key4 key); /* fails if not there */
void flow_write(const struct fixture *f, struct turn_key4 key, const struct turn_flow *flow);
void flow_due(const struct fixture *f, struct turn_key4 key); /* its heartbeat is due now */

/* Puts a channel from CLIENT by SERVER and RELAY to PEER into the table by hand, proven in both
 * directions for the next minute. */
void put_channel(struct fixture *f, __u16 number);

/* The allocation of CLIENT, and writing it in place (its timer lives on). */
bool alloc_find(const struct fixture *f, struct endpoint client, struct turn_alloc *alloc);
void alloc_write(const struct fixture *f, struct endpoint client, const struct turn_alloc *alloc);
void epoch_write(const struct fixture *f, __u32 slot, __u32 epoch);
bool permission_find(const struct fixture *f, struct endpoint peer, struct turn_permission *p);
void permission_write(const struct fixture *f, struct endpoint peer,
		      const struct turn_permission *p);

/* ---- counters -------------------------------------------------------------------------------- */

struct turn_stats counters(const struct fixture *f);

#define PASSED(reason) .passed[TURN_REASON_##reason]
#define EVENT(event) .events[TURN_EVENT_##event]

/* Since @before, exactly this was counted, and nothing else. */
#define expect_counted(f, before, ...)                                                             \
	check_counted(f, before, &(struct turn_stats){ __VA_ARGS__ }, __FILE__, __LINE__)
void check_counted(const struct fixture *f, const struct turn_stats *before,
		   const struct turn_stats *want, const char *file, int line);

/* Said when a check fails, for tests that go through a table. */
extern const char *case_name;

/* The frames that hit a known key. */
__u64 counted_frames(const struct turn_stats *stats);

/* Polls until @done says so; fails after @seconds. */
void wait_for(struct fixture *f, double seconds, bool (*done)(struct fixture *f));

#define expect_frame(got, want, len, name)                                                         \
	check_frame(got, want, len, name, __FILE__, __LINE__)
void check_frame(const struct frame *got, const void *want, unsigned int len, const char *name,
		 const char *file, int line);

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
