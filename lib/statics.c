// SPDX-License-Identifier: GPL-2.0
#include "statics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/rtnetlink.h>

#include "channel.h"
#include "control.h"
#include "device.h"
#include "hint.h"
#include "ip.h"
#include "link.h"
#include "neighbour.h"
#include "others.h"
#include "route.h"
#include "sysctl.h"
#include "table.h"
#include "upkeep.h"

#define NEIGH_TIMEOUT 3000 /* ms to wait for an answer to ARP */

/* ---- what they need outside of the tables ---------------------------------------------------- */

/* Is there a static channel besides that of @key? */
static bool any_static(const struct turnctl_channel *list, size_t count,
		       const struct turn_key4 *key)
{
	size_t i;

	for (i = 0; i < count; i++)
		if ((list[i].to_peer.flags & TURN_STATIC) &&
		    memcmp(&list[i].key, key, sizeof(*key)))
			return true;
	return false;
}

/* The sysctl is the network namespace's: another instance may have set it, and need it. (A device
 * is of one instance, and its neighbours with it.) */
static bool has_set_forwarding(const struct turnctl_instance *other)
{
	struct turn_config config;

	return !turnctl_config_read(other, &config, NULL) &&
	       (config.flags & TURN_SET_LO_FORWARDING);
}

/* For the first static channel. Noted before it is done, so that a killed command's is undone. */
static int set_forwarding(const struct turnctl_instance *instance, struct turnctl_error *err)
{
	int value = turnctl_lo_forwarding(err), code;
	struct turn_config before, config;

	if (value < 0)
		return value;
	if (value && !turnctl_others_any(instance, has_set_forwarding))
		return 0; /* it is ours already, or the operator's */
	code = turnctl_config_read(instance, &before, err);
	if (code)
		return code;
	config = before;
	config.flags |= TURN_SET_LO_FORWARDING;
	code = turnctl_config_write(instance, &config, err);
	if (!code && !value)
		code = turnctl_lo_forwarding_set(1, err);
	if (code)
		turnctl_config_write(instance, &before, NULL);
	return code;
}

/* After the last one. Noted when done; or left to another instance, which has noted it too. */
static int reset_forwarding(const struct turnctl_instance *instance, struct turnctl_error *err)
{
	struct turn_config config;
	int code = turnctl_config_read(instance, &config, err);

	if (code || !(config.flags & TURN_SET_LO_FORWARDING))
		return code;
	if (turnctl_lo_forwarding(NULL) && !turnctl_others_any(instance, has_set_forwarding))
		code = turnctl_lo_forwarding_set(0, err);
	if (code)
		return code;
	config.flags &= ~TURN_SET_LO_FORWARDING;
	return turnctl_config_write(instance, &config, err);
}

int turnctl_statics_end(const struct turnctl_instance *instance, struct turnctl_error *err)
{
	struct turnctl_channel *list;
	size_t count, i;
	int code;

	code = turnctl_channels_read(instance, &list, &count, err);
	if (code)
		return code;
	for (i = 0; i < count; i++)
		turnctl_upkeep_end(list, count, &list[i]);
	free(list);
	return reset_forwarding(instance, err);
}

/* ---- adding ---------------------------------------------------------------------------------- */

static int check_local(const char *what, const struct turnctl_endpoint *endpoint,
		       struct turnctl_error *err)
{
	struct turnctl_ip ip = turnctl_ip4(endpoint->ip.v4);
	char text[INET_ADDRSTRLEN];
	int local = turnctl_ip_is_local(&ip, err);

	if (local)
		return local < 0 ? local : 0;
	return turnctl_fail(err, EADDRNOTAVAIL,
			    "%s address %s is not an address of this host ('ip address' lists "
			    "them)", what, turnctl_ip_format(&ip, text, sizeof(text)));
}

/* Next hop from @from to @to; @list is of all channels. */
static int find_hop(const struct turnctl_instance *instance, const struct turnctl_channel *list,
		    size_t count, const char *what,
		    const struct turnctl_endpoint *to, const struct turnctl_endpoint *from,
		    struct turn_static_hop *hop, struct turnctl_error *err)
{
	struct turnctl_ip dst = turnctl_ip4(to->ip.v4), src = turnctl_ip4(from->ip.v4);
	char text[INET_ADDRSTRLEN];
	struct turnctl_route route;
	struct turnctl_link link;
	int code;

	code = turnctl_route_get(&dst, &src, &route, err);
	if (code)
		return code;
	turnctl_ip_format(&dst, text, sizeof(text));
	if (route.type != RTN_UNICAST)
		return turnctl_fail(err, EINVAL,
				    "%s %s is %s; a channel leads to another host", what, text,
				    route.type == RTN_LOCAL ? "an address of this host itself"
							    : "not a unicast address");
	if (route.next_hop.family != AF_INET)
		return turnctl_fail(err, EAFNOSUPPORT,
				    "the route to %s %s has an IPv6 gateway, which static channels "
				    "cannot use", what, text);
	code = turnctl_link_by_index(route.ifindex, &link, err);
	if (code)
		return code;
	if (!turnctl_is_attached(instance, route.ifindex))
		return turnctl_fail(err, ENODEV,
				    "the route to %s %s leaves by %s, which is not attached; %s "
				    "adds it",
				    what, text, link.name,
				    turnctl_hint(instance->name, "attach %s", link.name).text);
	code = turnctl_neigh_resolve(route.ifindex, &route.next_hop, NEIGH_TIMEOUT, hop->dmac, err);
	if (code)
		return code;
	hop->kept.ifindex = hop->ifindex = route.ifindex;
	memcpy(&hop->ip.v4, route.next_hop.bytes, sizeof(hop->ip.v4));
	hop->kept.ip = hop->ip;
	code = turnctl_upkeep_plan(list, count, &hop->kept, err);
	if (code < 0)
		return code;
	memcpy(hop->smac, link.mac, sizeof(hop->smac));
	hop->mtu = route.mtu && route.mtu < link.mtu ? route.mtu : link.mtu;
	return 0;
}

static int manage_hop(const struct turn_static_hop *hop, struct turnctl_error *err)
{
	struct turnctl_ip ip = turnctl_ip4(hop->ip.v4);

	return turnctl_neigh_manage(hop->ifindex, &ip, true, err);
}

static int check_new(const struct turnctl_instance *instance, const struct turn_control *c,
		     const struct turnctl_static *add, struct turnctl_error *err)
{
	struct turnctl_endpoint client = add->client;
	char text[TURNCTL_ENDPOINT_TEXT], more[TURNCTL_ENDPOINT_TEXT];
	struct turn_flow flow;

	if (!bpf_map_lookup_elem(instance->map[TURNCTL_FLOWS], &c->key[0], &flow))
		return turnctl_fail(err, EEXIST, "channel %#x of client %s exists already (%s)",
				    add->number,
				    turnctl_endpoint_format(&client, text, sizeof(text)),
				    flow.flags & TURN_STATIC ? "static"
							     : "learned from the server");
	if (!bpf_map_lookup_elem(instance->map[TURNCTL_FLOWS], &c->key[1], &flow))
		return turnctl_fail(err, EEXIST,
				    "peer %s and relay address %s belong to another channel "
				    "already",
				    turnctl_endpoint_format(&add->peer, text, sizeof(text)),
				    turnctl_endpoint_format(&add->relay, more, sizeof(more)));
	return 0;
}

/* Puts it into the table first: from then on a later command knows what there is to undo. */
static int put_in(const struct turnctl_instance *instance, struct turn_control *c,
		  struct turnctl_error *err)
{
	int code = turnctl_control_run(instance, c);

	if (code == -E2BIG || code == -ENOSPC)
		return turnctl_fail(err, ENOSPC,
				    "the table of channels is full; a larger one needs %s and %s",
				    turnctl_hint(instance->name, "detach --all").text,
				    turnctl_hint(instance->name,
						 "attach DEV --max-channels N").text);
	if (code)
		return turnctl_fail_errno(err, -code, "cannot add the channel");
	code = manage_hop(&c->hop[0], err);
	if (!code)
		code = manage_hop(&c->hop[1], err);
	if (code)
		turnctl_channel_delete(instance, &c->key[0], NULL);
	return code;
}

int turnctl_static_add(const struct turnctl_instance *instance, const struct turnctl_static *add,
		       struct turnctl_error *err)
{
	struct turn_control c = { .operation = TURN_ADD_STATIC };
	struct turnctl_channel *list = NULL;
	size_t count;
	int code;

	if (add->number < CHANNEL_FIRST || add->number > CHANNEL_LAST)
		return turnctl_fail(err, EINVAL, "channel number %#x is out of range; RFC 8656 has "
				    "0x4000 to 0x4fff, RFC 5766 up to 0x7fff", add->number);
	c.key[0] = (struct turn_key4){ add->client.ip.v4, add->server.ip.v4, add->client.port,
				       add->server.port, htons(add->number), 0 };
	c.key[1] = (struct turn_key4){ add->peer.ip.v4, add->relay.ip.v4, add->peer.port,
				       add->relay.port, 0, 0 };
	code = check_new(instance, &c, add, err);
	if (!code)
		code = check_local("server", &add->server, err);
	if (!code)
		code = check_local("relay", &add->relay, err);
	if (!code)
		code = turnctl_channels_read(instance, &list, &count, err);
	if (!code)
		code = find_hop(instance, list, count, "peer", &add->peer, &add->relay, &c.hop[0],
				err);
	if (!code)
		code = find_hop(instance, list, count, "client", &add->client, &add->server,
				&c.hop[1], err);
	if (!code)
		code = set_forwarding(instance, err);
	if (!code) {
		code = put_in(instance, &c, err);
		if (code && !any_static(list, count, &c.key[0]))
			reset_forwarding(instance, NULL);
	}
	free(list);
	return code;
}

/* ---- deleting -------------------------------------------------------------------------------- */

/* What a static channel has outside of the tables, unless others need it too. */
static int give_back(const struct turnctl_instance *instance, const struct turn_key4 *key,
		     struct turnctl_error *err)
{
	struct turnctl_channel *list;
	size_t count, i;
	int code;

	code = turnctl_channels_read(instance, &list, &count, err);
	if (code)
		return code;
	for (i = 0; i < count; i++)
		if (!memcmp(&list[i].key, key, sizeof(*key)))
			turnctl_upkeep_end(list, count, &list[i]);
	if (!any_static(list, count, key))
		code = reset_forwarding(instance, err);
	free(list);
	return code;
}

int turnctl_channel_delete(const struct turnctl_instance *instance, const struct turn_key4 *key,
			   struct turnctl_error *err)
{
	struct turn_control c = { .operation = TURN_DELETE };
	struct turn_flow to_peer;
	int code = 0;

	if (bpf_map_lookup_elem(instance->map[TURNCTL_FLOWS], key, &to_peer))
		return turnctl_fail(err, ENOENT, "no such channel");
	c.key[0] = *key;
	/* first, since without its entry nobody knows of it */
	if (to_peer.flags & TURN_STATIC)
		code = give_back(instance, key, err);
	if (code)
		return code;
	code = turnctl_control_run(instance, &c);
	return code ? turnctl_fail_errno(err, -code, "cannot delete the channel") : 0;
}
