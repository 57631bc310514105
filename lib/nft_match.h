/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Would a rule's match be true of packets that turnctl relays? Pure: it reads what libnftables says
 * as JSON (libnftables-json(5)) and nothing else. The answer has three values, and where something
 * is not understood, or depends on the packet, it is "may".
 */
#ifndef TURNCTL_NFT_MATCH_H
#define TURNCTL_NFT_MATCH_H

#include <json-c/json.h>
#include <linux/if.h>
#include <linux/types.h>
#include <stdbool.h>

#define TURNCTL_NFT_DEVICES 64
#define TURNCTL_NFT_ADDRESSES 64

enum turnctl_nft_answer { TURNCTL_NFT_NO, TURNCTL_NFT_MAY, TURNCTL_NFT_YES };

/* On what way of its own a packet would have met netfilter, had the kernel not relayed it: to the
 * server, or from it. */
enum turnctl_nft_way {
	TURNCTL_NFT_FROM_CLIENTS,
	TURNCTL_NFT_FROM_PEERS,
	TURNCTL_NFT_TO_PEERS,
	TURNCTL_NFT_TO_CLIENTS,
	TURNCTL_NFT_WAYS,
};

/* IPv4 packets over UDP: @port and @address are the server's end of them, the other is anybody. */
struct turnctl_nft_flow {
	enum turnctl_nft_way way;
	__u16 low, high; /* ports */
	char device[TURNCTL_NFT_DEVICES][IFNAMSIZ]; /* by which they come, or leave */
	bool port[TURNCTL_NFT_DEVICES]; /* of one of them: a bridge, bond or team */
	int devices;
	__u32 address[TURNCTL_NFT_ADDRESSES]; /* host order; none: any */
	int addresses;
};

/* Where the rule stands. */
struct turnctl_nft_place {
	struct json_object *sets; /* "FAMILY TABLE @NAME": a set or map; may be NULL */
	const char *family, *table;
	bool ports;      /* packets are still, or already, at a port of a bridge or bond */
	bool first_only; /* only the first packet of a connection comes here: a nat chain */
	bool untracked;  /* some rule takes packets out of connection tracking */
};

static inline enum turnctl_nft_answer turnctl_nft_least(enum turnctl_nft_answer a,
							enum turnctl_nft_answer b)
{
	return a < b ? a : b;
}

static inline bool turnctl_nft_arrives(const struct turnctl_nft_flow *flow)
{
	return flow->way == TURNCTL_NFT_FROM_CLIENTS || flow->way == TURNCTL_NFT_FROM_PEERS;
}

/* The first key of an object, and its value: how JSON names an expression or a statement. */
const char *turnctl_nft_kind(struct json_object *object, struct json_object **value);

/* Is { "op", "left", "right" } true of the flow's packets? */
enum turnctl_nft_answer turnctl_nft_match(struct json_object *match,
					  const struct turnctl_nft_flow *flow,
					  const struct turnctl_nft_place *place);

/* Is the expression @key equal to @element, one of a set's? */
enum turnctl_nft_answer turnctl_nft_equals(struct json_object *key, struct json_object *element,
					   const struct turnctl_nft_flow *flow,
					   const struct turnctl_nft_place *place);

/* The elements of a set or map, given as { "set": [...] } or "@NAME"; NULL if it is not known. */
struct json_object *turnctl_nft_elements(struct json_object *set,
					 const struct turnctl_nft_place *place);

/* What stands under "FAMILY TABLE NAME". */
struct json_object *turnctl_nft_keyed(struct json_object *index, const char *family,
				      const char *table, const char *name);

#endif
