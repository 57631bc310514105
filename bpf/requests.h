/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests in flight. A success response says only that some request under its transaction was
 * granted, so what was asked for is remembered when it passes by, and never more than one reading
 * of it: a second, different request under a transaction poisons it for good.
 *
 * Requests of a 5-tuple that has an allocation are remembered in that allocation, so that a flood
 * from elsewhere cannot push them out. Only Allocates share a table. (Who can spoof the 5-tuple
 * can push them out: that costs the client speed, until its next request.)
 */
#ifndef TURN_REQUESTS_H
#define TURN_REQUESTS_H

#include "allocs.h"
#include "doubts.h"
#include "reader.h"

static __always_inline int turn_same_transaction(const __u8 *a, const __u8 *b)
{
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2];
}

/* Do two requests ask for the same? (A retransmission does.) Their transactions are equal. */
static __always_inline int turn_same_request(const struct turn_request *a,
					     const struct turn_request *b)
{
	int i;

	if (a->poisoned != b->poisoned || a->method != b->method || a->family != b->family ||
	    a->channel != b->channel || a->port != b->port || a->peers != b->peers)
		return 0;
	for (i = 0; i < TURN_REQUEST_PEERS; i++)
		if (!turn_same_ip(&a->peer[i], &b->peer[i]))
			return 0;
	return 1;
}

/* What a message asks for. False if there is nothing in it that the kernel path can use. */
static __always_inline int turn_read_request(const struct stun_message *m, struct turn_request *r)
{
	int i;

	__builtin_memset(r, 0, sizeof(*r));
	__builtin_memcpy(r->transaction, m->transaction, sizeof(r->transaction));
	r->method = STUN_METHOD(m->type);
	r->family = m->family;
	for (i = 0; i < STUN_PEERS; i++) {
		if (i >= m->peers || m->peer[i].family != STUN_IPV4)
			continue; /* an IPv6 peer leaves an unset address, which no flow has */
		r->peer[i].v4 = m->peer[i].ip[0];
	}
	r->peers = m->peers;
	r->port = m->peer[0].port;

	switch (r->method) {
	case STUN_REFRESH:
		return 1;
	case STUN_CREATE_PERMISSION:
		return m->peers > 0;
	case STUN_CHANNEL_BIND:
		r->channel = m->channel;
		return m->peers == 1 && m->peer[0].family == STUN_IPV4 &&
		       (m->has & STUN_HAS_CHANNEL) && channel_number_ok(packet_be16(m->channel));
	}
	return 0;
}

/* Remembers @r in the allocation. */
static __always_inline void turn_remember(struct turn_alloc *alloc, const struct turn_request *r)
{
	__u32 free = TURN_REQUESTS;
	__u8 poisoned = 0;
	int i;

	bpf_spin_lock(&alloc->lock);
	for (i = 0; i < TURN_REQUESTS; i++) {
		struct turn_request *old = &alloc->request[i];

		if (!old->method) {
			if (free == TURN_REQUESTS)
				free = i;
		} else if (turn_same_transaction(old->transaction, r->transaction)) {
			if (!turn_same_request(old, r))
				poisoned = old->poisoned = 1;
			free = TURN_REQUESTS + 1;
			break;
		}
	}
	if (free == TURN_REQUESTS)
		free = alloc->next++ % TURN_REQUESTS;
	if (free < TURN_REQUESTS)
		alloc->request[free] = *r;
	bpf_spin_unlock(&alloc->lock);
	if (poisoned)
		turn_event(TURN_EVENT_POISONED);
}

/* Finds the request under @transaction of @method, copies it to @r and forgets it. */
static __always_inline int turn_recall(struct turn_alloc *alloc, const __u8 *transaction,
				       __u16 method, struct turn_request *r)
{
	int found = 0, i;

	bpf_spin_lock(&alloc->lock);
	for (i = 0; i < TURN_REQUESTS; i++) {
		struct turn_request *old = &alloc->request[i];

		if (old->method != method || !turn_same_transaction(old->transaction, transaction))
			continue;
		found = !old->poisoned;
		*r = *old;
		/* a poisoned one stays, lest its other half be taken for a request of its own */
		if (found)
			old->method = 0;
		break;
	}
	bpf_spin_unlock(&alloc->lock);
	return found;
}

static __always_inline void turn_pending_key(const struct turn_key4 *tuple,
					     const __u8 *transaction, struct turn_pending4 *key)
{
	key->tuple = *tuple;
	key->tuple.channel = 0;
	__builtin_memcpy(key->transaction, transaction, sizeof(key->transaction));
	key->zero = 0;
}

static __always_inline void turn_remember_allocate(const struct turn_key4 *tuple,
						   const struct stun_message *m, int poisoned)
{
	struct turn_pending fresh = {
		.when = bpf_jiffies64(),
		.poisoned = poisoned,
		.transport = m->transport,
		.family = m->family,
	};
	struct turn_pending *old;
	struct turn_pending4 key;

	turn_pending_key(tuple, m->transaction, &key);
	old = bpf_map_lookup_elem(&turn_pendings, &key);
	if (!old) {
		bpf_map_update_elem(&turn_pendings, &key, &fresh, BPF_ANY);
	} else if (poisoned || old->transport != fresh.transport || old->family != fresh.family) {
		old->poisoned = 1;
		turn_event(TURN_EVENT_POISONED);
	} else {
		old->when = fresh.when;
	}
}

/* Is it one of the methods that are learned from? */
static __always_inline int turn_is_learned(__u16 method)
{
	return method == STUN_ALLOCATE || method == STUN_REFRESH ||
	       method == STUN_CREATE_PERMISSION || method == STUN_CHANNEL_BIND;
}

/* The STUN stage: @v is a frame at a port of ours that no flow claims. */
static __always_inline void turn_stage_stun(struct xdp_md *ctx, struct turn_view *v)
{
	struct turn_config *config = turn_configuration();
	struct turn_reader *reader;
	struct stun_message *m;
	struct turn_alloc *alloc;
	enum stun_verdict verdict;
	int payload, usable;
	__u16 type, method;

	/* at least a header: also lets the verifier read the first bytes in place */
	if (turn_doubt_read(v) || (void *)(v->p.payload + STUN_HEADER) > v->end ||
	    !stun_is_stun(v->p.payload) || !config ||
	    !turn_served(config, v->key->daddr, v->key->dport) ||
	    !turn_same_mac(v->p.eth->h_dest, turn_self.mac))
		return;
	type = stun_read16(v->p.payload);
	method = STUN_METHOD(type);
	if ((type & STUN_CLASS_MASK) == STUN_INDICATION || !turn_is_learned(method))
		return;
	if ((type & STUN_CLASS_MASK) != STUN_REQUEST) {
		turn_event(TURN_EVENT_ECHOED); /* no other answer makes an allocation */
		return;
	}
	payload = packet_udp4_whole(&v->p, v->end - (void *)v->p.eth);
	reader = turn_get_reader();
	if (payload < STUN_HEADER || !reader)
		return;
	/* What the stack drops, no server answers: if an answer comes, it is not to this. (What it
	 * takes and we do not read, such as fragments, may share a transaction with what we read:
	 * only the twin tells.) */
	if (csum_ip4(v->p.ip) != 0xffff || !turn_read_sound(ctx, &v->p, payload, reader)) {
		turn_event(TURN_EVENT_UNSOUND);
		return;
	}
	m = &reader->message;
	verdict = stun_parse(reader->buffer, payload, m);
	if (verdict != STUN_OK)
		turn_event(verdict == STUN_TOO_LONG ? TURN_EVENT_TOO_LONG : TURN_EVENT_IRREGULAR);
	v->key->channel = 0;
	if (method == STUN_ALLOCATE) {
		turn_remember_allocate(v->key, m, verdict != STUN_OK);
		return;
	}
	/* the server may grant what we cannot read or use: nothing under its transaction counts */
	usable = turn_read_request(m, &reader->request);
	reader->request.poisoned = verdict != STUN_OK || !usable;
	alloc = bpf_map_lookup_elem(&turn_allocs, v->key);
	if (alloc)
		turn_remember(alloc, &reader->request);
	else
		turn_event(TURN_EVENT_UNKNOWN_ALLOCATION);
}

#endif
