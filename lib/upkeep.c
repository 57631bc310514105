// SPDX-License-Identifier: GPL-2.0
#include "upkeep.h"

#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "control.h"
#include "device.h"
#include "neighbour.h"
#include "route.h"
#include "sysctl.h"

/* ---- the neighbour entry of one direction ---------------------------------------------------- */

static bool is_same(const struct turn_kept *a, const struct turn_kept *b)
{
	return a->ifindex == b->ifindex && a->ip.v4 == b->ip.v4;
}

static bool has_note_of(const struct turn_flow *flow, const struct turn_kept *kept)
{
	return (flow->flags & TURN_STATIC) && is_same(&flow->kept, kept);
}

static bool is_noted(const struct turnctl_channel *list, size_t count, const struct turn_kept *kept)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (has_note_of(&list[i].to_peer, kept) ||
		    (list[i].both && has_note_of(&list[i].to_client, kept)))
			return true;
	return false;
}

static int manage(const struct turn_kept *kept, bool on, struct turnctl_error *err)
{
	struct turnctl_ip ip = turnctl_ip4(kept->ip.v4);

	return turnctl_neigh_manage(kept->ifindex, &ip, on, err);
}

int turnctl_upkeep_plan(const struct turnctl_channel *list, size_t count, struct turn_kept *kept,
			struct turnctl_error *err)
{
	struct turnctl_ip ip = turnctl_ip4(kept->ip.v4);
	bool managed;
	int code;

	code = turnctl_neigh_managed(kept->ifindex, &ip, &managed, err);
	if (code)
		return code;
	if (managed && !is_noted(list, count, kept))
		memset(kept, 0, sizeof(*kept));
	return managed;
}

static void give_back(const struct turnctl_channel *list, size_t count, struct turn_flow *flow)
{
	struct turn_kept kept = flow->kept;

	if (!(flow->flags & TURN_STATIC) || !kept.ifindex)
		return;
	memset(&flow->kept, 0, sizeof(flow->kept));
	if (!is_noted(list, count, &kept))
		manage(&kept, false, NULL); /* a device that is gone has taken it along */
}

void turnctl_upkeep_end(const struct turnctl_channel *list, size_t count,
			struct turnctl_channel *channel)
{
	give_back(list, count, &channel->to_peer);
	if (channel->both)
		give_back(list, count, &channel->to_client);
}

/* ---- what has lapsed ------------------------------------------------------------------------- */

/* The next hop that the routes lead to now, unless there is none that could be kept. @way->ifindex
 * is set in any case if there is a route. */
static bool find_way(const struct turnctl_instance *instance, const struct turn_flow *flow,
		     struct turn_kept *way)
{
	struct turnctl_ip to = turnctl_ip4(flow->daddr.v4), from = turnctl_ip4(flow->saddr.v4);
	struct turnctl_route route;

	memset(way, 0, sizeof(*way));
	if (!(flow->flags & TURN_STATIC) || turnctl_route_get(&to, &from, &route, NULL) ||
	    route.type != RTN_UNICAST)
		return false;
	way->ifindex = route.ifindex;
	if (route.next_hop.family != AF_INET || !turnctl_is_attached(instance, route.ifindex))
		return false;
	memcpy(&way->ip.v4, route.next_hop.bytes, sizeof(way->ip.v4));
	return true;
}

/* A device that is gone or down is not complained of here. */
static void look(const struct turnctl_instance *instance, const struct turn_flow *flow,
		 struct turnctl_lapsed *lapsed)
{
	struct turn_kept way;
	struct turnctl_ip ip;
	bool managed;

	if (!find_way(instance, flow, &way)) {
		if (way.ifindex && !turnctl_is_attached(instance, way.ifindex))
			lapsed->elsewhere = way.ifindex;
		return;
	}
	ip = turnctl_ip4(way.ip.v4);
	if (!turnctl_neigh_managed(way.ifindex, &ip, &managed, NULL) && !managed &&
	    !lapsed->neighbours++)
		lapsed->first = way;
}

static bool has_forwarding_lapsed(const struct turnctl_channel *list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (list[i].to_peer.flags & TURN_STATIC)
			return !turnctl_lo_forwarding(NULL);
	return false;
}

void turnctl_upkeep_read(const struct turnctl_instance *instance,
			 const struct turnctl_channel *list, size_t count,
			 struct turnctl_lapsed *lapsed)
{
	size_t i;

	memset(lapsed, 0, sizeof(*lapsed));
	for (i = 0; i < count; i++) {
		look(instance, &list[i].to_peer, lapsed);
		if (list[i].both)
			look(instance, &list[i].to_client, lapsed);
	}
	lapsed->forwarding = has_forwarding_lapsed(list, count);
}

/* ---- renewing -------------------------------------------------------------------------------- */

/* Noted before it is done, so that a killed command's change is undone. */
static int note(const struct turnctl_instance *instance, const struct turn_key4 *key,
		const struct turn_kept *kept, struct turnctl_error *err)
{
	struct turn_control c = { .operation = TURN_KEEP, .key[0] = *key, .hop[0].kept = *kept };
	int code = turnctl_control_run(instance, &c);

	return code ? turnctl_fail_errno(err, -code, "cannot note a static channel's next hop") : 0;
}

static int renew(const struct turnctl_instance *instance, const struct turnctl_channel *list,
		 size_t count, const struct turn_key4 *key, struct turn_flow *flow,
		 struct turnctl_error *err)
{
	struct turn_kept way, kept;
	int managed, code;

	if (!find_way(instance, flow, &way))
		return 0;
	kept = way;
	managed = turnctl_upkeep_plan(list, count, &kept, NULL);
	if (managed < 0)
		return 0;
	if (!is_same(&kept, &flow->kept)) {
		give_back(list, count, flow);
		code = note(instance, key, &kept, err);
		if (code)
			return code;
		flow->kept = kept;
	}
	return managed ? 0 : manage(&way, true, err);
}

static int renew_neighbours(const struct turnctl_instance *instance, struct turnctl_channel *list,
			    size_t count, struct turnctl_error *err)
{
	int code = 0;
	size_t i;

	for (i = 0; i < count && !code; i++) {
		code = renew(instance, list, count, &list[i].key, &list[i].to_peer, err);
		if (!code && list[i].both)
			code = renew(instance, list, count, &list[i].rem_key, &list[i].to_client,
				     err);
	}
	return code;
}

int turnctl_upkeep_renew(const struct turnctl_instance *instance, struct turnctl_error *err)
{
	struct turnctl_channel *list;
	struct turn_config config;
	bool forwarding;
	size_t count;
	int code;

	code = turnctl_channels_read(instance, &list, &count, err);
	if (code)
		return code;
	forwarding = has_forwarding_lapsed(list, count);
	code = renew_neighbours(instance, list, count, err);
	free(list);
	if (code || !forwarding)
		return code;
	/* noted before it is done, so that a killed command's change is undone */
	code = turnctl_config_read(instance, &config, err);
	config.flags |= TURN_SET_LO_FORWARDING;
	if (!code)
		code = turnctl_config_write(instance, &config, err);
	return code ? code : turnctl_lo_forwarding_set(1, err);
}
