// SPDX-License-Identifier: GPL-2.0
/* How the model learns: from requests, from the server's answers, and from twins. */
#include "model.h"

#include <string.h>

#include <bpf/bpf.h>

static bool served(__be16 port)
{
	return port == SERVER.port;
}

static struct model_alloc *alloc_of(struct model *m, const struct turn_key4 *tuple)
{
	unsigned int i;

	for (i = 0; i < m->allocs; i++)
		if (same_key(&m->alloc[i].tuple, tuple))
			return &m->alloc[i];
	return NULL;
}

static void endanger(struct model *m, const struct turn_key4 *tuple)
{
	unsigned int i;

	for (i = 0; i < m->channels; i++)
		if (same_key(&m->channel[i].tuple, tuple))
			m->channel[i].endangered = true;
}

static void endanger_pair(struct model *m, struct endpoint peer, struct endpoint relay)
{
	unsigned int i;

	for (i = 0; i < m->channels; i++)
		if (same_endpoint(m->channel[i].peer, peer) &&
		    same_endpoint(m->channel[i].relay, relay))
			m->channel[i].endangered = true;
}

/* ---- what arrives: requests, and data that is left to the server ----------------------------- */

static void read_asked(const struct ref_stun *s, struct model_asked *asks)
{
	unsigned int i;

	asks->method = s->type;
	asks->family = s->family;
	if (s->type == ALLOCATE) {
		asks->transport = s->transport;
		return;
	}
	if (s->type == CHANNEL_BIND)
		asks->channel = s->channel;
	asks->peers = s->peers;
	for (i = 0; i < s->peers; i++) {
		if (s->peer[i].family != 1)
			continue;
		memcpy(&asks->peer[i].ip, s->peer[i].ip, 4);
		asks->peer[i].port = BE16(s->peer[i].port);
	}
}

static bool same_request(const struct model_request *a, const struct model_request *b)
{
	return a->regular == b->regular && !memcmp(&a->asks, &b->asks, sizeof(a->asks));
}

static bool under_one_transaction(const struct model_request *a, const struct turn_key4 *tuple,
				  const __u8 *transaction, bool allocate)
{
	return (allocate || !a->answered) && !memcmp(a->transaction, transaction, 12) &&
	       same_key(&a->tuple, tuple) && (a->asks.method == ALLOCATE) == allocate;
}

static void remember(struct model *m, const struct model_request *r)
{
	struct model_alloc *alloc = alloc_of(m, &r->tuple);
	bool allocate = r->asks.method == ALLOCATE;
	unsigned int i;

	if (!allocate && !alloc)
		return;
	for (i = 0; i < m->requests; i++)
		if (under_one_transaction(&m->request[i], &r->tuple, r->transaction, allocate) &&
		    same_request(&m->request[i], r)) {
			m->request[i].sound |= r->sound;
			return;
		}
	if (m->requests < MODEL_REQUESTS)
		m->request[m->requests++] = *r;
	if (alloc)
		alloc->remembered++;
}

static void read_request(struct model *m, const struct frame *frame)
{
	struct model_request r = {};
	const __u8 *d = frame->data;
	struct ref_stun s;
	int payload;

	if (!ref_is_udp4(d, frame->len) || memcmp(d, device_mac, 6))
		return;
	r.tuple = key_in(d);
	payload = ref_payload(d, frame->len);
	if (payload < 20 || !served(r.tuple.dport))
		return;
	r.regular = ref_stun(d + AT_PAYLOAD, payload, &s) == REF_OK;
	if (s.type != ALLOCATE && s.type != REFRESH && s.type != CREATE_PERMISSION &&
	    s.type != CHANNEL_BIND)
		return;
	r.sound = ref_sound(d);
	memcpy(r.transaction, s.transaction, 12);
	r.asks.method = s.type;
	if (r.regular)
		read_asked(&s, &r.asks);
	remember(m, &r);
}

static void take_sample(const __u8 *data, unsigned int length, struct model_sample *s)
{
	memset(s, 0, sizeof(*s));
	s->length = length;
	memcpy(s->head, data, length < 8 ? length : 8);
	if (length >= 8)
		memcpy(s->tail, data + length - 8, 8);
}

void model_received(struct model *m, const struct frame *frame, const struct forecast *c,
		    bool left)
{
	struct model_channel *channel;

	if (c->fate == FATE_STRANGER) {
		read_request(m, frame);
		return;
	}
	if (!left || (c->fate != FATE_DUE && c->fate != FATE_UNSURE))
		return;
	channel = (struct model_channel *)model_channel_of(m, &c->key, &c->flow);
	if (channel && channel->proven[!c->to_peer])
		channel->endangered = true; /* the third heartbeat without a twin suspends */
	if (m->samples < MODEL_SAMPLES) {
		take_sample(c->data, c->length, &m->sample[m->samples]);
		m->sample[m->samples++].key = c->key;
	}
}

/* ---- what the server sends: its answers ------------------------------------------------------ */

/* Does the channel that @r asks for follow from the server's success? */
static bool is_bind(const struct model_request *r)
{
	return r->regular && r->asks.method == CHANNEL_BIND && r->asks.peers == 1 &&
	       r->asks.peer[0].ip && is_channel_number(r->asks.channel);
}

static void grant(struct model *m, const struct turn_key4 *tuple, const struct model_request *r,
		  struct endpoint relay)
{
	struct model_channel channel = { .tuple = *tuple, .number = r->asks.channel,
					 .peer = r->asks.peer[0], .relay = relay };
	struct model_channel *c;
	unsigned int i;

	endanger(m, tuple);
	endanger_pair(m, channel.peer, relay);
	for (i = 0; i < m->channels; i++) {
		c = &m->channel[i];
		if (same_key(&c->tuple, tuple) && c->number == channel.number &&
		    same_endpoint(c->peer, channel.peer) && same_endpoint(c->relay, relay))
			return;
	}
	if (m->channels < MODEL_CHANNELS)
		m->channel[m->channels++] = channel;
}

/* The answer to requests of an allocation's. */
static void read_granted(struct model *m, const struct turn_key4 *tuple, const struct ref_stun *s)
{
	bool success = (s->type & 0x110) == SUCCESS, strict, clear = true;
	struct model_alloc *alloc = alloc_of(m, tuple);
	unsigned int i, readings = 0;
	struct model_request *r;

	if (!alloc)
		return;
	/* more requests than are kept: one of two under a transaction may have made way */
	strict = alloc->remembered <= TURN_REQUESTS;
	for (i = 0; i < m->requests; i++) {
		r = &m->request[i];
		if (!r->sound || !under_one_transaction(r, tuple, s->transaction, false))
			continue;
		readings++;
		clear &= r->regular;
	}
	if (strict && (readings > 1 || !clear))
		return;
	for (i = 0; i < m->requests; i++) {
		r = &m->request[i];
		if (r->asks.method != (s->type & ~0x110u) || !r->sound ||
		    !under_one_transaction(r, tuple, s->transaction, false))
			continue;
		endanger(m, tuple);
		if (success && is_bind(r))
			grant(m, tuple, r, alloc->relay);
		r->answered = strict;
	}
}

/* Was the Allocate that the server grants asked for, and could it be read in one way only? */
static bool was_asked(struct model *m, const struct turn_key4 *tuple, const __u8 *transaction)
{
	const struct model_request *r, *first = NULL;
	bool asked = false, before = false, clear = true;
	unsigned int i;

	for (i = 0; i < m->requests; i++) {
		r = &m->request[i];
		if (!under_one_transaction(r, tuple, transaction, true))
			continue;
		before |= r->answered;
		asked |= r->regular && r->asks.transport == 17 && r->sound;
		if (!r->sound)
			continue;
		clear &= r->regular && (!first || same_request(first, r));
		first = r;
	}
	/* once granted, it is forgotten, and what comes then is a new one */
	return asked && (clear || before);
}

static const char *read_allocated(struct model *m, const struct fixture *f,
				  const struct turn_key4 *tuple, const struct ref_stun *s)
{
	bool asked = was_asked(m, tuple, s->transaction);
	struct model_alloc *alloc = alloc_of(m, tuple);
	struct endpoint relay, told = {};
	struct turn_alloc value;
	unsigned int i;

	if (bpf_map_lookup_elem(map_of(f, "turn_allocs"), tuple, &value))
		return NULL;
	relay = (struct endpoint){ value.relay.v4, value.relay_port };
	if (asked)
		endanger(m, tuple);
	if (alloc && same_endpoint(alloc->relay, relay))
		return NULL;
	memcpy(&told.ip, s->relayed.ip, 4);
	told.port = BE16(s->relayed.port);
	if (!asked)
		return "an allocation that nobody has clearly asked for";
	if (!s->has_relayed || !same_endpoint(relay, told))
		return "an allocation with another address than the server told";
	if (!alloc && m->allocs < MODEL_ALLOCS) {
		alloc = &m->alloc[m->allocs++];
		*alloc = (struct model_alloc){ .tuple = *tuple };
	}
	if (alloc)
		alloc->relay = relay;
	for (i = 0; i < m->requests; i++)
		if (under_one_transaction(&m->request[i], tuple, s->transaction, true))
			m->request[i].answered = true;
	return NULL;
}

static const char *read_answer(struct model *m, const struct fixture *f,
			       const struct turn_key4 *tuple, const __u8 *payload, unsigned int len)
{
	struct ref_stun s;

	if (ref_stun(payload, len, &s) != REF_OK)
		return NULL;
	if (s.type == (ALLOCATE | SUCCESS))
		return read_allocated(m, f, tuple, &s);
	if ((s.type & 0x110) == SUCCESS || ((s.type & 0x110) == ERROR && s.error == 437))
		read_granted(m, tuple, &s);
	return NULL;
}

/* ---- what the server sends: twins ------------------------------------------------------------ */

static bool was_left(const struct model *m, const struct turn_key4 *key, const __u8 *data,
		     unsigned int length)
{
	struct model_sample is;
	unsigned int i;

	take_sample(data, length, &is);
	is.key = *key;
	for (i = 0; i < m->samples; i++)
		if (!memcmp(&m->sample[i], &is, sizeof(is)))
			return true;
	return false;
}

static void prove_channel(const struct fixture *f, struct model_channel *c, struct turn_key4 key)
{
	bool to_client = !key.channel;
	struct turn_flow flow;

	c->proven[to_client] = true;
	/* not each twin is known for one: a sample that waits for its own is kept for a second */
	if (flow_find(f, key, &flow) && flow.state == TURN_OFFLOADED)
		c->offloaded[to_client] = true;
}

static void read_twin_to_client(struct model *m, const struct fixture *f,
				const struct turn_key4 *tuple, const __u8 *payload,
				unsigned int len)
{
	unsigned int number = get16(payload), length = get16(payload + 2), i;
	struct model_channel *c;
	struct turn_key4 key;

	if (ref_surplus(length, len) < 0)
		return;
	for (i = 0; i < m->channels; i++) {
		c = &m->channel[i];
		key = key_of(c->peer, c->relay, 0);
		if (c->number == number && same_key(&c->tuple, tuple) &&
		    was_left(m, &key, payload + 4, length))
			prove_channel(f, c, key);
	}
}

static void read_twin_to_peer(struct model *m, const struct fixture *f, struct endpoint relay,
			      struct endpoint peer, const __u8 *payload, unsigned int len,
			      bool by_stranger)
{
	struct model_channel *c;
	struct turn_key4 key;
	unsigned int i;

	for (i = 0; i < m->channels; i++) {
		c = &m->channel[i];
		key = c->tuple;
		key.channel = BE16(c->number);
		if (!same_endpoint(c->relay, relay) || !same_endpoint(c->peer, peer) ||
		    !was_left(m, &key, payload, len))
			continue;
		prove_channel(f, c, key);
		if (by_stranger)
			endanger(m, &c->tuple);
	}
}

const char *model_sent(struct model *m, const struct fixture *f, const struct frame *frame,
		       bool by_stranger)
{
	const __u8 *d = frame->data, *quoted = d + 42;
	struct turn_key4 tuple;
	unsigned int length;

	if (frame->len < 34 || get16(d + AT_ETHERTYPE) != 0x0800 || d[AT_IP] != 0x45)
		return NULL;
	if (d[AT_PROTOCOL] == 1 && frame->len >= 70)
		endanger_pair(m, endpoint_at(quoted + 12, quoted + 20),
			      endpoint_at(quoted + 16, quoted + 22));
	if (!ref_is_udp4(d, frame->len))
		return NULL;
	length = get16(d + AT_UDP_LENGTH);
	if (length < 8 || AT_UDP + length > frame->len)
		return NULL;
	length -= 8;
	tuple = key_of(endpoint_at(d + AT_DESTINATION, d + AT_UDP + 2),
		       endpoint_at(d + AT_SOURCE, d + AT_UDP), 0);
	if (!served(tuple.dport)) {
		read_twin_to_peer(m, f, endpoint_at(d + AT_SOURCE, d + AT_UDP),
				  endpoint_at(d + AT_DESTINATION, d + AT_UDP + 2), d + AT_PAYLOAD,
				  length, by_stranger);
		return NULL;
	}
	if (length >= 4 && is_channel_number(get16(d + AT_PAYLOAD)))
		read_twin_to_client(m, f, &tuple, d + AT_PAYLOAD, length);
	else
		return read_answer(m, f, &tuple, d + AT_PAYLOAD, length);
	return NULL;
}
