/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The pulse of the server: what share of the heartbeats it answers. A server that is short of CPU
 * loses packets, heartbeats among them; channels that miss three are suspended, and all their
 * packets go to a server that is too slow already. So while it answers some heartbeats, but not
 * enough, all of them are set farther apart, and come back together when it answers.
 *
 * A server that sends nothing at all is not slow, but gone: nothing is stretched for it, and what
 * has been is not waited for. (What it sends need not be an answer: its queues may hold more than a
 * sample waits for.) What bounds a flow otherwise (lifetimes, the socket) is looked at as often as
 * ever.
 *
 * A client can see to it that its own heartbeats are never answered; so an allocation has a few
 * votes in a round, however many channels it has, and not all at once.
 */
#ifndef TURN_PULSE_H
#define TURN_PULSE_H

#include "maps.h"

#define TURN_PULSE_LEAST 64 /* heartbeats in a round; fewer are no load, and tell nothing */
#define TURN_PULSE_VOTES 8  /* of one allocation in a round, at most */
#define TURN_PULSE_BAD 2    /* bad rounds: one may be that in which a server dies */
#define TURN_PULSE_GOOD 8   /* good rounds in a row, until they come back together */
#define TURN_PULSE_STEP 8   /* a stretch grows by as much at once, at most */

static __always_inline struct turn_pulse *turn_get_pulse(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&turn_pulse, &zero);
}

/* By what the interval between the heartbeats of a direction is to be multiplied. */
static __always_inline __u32 turn_stretch(void)
{
	struct turn_pulse *pulse = turn_get_pulse();

	return pulse && pulse->stretch ? pulse->stretch : 1;
}

/* The stretch that would bring down to what was answered what was asked, within limits. */
static __always_inline __u32 turn_more_stretch(const struct turn_config *config, __u32 stretch,
					       __u32 asked, __u32 answered)
{
	__u32 step;

	TURN_UNROLL
	for (step = 2; step <= TURN_PULSE_STEP; step *= 2) {
		if ((__u64)config->heartbeat * stretch * 2 > TURN_STRETCH_MOST * config->hz)
			break;
		stretch *= 2;
		if (asked / step <= answered)
			break;
	}
	return stretch;
}

/*
 * A round is over: @asked heartbeats have gone to the server, @answered have come back. They come
 * in waves, and the answers of one wave in the next round, so a few rounds are looked at together.
 */
static __always_inline void turn_judge_pulse(struct turn_pulse *pulse,
					     const struct turn_config *config, __u32 asked,
					     __u32 answered)
{
	__u32 stretch = pulse->stretch ? pulse->stretch : 1;
	__u32 alive = __sync_lock_test_and_set(&pulse->alive, 0);

	if (stretch > 1 && (__u64)config->heartbeat * stretch > TURN_STRETCH_MOST * config->hz) {
		pulse->stretch = stretch / 2; /* the interval was made longer meanwhile */
		return;
	}
	asked += pulse->asked_of_late / 2;
	answered += pulse->answered_of_late / 2;
	pulse->asked_of_late = asked;
	pulse->answered_of_late = answered;
	if (asked < TURN_PULSE_LEAST || answered >= asked - asked / 16) {
		pulse->bad = 0;
		if (++pulse->good >= TURN_PULSE_GOOD) {
			pulse->good = 0;
			pulse->stretch = stretch / 2;
		}
		return;
	}
	pulse->good = 0;
	if (answered >= asked - asked / 4) {
		pulse->bad = 0;
	} else if (alive && ++pulse->bad >= TURN_PULSE_BAD) {
		pulse->stretch = turn_more_stretch(config, stretch, asked, answered);
		pulse->asked_of_late = pulse->answered_of_late = pulse->bad = 0;
	}
}

/* A heartbeat of a proven flow of @alloc goes to the server. Does its answer count? */
static __always_inline int turn_pulse_ask(struct turn_alloc *alloc,
					  const struct turn_config *config, __u64 now)
{
	struct turn_pulse *pulse = turn_get_pulse();
	__u64 began, voted;

	if (!pulse)
		return 0;
	began = pulse->began;
	if (now >= began + config->heartbeat / 2 &&
	    __sync_val_compare_and_swap(&pulse->began, began, now) == began) {
		pulse->left = 0;
		turn_judge_pulse(pulse, config, __sync_lock_test_and_set(&pulse->asked, 0),
				 __sync_lock_test_and_set(&pulse->answered, 0));
	}
	__sync_fetch_and_add(&pulse->left, 1);
	if (!__sync_fetch_and_add(&pulse->waiting, 1))
		pulse->since = now;
	voted = alloc->voted;
	if (now <= voted + config->heartbeat / 2 / TURN_PULSE_VOTES ||
	    __sync_val_compare_and_swap(&alloc->voted, voted, now) != voted)
		return 0;
	__sync_fetch_and_add(&pulse->asked, 1);
	return 1;
}

/*
 * Are so few heartbeats left for the server in this round that it could fall silent unnoticed? They
 * are far apart, and come in waves. Then what is only to be looked at is one, too.
 */
static __always_inline int turn_is_faint(const struct turn_config *config, __u64 now)
{
	const struct turn_pulse *pulse = turn_get_pulse();

	return pulse && pulse->stretch > 1 &&
	       (pulse->left < TURN_PULSE_LEAST || now >= pulse->began + config->heartbeat / 2);
}

/* The server has sent something for a channel. */
static __always_inline void turn_pulse_hear(void)
{
	struct turn_pulse *pulse = turn_get_pulse();

	if (!pulse)
		return;
	if (pulse->waiting)
		pulse->waiting = 0;
	if (!pulse->alive)
		pulse->alive = 1;
}

/* It was a packet for which turn_pulse_ask() has said yes. */
static __always_inline void turn_pulse_answer(void)
{
	struct turn_pulse *pulse = turn_get_pulse();

	if (pulse)
		__sync_fetch_and_add(&pulse->answered, 1);
}

/* Has the server sent nothing at all for @time, though it was asked? */
static __always_inline int turn_is_silent(__u64 time, __u64 now)
{
	const struct turn_pulse *pulse = turn_get_pulse();

	return pulse && pulse->waiting >= TURN_PULSE_LEAST &&
	       (__s64)(now - pulse->since) > (__s64)time;
}

#endif
