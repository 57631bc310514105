/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZ_TALK_H
#define FUZZ_TALK_H

#include "fuzz.h"

#define RELAY2 ((struct endpoint){ IP(198, 51, 100, 1), BE16(50001) })
#define PEER3 ((struct endpoint){ IP(203, 0, 113, 7), BE16(6002) })
#define REMEMBERED 16 /* of each kind, to be used again */
#define CHANNELS 32

struct channel {
	struct endpoint client, peer, relay;
	unsigned int number;
};

/* A request that was sent, to be answered, or sent again. */
struct asked {
	struct endpoint client, relay;
	struct message m;
};

/* What happens next depends on what has happened. */
struct inventor {
	struct world *w;
	struct dice *d;
	struct steps *s;
	unsigned int transaction;
	unsigned int fresh; /* clients that were invented */
	unsigned int asks, lefts, channels;
	struct asked asked[REMEMBERED];
	struct frame left[REMEMBERED]; /* data that was left to the server */
	struct frame last;
	struct channel channel[CHANNELS];
};

/* The channels that every world begins with. */
#define STORY 4
#define PROVEN 3 /* the first of them are proven, too */
extern const struct channel story[STORY];

/* Another message begins under the transaction of @m. */
void begin_like(struct message *to, const struct message *m, unsigned int type);
void success_of(const struct asked *a, struct dice *d, struct message *m);
void error_of(const struct asked *a, struct dice *d, struct message *m);

/* A fresh request of a client that has an allocation, rather not of the story's: they live. */
void any_request(struct inventor *i, struct asked *a);

/* Data of a channel, from its client or from its peer. */
void data_of(struct inventor *i, const struct channel *c, bool to_peer, struct frame *frame);

/* What the server makes of a frame that was left to it; false if that is nothing. */
bool twin_of(struct inventor *i, const struct frame *left, struct frame *twin);

#endif
