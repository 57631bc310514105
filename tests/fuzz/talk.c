// SPDX-License-Identifier: GPL-2.0
/* What clients, peers and the server say, before any of it is mutated. */
#include "talk.h"

#include <string.h>

const struct channel story[STORY] = {
	{ CLIENT, PEER, RELAY, 0x4000 },
	{ CLIENT, PEER2, RELAY, 0x4001 },
	{ CLIENT2, PEER, RELAY2, 0x7fff },
	{ CLIENT, PEER3, RELAY, 0x4002 }, /* bound only */
};

/* ---- messages -------------------------------------------------------------------------------- */

void begin_like(struct message *to, const struct message *m, unsigned int type)
{
	struct message begun;

	stun_begin(&begun, type, 0);
	memcpy(begun.data + 8, m->data + 8, 12);
	*to = begun;
}

void success_of(const struct asked *a, struct dice *d, struct message *m)
{
	unsigned int method = get16(a->m.data) & ~0x110u;

	begin_like(m, &a->m, method | SUCCESS);
	if (method == ALLOCATE) {
		stun_add_address(m, A_RELAYED, a->relay);
		stun_add_address(m, A_MAPPED, a->client);
	}
	if (method == ALLOCATE || method == REFRESH)
		stun_add32(m, A_LIFETIME, one_in(d, method == REFRESH ? 3 : 16) ? roll(d, 3) : 600);
	stun_sign(m);
}

void error_of(const struct asked *a, struct dice *d, struct message *m)
{
	static const unsigned int codes[] = { 400, 401, 403, 437, 438, 441, 486, 508 };
	unsigned int code = codes[roll(d, COUNT(codes))];
	__u8 value[8] = { 0, 0, code / 100, code % 100, 'o', 'h', 'n', 'o' };

	begin_like(m, &a->m, (get16(a->m.data) & ~0x110u) | ERROR);
	stun_add(m, A_ERROR_CODE, value, sizeof(value));
}

void any_request(struct inventor *i, struct asked *a)
{
	unsigned int n = roll(i->d, i->channels);
	const struct channel *c = &i->channel[n < STORY ? roll(i->d, i->channels) : n];
	unsigned int t = i->transaction++;

	a->client = c->client;
	a->relay = c->relay;
	switch (roll(i->d, 8)) {
	case 0:
		ask_allocate(&a->m, t);
		break;
	case 1:
		ask_refresh(&a->m, t, one_in(i->d, 2) ? 0 : 600);
		break;
	case 2:
	case 3:
		ask_permission(&a->m, t, c->peer);
		break;
	case 4:
		ask_bind(&a->m, t, c->number, c->peer);
		break;
	default:
		ask_bind(&a->m, t, 0x4000 + roll(i->d, 8), one_in(i->d, 2) ? PEER : PEER2);
	}
}

/* ---- data ------------------------------------------------------------------------------------ */

static unsigned int any_data(struct dice *d, __u8 *to)
{
	unsigned int len, n;

	switch (roll(d, 8)) {
	case 0:
		len = 1440 + roll(d, 40);
		break;
	case 1:
	case 2:
		len = 100 + roll(d, 100);
		break;
	default:
		len = roll(d, 24);
	}
	for (n = 0; n < len; n++)
		to[n] = n < 8 || n + 8 >= len ? roll(d, 256) : n;
	return len;
}

void data_of(struct inventor *i, const struct channel *c, bool to_peer, struct frame *frame)
{
	__u8 data[1600], payload[1600];
	unsigned int len = any_data(i->d, data);

	if (to_peer) {
		unsigned int surplus = one_in(i->d, 3) ? roll(i->d, 6) : 0;

		frame_udp(frame, c->client, SERVER, payload,
			  channel_data(payload, c->number, data, len, surplus));
	} else {
		frame_udp(frame, c->peer, c->relay, data, len);
	}
	if (one_in(i->d, 8))
		put16(frame->data + AT_UDP_CHECK, 0);
	frame->data[AT_TOS] = one_in(i->d, 4) ? roll(i->d, 256) : 0;
	frame_fix_ip(frame);
}

bool twin_of(struct inventor *i, const struct frame *left, struct frame *twin)
{
	struct endpoint from = endpoint_at(left->data + AT_SOURCE, left->data + AT_UDP);
	int payload = ref_payload(left->data, left->len);
	const __u8 *data = left->data + AT_PAYLOAD;
	const struct channel *c;
	__u8 wrapped[1600];
	unsigned int n;

	if (payload < 0 || payload > 1468)
		return false; /* or in fragments */
	for (n = 0; n < i->channels; n++) {
		c = &i->channel[n];
		if (same_endpoint(from, c->peer) &&
		    !memcmp(left->data + AT_UDP + 2, &c->relay.port, 2)) {
			frame_sent(twin, SERVER, c->client, wrapped,
				   channel_data(wrapped, c->number, data, payload, 0));
			return true;
		}
		if (same_endpoint(from, c->client) && payload >= 4 && get16(data) == c->number &&
		    get16(data + 2) <= payload - 4u) {
			frame_sent(twin, c->relay, c->peer, data + 4, get16(data + 2));
			return true;
		}
	}
	return false;
}
