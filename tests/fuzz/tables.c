// SPDX-License-Identifier: GPL-2.0
/* What must hold in the tables when all steps of a world are done. */
#include "fuzz.h"

#include <string.h>

#include <bpf/bpf.h>

static bool check_flow(struct world *w, const struct turn_key4 *key, __u32 *users)
{
	const struct model_channel *c;
	struct turn_flow flow;

	users[BE16(key->dport)]++;
	if (!flow_find(w->f, *key, &flow))
		return true; /* gone meanwhile: world_is_old */
	c = model_channel_of(&w->model, key, &flow);
	if (!c)
		return trouble(w, "there is a flow for a channel that was not sanctioned: %s, 0x%04x",
			       key->channel ? "to peer" : "to client", BE16(flow.channel));
	if (flow.state == TURN_OFFLOADED && !c->proven[!key->channel])
		return trouble(w, "a flow is offloaded that the server has not proven: %s, 0x%04x",
			       key->channel ? "to peer" : "to client", BE16(flow.channel));
	return true;
}

static bool check_ports(struct world *w, __u32 *users)
{
	static __u32 counted[65536];
	__u32 zero = 0, i;

	users[BE16(SERVER.port)]++;
	bpf_map_lookup_elem(map_of(w->f, "turn_ports"), &zero, counted);
	for (i = 0; i < 65536; i++)
		if (counted[i] != users[i])
			return trouble(w, "port %u has %u users, but turn_ports counts %u", i,
				       users[i], counted[i]);
	return true;
}

static bool check_tables(struct world *w)
{
	static __u32 users[65536];
	struct turn_key4 key, *last = NULL;
	int flows = map_of(w->f, "turn_flows"), allocs = map_of(w->f, "turn_allocs");
	unsigned int i;

	memset(users, 0, sizeof(users));
	for (; !bpf_map_get_next_key(flows, last, &key); last = &key)
		if (!check_flow(w, &key, users))
			return false;
	for (last = NULL; !bpf_map_get_next_key(allocs, last, &key); last = &key) {
		for (i = 0; i < w->model.allocs; i++)
			if (same_key(&w->model.alloc[i].tuple, &key))
				break;
		if (i == w->model.allocs)
			return trouble(w, "there is an allocation that was not sanctioned");
	}
	return check_ports(w, users);
}

static bool flow_is_alive(struct world *w, struct turn_key4 key)
{
	struct turn_slot slot = {};
	struct turn_flow flow;

	return flow_find(w->f, key, &flow) && flow.state == TURN_OFFLOADED &&
	       !bpf_map_lookup_elem(map_of(w->f, "turn_slots"), &flow.slot, &slot) &&
	       slot.epoch == flow.epoch;
}

bool world_is_alive(struct world *w)
{
	const struct model_channel *c;
	struct turn_key4 key;
	unsigned int i;

	for (i = 0; i < w->model.channels; i++) {
		c = &w->model.channel[i];
		if (c->endangered)
			continue;
		key = c->tuple;
		key.channel = BE16(c->number);
		if ((c->offloaded[0] && !flow_is_alive(w, key)) ||
		    (c->offloaded[1] && !flow_is_alive(w, key_of(c->peer, c->relay, 0))))
			return trouble(w, "nothing has happened to channel 0x%04x, but it is not relayed any more",
				       c->number);
	}
	return true;
}

bool world_end(struct world *w)
{
	struct turn_stats stats = counters(w->f);
	int i;

	for (i = 0; i < TURN_REASON_COUNT; i++)
		w->tally->reasons[i] += stats.passed[i];
	for (i = 0; i < TURN_EVENT_COUNT; i++)
		w->tally->events[i] += stats.events[i];
	if (world_is_old(w) || stats.events[TURN_EVENT_SWEPT]) {
		w->tally->old++;
		return true;
	}
	if (counted_frames(&stats) != w->known)
		return trouble(w, "%llu frames hit a flow's key, but %llu were counted",
			       (unsigned long long)w->known,
			       (unsigned long long)counted_frames(&stats));
	return check_tables(w) && world_is_alive(w);
}
