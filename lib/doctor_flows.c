// SPDX-License-Identifier: GPL-2.0
/* doctor: what the relayed packets would look like to netfilter: ports, addresses, devices. */
#include <arpa/inet.h>
#include <net/if.h>
#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "control.h"
#include "doctor_parts.h"
#include "netlink.h"
#include "table.h"

/* RFC 8656 section 7.2; the default of the servers that we know */
#define RELAY_LOW 49152
#define RELAY_HIGH 65535

static int read_addresses(struct nl_cache **addresses)
{
	struct nl_sock *sock;
	int code = turnctl_netlink_open(&sock);

	if (code)
		return code;
	code = rtnl_addr_alloc_cache(sock, addresses);
	nl_socket_free(sock);
	return code;
}

static void add_device(struct turnctl_nft_flow *flow, const char *name, bool port)
{
	if (flow->devices == TURNCTL_NFT_DEVICES)
		return;
	flow->port[flow->devices] = port;
	snprintf(flow->device[flow->devices++], IFNAMSIZ, "%s", name);
}

/* Too many are counted all the same. */
static void add_address(struct turnctl_nft_flow *flow, __u32 address)
{
	if (flow->addresses < TURNCTL_NFT_ADDRESSES)
		flow->address[flow->addresses] = address;
	flow->addresses++;
}

/* The device and its masters: the stack takes what comes by a port of a bond or bridge for that
 * one's. */
static void add_devices(struct turnctl_nft_flow *flow, const struct turnctl_link *link,
			bool *bridge)
{
	struct turnctl_link device = *link, master;
	int depth;

	for (depth = 0; device.master && depth < TURNCTL_MASTERS; depth++) {
		if (turnctl_link_by_index(device.master, &master, NULL))
			break;
		add_device(flow, device.name, turnctl_link_has_ports(master.kind));
		*bridge |= !strcmp(master.kind, "bridge");
		device = master;
	}
	add_device(flow, device.name, false);
}

/* The drivers of its ports do a bond's work, before the stack and past it. */
static int add_port(const struct turnctl_link *port, void *flow,
		    struct turnctl_error *err __attribute__((unused)))
{
	add_device(flow, port->name, true);
	return 0;
}

static bool is_of_flow(const struct turnctl_nft_flow *flow, int ifindex)
{
	char name[IFNAMSIZ];
	int i;

	if (!if_indextoname(ifindex, name))
		return false;
	for (i = 0; i < flow->devices; i++)
		if (!strcmp(name, flow->device[i]))
			return true;
	return !strcmp(name, "lo");
}

/* The addresses of the flow's devices, and those that a host has given to lo. */
static void add_addresses(struct turnctl_nft_flow *flow, struct nl_cache *addresses)
{
	struct nl_object *object;
	__be32 address;

	for (object = nl_cache_get_first(addresses); object;
	     object = nl_cache_get_next(object)) {
		struct rtnl_addr *entry = (struct rtnl_addr *)object;
		const struct nl_addr *local = rtnl_addr_get_local(entry);

		if (!local || nl_addr_get_family(local) != AF_INET ||
		    nl_addr_get_len(local) != sizeof(address) ||
		    !is_of_flow(flow, rtnl_addr_get_ifindex(entry)))
			continue;
		memcpy(&address, nl_addr_get_binary_addr(local), sizeof(address));
		if (ntohl(address) >> 24 != 127)
			add_address(flow, ntohl(address));
	}
}

/* Adds the packets of one way between the server's ports @low to @high and anybody. */
static void add_flow(const struct turnctl_doctor *doctor, struct turnctl_doctor_flows *flows,
		     struct nl_cache *addresses, enum turnctl_nft_way way, __u16 low,
		     __u16 high, __be32 address)
{
	bool clients = way == TURNCTL_NFT_FROM_CLIENTS || way == TURNCTL_NFT_TO_CLIENTS;
	struct turnctl_nft_flow *flow = &flows->flow[flows->count];
	int i;

	*flow = (struct turnctl_nft_flow){ .way = way, .low = low, .high = high };
	for (i = 0; i < doctor->patients; i++) {
		const struct turnctl_patient *patient = &doctor->patient[i];

		if (clients && patient->role != TURN_ROLE_CLIENT)
			continue;
		add_devices(flow, &patient->link, &flows->bridge);
		if (turnctl_patient_native(patient))
			turnctl_link_each_port(&patient->link, add_port, flow, NULL);
	}
	if (address)
		add_address(flow, ntohl(address));
	else
		add_addresses(flow, addresses);
	if (flow->addresses > TURNCTL_NFT_ADDRESSES) /* any address, then */
		flow->addresses = 0;
	flows->count += flow->devices > 0;
}

/* Where the server's relay ports are, as far as it is known. */
static void find_relay_ports(const struct turnctl_doctor *doctor, __u16 *low, __u16 *high)
{
	struct turnctl_allocation *list = NULL;
	size_t count = 0, i;
	__u16 port;

	*low = doctor->wish->relay_low ? doctor->wish->relay_low : RELAY_LOW;
	*high = doctor->wish->relay_low ? doctor->wish->relay_high : RELAY_HIGH;
	if (!doctor->open || turnctl_allocations_read(&doctor->instance,
						      turnctl_now(&doctor->instance, NULL), &list,
						      &count, NULL))
		return;
	for (i = 0; i < count; i++) {
		port = ntohs(list[i].relay_port);
		if (port && port < *low)
			*low = port;
		if (port > *high)
			*high = port;
	}
	free(list);
}

void turnctl_doctor_flows(const struct turnctl_doctor *doctor, struct turnctl_doctor_flows *flows)
{
	struct turn_listener standard = { .port = htons(3478) };
	struct nl_cache *addresses;
	__u16 low, high;
	int i;

	memset(flows, 0, sizeof(*flows));
	if (read_addresses(&addresses))
		return;
	for (i = 0; i < TURN_LISTENERS; i++) {
		const struct turn_listener *listener = doctor->open ? &doctor->config.listener[i]
								    : &standard;
		__u16 port = ntohs(listener->port);

		if (!port || (i && !doctor->open))
			continue;
		add_flow(doctor, flows, addresses, TURNCTL_NFT_FROM_CLIENTS, port, port,
			 listener->ip.v4);
		add_flow(doctor, flows, addresses, TURNCTL_NFT_TO_CLIENTS, port, port,
			 listener->ip.v4);
	}
	find_relay_ports(doctor, &low, &high);
	add_flow(doctor, flows, addresses, TURNCTL_NFT_FROM_PEERS, low, high, 0);
	add_flow(doctor, flows, addresses, TURNCTL_NFT_TO_PEERS, low, high, 0);
	nl_cache_free(addresses);
}
