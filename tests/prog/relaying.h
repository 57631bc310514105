/* SPDX-License-Identifier: GPL-2.0 */
/* Where many tests begin, and how they end: NUMBER, of CLIENT's allocation, relays to PEER. */
#ifndef TEST_RELAYING_H
#define TEST_RELAYING_H

#include "fixture.h"

/* Until the end of the test, the server's frames come from one socket. */
static inline void relaying(struct fixture *f)
{
	f->live = true;
	allocate(f, 600);
	bind_channel(f, NUMBER, PEER);
	prove(f, NUMBER, PEER);
}

static inline void expect_relaying(struct fixture *f)
{
	assert_int_equal(client_data(f, NUMBER, "data"), XDP_REDIRECT);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_REDIRECT);
}

static inline void expect_ended(struct fixture *f)
{
	struct turn_stats before = counters(f);

	assert_int_equal(client_data(f, NUMBER, "data"), XDP_PASS);
	assert_int_equal(peer_data(f, PEER, "data"), XDP_PASS);
	expect_counted(f, &before, PASSED(ENDED) = 2);
}

#endif
