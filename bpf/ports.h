/* SPDX-License-Identifier: GPL-2.0 */
/* The first question about any packet: is there anything of ours at this local UDP port? */
#ifndef TURN_PORTS_H
#define TURN_PORTS_H

#include "maps.h"
#include "packet.h"

static __always_inline __u32 *turn_port(__be16 port)
{
	__u32 zero = 0;
	struct turn_ports *ports = bpf_map_lookup_elem(&turn_ports, &zero);
	__u32 index = packet_be16(port);

	packet_opaque(index);
	return ports ? &ports->users[index & 0xffff] : NULL;
}

static __always_inline int turn_port_used(__be16 port)
{
	__u32 *users = turn_port(port);

	return users && *(volatile __u32 *)users;
}

static __always_inline void turn_port_get(__be16 port)
{
	__u32 *users = turn_port(port);

	if (users)
		__sync_fetch_and_add(users, 1);
}

static __always_inline void turn_port_put(__be16 port)
{
	__u32 *users = turn_port(port);

	if (users)
		__sync_fetch_and_add(users, -1);
}

/* Is this local address one where the operator said a TURN server listens? */
static __always_inline int turn_served(const struct turn_config *config, __be32 ip, __be16 port)
{
	int i;

	for (i = 0; i < TURN_LISTENERS; i++) {
		const struct turn_listener *listener = &config->listener[i];

		if (port && listener->port == port && (!listener->ip.v4 || listener->ip.v4 == ip))
			return 1;
	}
	return 0;
}

/* Does one listen at this port of any address? A service that is bound to all of them may take what
 * comes to one, and answer from another. */
static __always_inline int turn_served_anywhere(const struct turn_config *config, __be16 port)
{
	int i;

	for (i = 0; i < TURN_LISTENERS; i++)
		if (port && config->listener[i].port == port)
			return 1;
	return 0;
}

static __always_inline struct turn_config *turn_configuration(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&turn_config, &zero);
}

#endif
