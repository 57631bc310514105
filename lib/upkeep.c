// SPDX-License-Identifier: GPL-2.0
#include "upkeep.h"

#include <stdlib.h>
#include <string.h>

#include "neighbour.h"
#include "route.h"
#include "sysctl.h"

/* Is the flow's next hop the one that it was added with? Else it follows a route that has moved. */
static bool is_on_its_way(const struct turn_flow *flow, const struct turnctl_ip *hop)
{
	struct turnctl_ip to = turnctl_ip4(flow->daddr.v4), from = turnctl_ip4(flow->saddr.v4);
	struct turnctl_route route;

	return !turnctl_route_get(&to, &from, &route, NULL) &&
	       (__u32)route.ifindex == flow->ifindex &&
	       !memcmp(route.next_hop.bytes, hop->bytes, sizeof(flow->hop.v4));
}

/* A device that is gone or down is not complained of here. */
static bool has_lapsed(const struct turn_flow *flow)
{
	struct turnctl_ip hop = turnctl_ip4(flow->hop.v4);
	bool managed;

	return (flow->flags & TURN_MANAGED) && is_on_its_way(flow, &hop) &&
	       !turnctl_neigh_managed(flow->ifindex, &hop, &managed, NULL) && !managed;
}

static void look(const struct turn_flow *flow, struct turnctl_lapsed *lapsed)
{
	if (!has_lapsed(flow))
		return;
	if (!lapsed->neighbours++)
		lapsed->first = flow;
}

void turnctl_upkeep_read(const struct turnctl_channel *list, size_t count,
			 struct turnctl_lapsed *lapsed)
{
	bool any = false;
	size_t i;

	memset(lapsed, 0, sizeof(*lapsed));
	for (i = 0; i < count; i++) {
		if (!(list[i].to_peer.flags & TURN_STATIC))
			continue;
		any = true;
		look(&list[i].to_peer, lapsed);
		if (list[i].both)
			look(&list[i].to_client, lapsed);
	}
	lapsed->forwarding = any && !turnctl_lo_forwarding(NULL);
}

static int renew(const struct turn_flow *flow, struct turnctl_error *err)
{
	struct turnctl_ip hop = turnctl_ip4(flow->hop.v4);

	return has_lapsed(flow) ? turnctl_neigh_manage(flow->ifindex, &hop, true, err) : 0;
}

int turnctl_upkeep_renew(const struct turnctl_instance *instance, struct turnctl_error *err)
{
	struct turnctl_channel *list;
	struct turnctl_lapsed lapsed;
	struct turn_config config;
	size_t count, i;
	int code;

	code = turnctl_channels_read(instance, &list, &count, err);
	if (code)
		return code;
	turnctl_upkeep_read(list, count, &lapsed);
	for (i = 0; lapsed.neighbours && i < count && !code; i++) {
		code = renew(&list[i].to_peer, err);
		if (!code && list[i].both)
			code = renew(&list[i].to_client, err);
	}
	free(list);
	if (code || !lapsed.forwarding)
		return code;
	/* noted before it is done, so that a killed command's change is undone */
	code = turnctl_config_read(instance, &config, err);
	config.flags |= TURN_SET_LO_FORWARDING;
	if (!code)
		code = turnctl_config_write(instance, &config, err);
	return code ? code : turnctl_lo_forwarding_set(1, err);
}
