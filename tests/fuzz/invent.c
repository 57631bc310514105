// SPDX-License-Identifier: GPL-2.0
/*
 * What happens in a world: first a story that makes channels as clients and servers do, then data,
 * requests, answers, twins and more whole dialogues, most of them mutated, in random order.
 */
#include "talk.h"

#include <string.h>

/* ---- steps ----------------------------------------------------------------------------------- */

static bool does(struct inventor *i, enum step_kind kind, const struct frame *frame)
{
	struct step *step = steps_add(i->s, kind);
	bool left = false, ok;

	step->frame.len = frame->len;
	memcpy(step->frame.data, frame->data, frame->len);
	ok = world_step(i->w, step, &left);
	if (left)
		i->left[i->lefts++ % REMEMBERED] = *frame;
	i->last.len = frame->len;
	memcpy(i->last.data, frame->data, frame->len);
	return ok;
}

static bool does_mutated(struct inventor *i, enum step_kind kind, struct frame *frame)
{
	mutate(i->d, frame, &i->last);
	return does(i, kind, frame);
}

static bool asks_it(struct inventor *i, const struct asked *a)
{
	struct frame frame;

	i->asked[i->asks++ % REMEMBERED] = *a;
	frame_udp(&frame, a->client, SERVER, a->m.data, a->m.len);
	return does(i, STEP_IN, &frame);
}

static bool answers_it(struct inventor *i, const struct asked *a, const struct message *m)
{
	struct frame frame;

	frame_sent(&frame, SERVER, a->client, m->data, m->len);
	return does(i, STEP_OUT, &frame);
}

/* ---- dialogues ------------------------------------------------------------------------------- */

/* A packet of each direction goes to the server, which sends it on. */
static bool prove_it(struct inventor *i, const struct channel *c)
{
	struct frame frame, twin;
	int to_peer;

	for (to_peer = 1; to_peer >= 0; to_peer--) {
		data_of(i, c, to_peer, &frame);
		if (!does(i, STEP_IN, &frame))
			return false;
		if (twin_of(i, &frame, &twin) && !does(i, STEP_SENT, &twin))
			return false;
	}
	return true;
}

static bool allocates(struct inventor *i, struct asked *a)
{
	struct message m;

	ask_allocate(&a->m, i->transaction++);
	begin_like(&m, &a->m, ALLOCATE | SUCCESS);
	stun_add_address(&m, A_RELAYED, a->relay);
	stun_add32(&m, A_LIFETIME, 600);
	stun_sign(&m);
	return asks_it(i, a) && answers_it(i, a, &m);
}

static bool binds(struct inventor *i, struct asked *a, const struct channel *c)
{
	struct message m;

	ask_bind(&a->m, i->transaction++, c->number, c->peer);
	begin_like(&m, &a->m, CHANNEL_BIND | SUCCESS);
	stun_sign(&m);
	return asks_it(i, a) && answers_it(i, a, &m);
}

/* One packet, of which the server makes one. */
static bool prove_story(struct inventor *i, const struct channel *c, bool to_peer)
{
	struct frame frame, twin;

	do
		data_of(i, c, to_peer, &frame);
	while (frame.len > 1000 || !twin_of(i, &frame, &twin) ||
	       (to_peer && ref_surplus(get16(frame.data + AT_PAYLOAD + 2),
				       frame.len - AT_PAYLOAD) < 0));
	return does(i, STEP_IN, &frame) && does(i, STEP_SENT, &twin);
}

static bool tell_story(struct inventor *i)
{
	const struct model_channel *learned;
	struct turn_alloc alloc;
	size_t n;

	for (n = 0; n < STORY; n++) {
		const struct channel *c = i->channel + i->channels++;
		struct asked a = { .client = story[n].client, .relay = story[n].relay };

		i->channel[n] = story[n];
		if (!alloc_find(i->w->f, a.client, &alloc) && !allocates(i, &a))
			return false;
		if (!binds(i, &a, c))
			return false;
	}
	for (n = 0; n < PROVEN; n++) {
		if (!prove_story(i, &story[n], true) || !prove_story(i, &story[n], false))
			return false;
		learned = &i->w->model.channel[n];
		if (!learned->offloaded[0] || !learned->offloaded[1])
			return trouble(i->w, "channel 0x%04x was granted and proven, but is not relayed",
				       story[n].number);
	}
	return world_is_alive(i->w);
}

/* A client that was never seen allocates and binds, with more or less of it doubled or mutated. */
static bool dialogue(struct inventor *i)
{
	unsigned int n = i->fresh++, copies;
	struct channel c = {
		.client = { IP(192, 0, 2, 20 + n % 200), BE16(41000 + n) },
		.peer = one_in(i->d, 2) ? PEER : PEER2,
		.relay = { RELAY.ip, BE16(50002 + n) },
		.number = 0x4000 + roll(i->d, 3),
	};
	struct asked a = { .client = c.client, .relay = c.relay };
	struct message m;
	struct frame frame;
	int round;

	for (round = 0; round < 2; round++) {
		if (round)
			ask_bind(&a.m, i->transaction, c.number, c.peer);
		else
			ask_allocate(&a.m, i->transaction);
		success_of(&a, i->d, &m);
		for (copies = 1 + (one_in(i->d, 2) ? roll(i->d, 3) : 0); copies; copies--) {
			if (!asks_it(i, &a))
				return false;
			frame_udp(&frame, c.client, SERVER, a.m.data, a.m.len);
			if (one_in(i->d, 3) && !does_mutated(i, STEP_IN, &frame))
				return false;
			if (round && one_in(i->d, 2)) /* another one under the same transaction */
				ask_bind(&a.m, i->transaction, c.number + roll(i->d, 2), PEER3);
		}
		frame_sent(&frame, SERVER, c.client, m.data, m.len);
		if (one_in(i->d, 4) ? !does_mutated(i, STEP_OUT, &frame)
				    : !does(i, STEP_OUT, &frame))
			return false;
		i->transaction++;
	}
	i->channel[i->channels < CHANNELS ? i->channels++
					   : STORY + roll(i->d, CHANNELS - STORY)] = c;
	return prove_it(i, &c) && prove_it(i, &c);
}

/* A request, and what the server says to it. */
static bool exchange(struct inventor *i)
{
	struct message m;
	struct asked a;

	any_request(i, &a);
	if (!asks_it(i, &a))
		return false;
	if (one_in(i->d, 4))
		error_of(&a, i->d, &m);
	else
		success_of(&a, i->d, &m);
	return answers_it(i, &a, &m);
}

/* ---- anything -------------------------------------------------------------------------------- */

static bool anything_comes(struct inventor *i)
{
	struct frame frame;
	struct message m;
	struct asked a;

	switch (roll(i->d, 16)) {
	default:
		data_of(i, &i->channel[roll(i->d, one_in(i->d, 4) ? i->channels : PROVEN)],
			roll(i->d, 2), &frame);
		break;
	case 0:
		any_request(i, &a);
		i->asked[i->asks++ % REMEMBERED] = a;
		frame_udp(&frame, a.client, SERVER, a.m.data, a.m.len);
		break;
	case 1: /* the same again, or so */
		a = i->asked[roll(i->d, i->asks < REMEMBERED ? i->asks : REMEMBERED)];
		frame_udp(&frame, a.client, SERVER, a.m.data, a.m.len);
		break;
	case 2: /* an answer from a client, or an indication */
		a = i->asked[roll(i->d, i->asks < REMEMBERED ? i->asks : REMEMBERED)];
		success_of(&a, i->d, &m);
		if (one_in(i->d, 2))
			put16(m.data, 0x016);
		frame_udp(&frame, a.client, SERVER, m.data, m.len);
	}
	return one_in(i->d, 3) ? does(i, STEP_IN, &frame) : does_mutated(i, STEP_IN, &frame);
}

static bool anything_leaves(struct inventor *i)
{
	const struct channel *c = &i->channel[roll(i->d, i->channels)];
	struct frame frame, other;
	struct message m;
	struct asked a;

	a = i->asked[roll(i->d, i->asks < REMEMBERED ? i->asks : REMEMBERED)];
	switch (roll(i->d, 8)) {
	case 0:
		success_of(&a, i->d, &m);
		frame_sent(&frame, SERVER, a.client, m.data, m.len);
		return one_in(i->d, 4) ? does(i, STEP_OUT, &frame)
				       : does_mutated(i, STEP_OUT, &frame);
	case 1:
	case 2:
		error_of(&a, i->d, &m);
		frame_sent(&frame, SERVER, a.client, m.data, m.len);
		break;
	case 3: /* a request, echoed */
		frame_sent(&frame, SERVER, a.client, a.m.data, a.m.len);
		break;
	case 4:
		if (one_in(i->d, 8))
			c = &story[2]; /* the others are to stay alive */
		else if (i->channels > STORY)
			c = &i->channel[STORY + roll(i->d, i->channels - STORY)];
		data_of(i, c, roll(i->d, 2), &other);
		frame_unreachable(&frame, &other);
		if (!one_in(i->d, 16))
			mutate(i->d, &frame, &i->last);
		break;
	case 5:
		if (i->lefts && twin_of(i, &i->left[roll(i->d, i->lefts < REMEMBERED ?
							 i->lefts : REMEMBERED)], &frame)) {
			if (!one_in(i->d, 16))
				mutate(i->d, &frame, &i->last);
			break;
		}
		/* fall through */
	default: /* anything between the endpoints */
		data_of(i, c, roll(i->d, 2), &other);
		frame_sent(&frame, one_in(i->d, 2) ? SERVER : c->relay,
			   one_in(i->d, 2) ? c->client : c->peer, other.data + AT_PAYLOAD,
			   other.len - AT_PAYLOAD);
		mutate(i->d, &frame, &i->last);
	}
	return does(i, STEP_OUT, &frame);
}

/* A heartbeat: of a direction of one of the story's channels. */
static bool beat(struct inventor *i)
{
	const struct channel *c = &story[roll(i->d, PROVEN)];
	bool to_peer = roll(i->d, 2);
	struct turn_key4 key = to_peer ? key_of(c->client, SERVER, c->number)
				       : key_of(c->peer, c->relay, 0);
	struct frame frame = { .len = sizeof(key) }, twin;

	memcpy(frame.data, &key, sizeof(key));
	if (!does(i, STEP_DUE, &frame))
		return false;
	data_of(i, c, to_peer, &frame);
	if (!does(i, STEP_IN, &frame))
		return false;
	if (one_in(i->d, 8) || !twin_of(i, &frame, &twin))
		return true;
	return does(i, STEP_SENT, &twin);
}

static bool no_exit(struct inventor *i)
{
	struct frame frame = { .len = 1 };
	int n;

	if (!does(i, STEP_EXIT, &frame))
		return false;
	for (n = 0; n < 10; n++)
		if (!anything_comes(i))
			return false;
	frame.data[0] = 1;
	frame.len = 1;
	return does(i, STEP_EXIT, &frame);
}

bool world_invent(struct world *w, struct dice *d, size_t count, struct steps *s)
{
	static struct inventor inventor;
	struct inventor *i = &inventor;
	bool ok;

	memset(i, 0, sizeof(*i));
	i->w = w;
	i->d = d;
	i->s = s;
	i->transaction = 1;
	s->count = 0;
	ok = tell_story(i);
	while (ok && s->count < count && !world_is_late(w)) {
		switch (roll(d, 64)) {
		case 0:
		case 1:
		case 2:
			ok = dialogue(i);
			break;
		case 3:
		case 4:
			ok = beat(i);
			break;
		case 5:
		case 6:
			ok = exchange(i);
			break;
		case 7:
			ok = one_in(d, 4) ? no_exit(i) : true;
			break;
		default:
			ok = one_in(d, 4) ? anything_leaves(i) : anything_comes(i);
		}
	}
	return ok && world_end(w);
}
