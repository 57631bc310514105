/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The packet fuzzer for the loaded programs. A world is empty tables and a sequence of steps: the
 * frames that arrive, the frames that the server sends, and what else happens. Each step is run
 * and judged against the model, which knows nothing of the programs but their promises.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdio.h>

#include "../prog/fixture.h"
#include "model.h"

enum step_kind {
	STEP_IN,   /* a frame arrives at the device */
	STEP_SENT, /* the server's socket sends a frame (really, through the device) */
	STEP_OUT,  /* a frame leaves, by BPF_PROG_TEST_RUN: each time from a socket of its own */
	STEP_DUE,  /* the heartbeat of the flow whose key is the data is due */
	STEP_EXIT, /* the device can (1) or cannot (0) transmit what is redirected to it */
};

struct step {
	enum step_kind kind;
	struct frame frame;
};

struct steps {
	struct step *step;
	size_t count, room;
};

/* ---- one world (world.c, tables.c) ------------------------------------------------------------- */

/* What the steps led to, so that nobody fuzzes the front door only. */
struct tally {
	unsigned long long frames, sent, worlds, old; /* old: timers may have run, not all checked */
	unsigned long long relayed, heartbeats, left, strangers; /* frames that arrived */
	unsigned long long reasons[TURN_REASON_ROOM], events[TURN_EVENT_ROOM];
};

struct world {
	struct fixture *f;
	struct model model;
	struct tally *tally;
	double began;  /* s */
	__u64 jiffies; /* when it began */
	__u64 known;  /* runs of frames that hit a flow's key, as the model counts */
	const char *trouble; /* what broke a promise; NULL: nothing so far */
	char text[512];
};

/* Empties all tables. */
void world_begin(struct world *w, struct tally *tally);
/* Runs one step; false if it broke a promise, see @w->trouble. @left (may be NULL): whether the
 * frame of a flow was left to the server. */
bool world_step(struct world *w, const struct step *step, bool *left);
/* What is asked once, when all steps are done. */
bool world_end(struct world *w);
/* The channels that are proven and that nothing has happened to are relayed still. */
bool world_is_alive(struct world *w);

/* Time to end it: soon, timers begin to remove what has ended. */
bool world_is_late(const struct world *w);
/* They may have begun: not all can be checked any more. */
bool world_is_old(const struct world *w);
/* Says what is wrong; false. */
__attribute__((format(printf, 2, 3))) bool trouble(struct world *w, const char *format, ...);

/* All of it, from empty tables on. */
bool world_replay(struct world *w, struct tally *tally, const struct steps *steps);

/* ---- sequences (steps.c) --------------------------------------------------------------------- */

struct step *steps_add(struct steps *s, enum step_kind kind); /* to be filled in */
/* As text, a line a step: "in", "sent", "out", "due" or "exit", and bytes in hexadecimal. 0 or
 * -errno. */
int steps_write(const struct steps *s, const char *path, const char *comment);
int steps_read(struct steps *s, const char *path);

/* ---- inventing them (invent.c, talk.c, mutate.c, mutate_stun.c) ------------------------------ */

struct dice {
	__u64 state;
};

__u32 roll(struct dice *d, __u32 below); /* 0 to below - 1 */
static inline bool one_in(struct dice *d, __u32 n)
{
	return !roll(d, n);
}

/* Runs a world of about @count steps out of @d's head; all of them are added to @s. */
bool world_invent(struct world *w, struct dice *d, size_t count, struct steps *s);

/* Changes @f in some ways; @other is a frame to splice it with. */
void mutate(struct dice *d, struct frame *f, const struct frame *other);

#endif
