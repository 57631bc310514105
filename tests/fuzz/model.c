// SPDX-License-Identifier: GPL-2.0
#include "model.h"

#include <string.h>

#include <bpf/bpf.h>

void model_begin(struct model *m)
{
	m->requests = m->allocs = m->channels = m->samples = 0;
	m->exit_there = true;
}

struct endpoint endpoint_at(const __u8 *ip, const __u8 *port)
{
	struct endpoint e;

	memcpy(&e.ip, ip, 4);
	memcpy(&e.port, port, 2);
	return e;
}

struct turn_key4 key_in(const __u8 *frame)
{
	return key_of(endpoint_at(frame + AT_SOURCE, frame + AT_UDP),
		      endpoint_at(frame + AT_DESTINATION, frame + AT_UDP + 2), 0);
}

bool is_channel_number(unsigned int number)
{
	return number >= 0x4000 && number <= 0x7fff;
}

/* ---- what becomes of a frame ----------------------------------------------------------------- */

static __u32 bit(enum turn_reason reason)
{
	return 1u << reason;
}

/* What is wrong with the frame itself; 0: nothing, and its application data is known. */
static __u32 unsound(const struct frame *frame, struct forecast *c)
{
	const __u8 *d = frame->data;
	int payload = ref_payload(d, frame->len);
	__u32 reasons = 0;

	if (memcmp(d, device_mac, 6))
		reasons |= bit(TURN_REASON_OTHER_MAC);
	if (d[AT_TTL] < 2)
		reasons |= bit(TURN_REASON_TTL);
	if (!ref_ip_sound(d))
		reasons |= bit(TURN_REASON_IP_CHECKSUM);
	if (get16(d + AT_UDP_CHECK) && get16(d + AT_UDP_CHECK) == ref_pseudo(d))
		reasons |= bit(TURN_REASON_PARTIAL_CHECKSUM);
	if (payload < 0)
		return reasons | bit(TURN_REASON_LENGTH);
	c->data = d + AT_PAYLOAD;
	c->length = payload;
	if (!c->to_peer)
		return reasons;
	c->data += 4;
	c->length = get16(d + AT_PAYLOAD + 2);
	if (ref_surplus(c->length, payload) < 0)
		reasons |= bit(TURN_REASON_CHANNEL_LENGTH);
	return reasons;
}

/* Why a sound frame of a flow before its deadline is not relayed. */
static __u32 hindered(const struct model *m, const struct fixture *f, const struct frame *frame,
		      const struct forecast *c)
{
	/* as it comes, padding included, with its headers, less what goes or more what comes */
	int length = 28 + ref_payload(frame->data, frame->len) + (c->to_peer ? -4 : 4);
	struct turn_slot slot = {};
	__u32 reasons = 0;

	if (bpf_map_lookup_elem(map_of(f, "turn_slots"), &c->flow.slot, &slot) ||
	    slot.epoch != c->flow.epoch)
		reasons |= bit(TURN_REASON_ENDED);
	if (length > c->flow.mtu)
		reasons |= bit(TURN_REASON_MTU);
	if (!m->exit_there || c->flow.ifindex != f->ifindex)
		reasons |= bit(TURN_REASON_NO_DEVICE);
	return reasons;
}

void model_forecast(const struct model *m, const struct fixture *f, const struct frame *frame,
		    enum turn_role role, struct forecast *c)
{
	const __u8 *d = frame->data;

	memset(c, 0, offsetof(struct forecast, flow));
	c->fate = FATE_STRANGER;
	if (!ref_is_udp4(d, frame->len))
		return;
	c->key = key_in(d);
	if (role == TURN_ROLE_CLIENT && frame->len >= AT_PAYLOAD + 4 &&
	    is_channel_number(get16(d + AT_PAYLOAD))) {
		memcpy(&c->key.channel, d + AT_PAYLOAD, 2);
		c->to_peer = flow_find(f, c->key, &c->flow);
	}
	if (!c->to_peer) {
		c->key.channel = 0;
		if (!flow_find(f, c->key, &c->flow))
			return;
	}
	c->fate = FATE_LEFT;
	c->reasons = unsound(frame, c);
	if (c->reasons)
		return;
	if (c->flow.deadline + 3 >= m->now && c->flow.deadline <= m->now + 3) {
		c->fate = FATE_UNSURE;
	} else if (c->flow.deadline < m->now) {
		c->fate = FATE_DUE;
	} else {
		c->reasons = hindered(m, f, frame, c);
		if (!c->reasons)
			c->fate = FATE_RELAYED;
	}
}

/* ---- what is right --------------------------------------------------------------------------- */

const struct model_channel *model_channel_of(const struct model *m, const struct turn_key4 *key,
					     const struct turn_flow *flow)
{
	struct endpoint from = { flow->saddr.v4, flow->sport }, to = { flow->daddr.v4, flow->dport };
	struct endpoint source = { key->saddr, key->sport }, here = { key->daddr, key->dport };
	const struct model_channel *c;
	struct turn_key4 tuple = *key;
	unsigned int i;

	tuple.channel = 0;
	for (i = 0; i < m->channels; i++) {
		c = &m->channel[i];
		if (flow->channel != BE16(c->number))
			continue;
		if (key->channel) {
			if (key->channel == flow->channel && same_key(&tuple, &c->tuple) &&
			    same_endpoint(from, c->relay) && same_endpoint(to, c->peer))
				return c;
		} else if (same_endpoint(source, c->peer) && same_endpoint(here, c->relay) &&
			   from.ip == c->tuple.daddr && from.port == c->tuple.dport &&
			   to.ip == c->tuple.saddr && to.port == c->tuple.sport) {
			return c;
		}
	}
	return NULL;
}

const char *model_may_relay(const struct model *m, const struct forecast *c)
{
	const struct model_channel *channel = model_channel_of(m, &c->key, &c->flow);

	if (!channel)
		return "relayed for a channel that the server has not sanctioned";
	if (!channel->proven[!c->to_peer])
		return "relayed although the server has never relayed a packet itself";
	return NULL;
}
