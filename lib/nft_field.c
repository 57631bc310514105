// SPDX-License-Identifier: GPL-2.0
#include "nft_field.h"

#include <ctype.h>
#include <string.h>

static const struct symbol {
	const char *word;
	__u32 number;
} symbols[] = { /* words that a relayed packet's fields can be equal to */
	{ "udp", 17 }, { "ip", 0x0800 }, { "ipv4", 2 }, { "host", 0 }, { "unicast", 0 }, {},
};

#define OTHER 0xfffffffeU /* what any other word stands for */

bool turnctl_nft_word(const char *word, __u32 *number)
{
	const struct symbol *symbol;

	if (!isalpha((unsigned char)word[0]))
		return false;
	*number = OTHER;
	for (symbol = symbols; symbol->word; symbol++)
		if (!strcmp(symbol->word, word))
			*number = symbol->number;
	return true;
}

static void set_range(struct turnctl_nft_field *field, __u32 low, __u32 high)
{
	field->kind = TURNCTL_NFT_NUMBERS;
	field->range[field->count].low = low;
	field->range[field->count++].high = high;
}

/* The number that is written as @word. */
static void set_word(struct turnctl_nft_field *field, const char *word)
{
	const struct symbol *symbol = symbols;

	while (strcmp(symbol->word, word))
		symbol++;
	set_range(field, symbol->number, symbol->number);
}

static void set_port(struct turnctl_nft_field *field, const struct turnctl_nft_flow *flow,
		     bool destination)
{
	if (destination == turnctl_nft_arrives(flow))
		set_range(field, flow->low, flow->high);
	else
		set_range(field, 0, 0xffff);
}

static void set_address(struct turnctl_nft_field *field, const struct turnctl_nft_flow *flow,
			bool destination)
{
	int i;

	if (destination != turnctl_nft_arrives(flow) || !flow->addresses)
		set_range(field, 0, TURNCTL_NFT_HIGHEST);
	else
		for (i = 0; i < flow->addresses; i++)
			set_range(field, flow->address[i], flow->address[i]);
}

/* A packet that arrives has no device to leave by yet, and the server's own never came by one: then
 * the name is empty. For the stack, what has ports stands for them. */
static void set_device(struct turnctl_nft_field *field, const struct turnctl_nft_flow *flow,
		       const struct turnctl_nft_place *place, bool in)
{
	int i;

	field->kind = TURNCTL_NFT_NAMES;
	if (in != turnctl_nft_arrives(flow))
		field->name[field->count++] = "";
	else
		for (i = 0; i < flow->devices; i++)
			if (place->ports || !flow->port[i])
				field->name[field->count++] = flow->device[i];
}

static void set_payload(struct turnctl_nft_field *field, struct json_object *payload,
			const struct turnctl_nft_flow *flow)
{
	static const char *const others[] = { "tcp", "icmp", "icmpv6", "igmp", "ip6", "arp", "vlan",
					      "sctp", "dccp", "udplite", "ah", "esp", "comp" };
	const char *protocol = json_object_get_string(json_object_object_get(payload, "protocol"));
	const char *name = json_object_get_string(json_object_object_get(payload, "field"));
	size_t i;

	if (!protocol || !name)
		return;
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcmp(protocol, others[i]))
			field->kind = TURNCTL_NFT_NOT_THERE;
	if (!strcmp(protocol, "udp") || !strcmp(protocol, "th")) {
		if (!strcmp(name, "sport") || !strcmp(name, "dport"))
			set_port(field, flow, name[0] == 'd');
	} else if (!strcmp(protocol, "ip")) {
		if (!strcmp(name, "saddr") || !strcmp(name, "daddr"))
			set_address(field, flow, name[0] == 'd');
		else if (!strcmp(name, "protocol"))
			set_word(field, "udp");
		else if (!strcmp(name, "version"))
			set_range(field, 4, 4);
	} else if (!strcmp(protocol, "ether") && !strcmp(name, "type")) {
		set_word(field, "ip");
	}
}

static void set_meta(struct turnctl_nft_field *field, const char *key,
		     const struct turnctl_nft_flow *flow, const struct turnctl_nft_place *place)
{
	if (!strcmp(key, "iif") || !strcmp(key, "iifname"))
		set_device(field, flow, place, true);
	else if (!strcmp(key, "oif") || !strcmp(key, "oifname"))
		set_device(field, flow, place, false);
	else if (!strcmp(key, "l4proto"))
		set_word(field, "udp");
	else if (!strcmp(key, "protocol"))
		set_word(field, "ip");
	else if (!strcmp(key, "nfproto"))
		set_word(field, "ipv4");
	else if (!strcmp(key, "pkttype") && turnctl_nft_arrives(flow))
		set_word(field, "host");
}

/*
 * What is relayed belongs to a connection that is established: the client has talked to the
 * server, and the relay to the peer. The peer alone may never have answered.
 */
static void set_state(struct turnctl_nft_field *field, const struct turnctl_nft_flow *flow,
		      const struct turnctl_nft_place *place)
{
	field->kind = TURNCTL_NFT_NAMES;
	if (!place->first_only)
		field->name[field->count++] = "established";
	if (place->first_only || flow->way == TURNCTL_NFT_TO_PEERS)
		field->name[field->count++] = "new";
	if (place->untracked)
		field->name[field->count++] = "untracked";
}

void turnctl_nft_field_read(struct turnctl_nft_field *field, struct json_object *expr,
			    const struct turnctl_nft_flow *flow,
			    const struct turnctl_nft_place *place)
{
	struct json_object *value, *key;
	const char *kind = turnctl_nft_kind(expr, &value);
	const char *word;

	memset(field, 0, sizeof(*field));
	if (!kind)
		return;
	key = json_object_object_get(value, "key");
	word = json_object_get_string(key);
	if (!strcmp(kind, "payload"))
		set_payload(field, value, flow);
	else if (!strcmp(kind, "meta") && word)
		set_meta(field, word, flow, place);
	else if (!strcmp(kind, "ct") && word && !strcmp(word, "state"))
		set_state(field, flow, place);
}
