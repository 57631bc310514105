// SPDX-License-Identifier: GPL-2.0
#include "nft_judge.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NO TURNCTL_NFT_NO
#define MAY TURNCTL_NFT_MAY
#define YES TURNCTL_NFT_YES

/* The hooks of a device; those of family inet come here, too. */
static bool is_at_device(const char *hook)
{
	return !strcmp(hook, "ingress") || !strcmp(hook, "egress");
}

/* Does the chain stand where the flow's packets pass: YES, or MAY if its devices are not told? */
static enum turnctl_nft_answer stands(struct json_object *chain,
				      const struct turnctl_nft_flow *flow)
{
	static const char *const arriving[] = { "ingress", "prerouting", "input", NULL };
	static const char *const leaving[] = { "output", "postrouting", "egress", NULL };
	const char *const *hooks = turnctl_nft_arrives(flow) ? arriving : leaving;
	struct json_object *devices = json_object_object_get(chain, "dev");
	const char *hook = turnctl_nft_text(chain, "hook");
	bool list = json_object_is_type(devices, json_type_array);
	size_t i;
	int j;

	while (*hooks && strcmp(*hooks, hook))
		hooks++;
	if (!*hooks)
		return NO;
	if (!is_at_device(hook))
		return YES;
	if (!devices)
		return MAY;
	for (i = 0; i < (list ? json_object_array_length(devices) : 1); i++) {
		const char *name = json_object_get_string(
			list ? json_object_array_get_idx(devices, i) : devices);

		for (j = 0; name && j < flow->devices; j++)
			if (!fnmatch(name, flow->device[j], 0)) /* "eth*" since nft 1.1.4 */
				return flow->devices == 1 ? YES : MAY;
	}
	return NO;
}

/* iptables-nft names its chains as iptables always did. */
static bool is_iptables(const char *family, const char *chain, const char *hook)
{
	return (!strcmp(family, "ip") || !strcmp(family, "bridge")) && !strcasecmp(chain, hook) &&
	       strcmp(chain, hook);
}

static void judge_chain(struct turnctl_nft_walk *walk, struct json_object *chain)
{
	enum turnctl_nft_answer reach = stands(chain, walk->flow);
	const char *name = turnctl_nft_text(chain, "name");
	const char *hook = turnctl_nft_text(chain, "hook");
	bool bridge = !strcmp(walk->place.family, "bridge");

	if (bridge) /* some devices may be ports of none */
		reach = turnctl_nft_least(reach, MAY);
	walk->place.first_only = !strcmp(turnctl_nft_text(chain, "type"), "nat");
	if (walk->place.first_only && walk->flow->way == TURNCTL_NFT_TO_CLIENTS)
		reach = NO; /* they are replies */
	if (reach == NO)
		return;
	walk->place.ports = bridge || is_at_device(hook);
	walk->iptables = is_iptables(walk->place.family, name, hook);
	walk->accepted = false;
	walk->done = json_object_new_object();
	if (!turnctl_nft_walk(walk, name, reach, 0) && !walk->accepted &&
	    !strcmp(turnctl_nft_text(chain, "policy"), "drop"))
		turnctl_nft_meet(walk, name, 0, TURNCTL_NFT_DROPS, reach);
	json_object_put(walk->done);
}

static void make_key(char key[512], struct json_object *entry, const char *mark, const char *name)
{
	snprintf(key, 512, "%s %s %s%s", turnctl_nft_text(entry, "family"),
		 turnctl_nft_text(entry, "table"), mark, turnctl_nft_text(entry, name));
}

/* Sorts the ruleset by chain and set; true if a rule of it takes packets out of tracking. */
static bool index_ruleset(struct json_object *list, struct json_object *rules,
			  struct json_object *sets)
{
	struct json_object *entry, *chain;
	bool untracked = false;
	char key[512];
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++) {
		const char *kind = turnctl_nft_kind(json_object_array_get_idx(list, i), &entry);

		if (kind && !strcmp(kind, "rule")) {
			make_key(key, entry, "", "chain");
			chain = json_object_object_get(rules, key);
			if (!chain) {
				chain = json_object_new_array();
				json_object_object_add(rules, key, chain);
			}
			json_object_array_add(chain, json_object_get(entry));
			untracked |= !!strstr(json_object_to_json_string(entry), "\"notrack\"");
		} else if (kind && (!strcmp(kind, "set") || !strcmp(kind, "map"))) {
			make_key(key, entry, "@", "name");
			json_object_object_add(sets, key, json_object_get(entry));
		}
	}
	return untracked;
}

static bool concerns_us(const char *family, bool bridge)
{
	return !strcmp(family, "ip") || !strcmp(family, "inet") || !strcmp(family, "netdev") ||
	       (bridge && !strcmp(family, "bridge"));
}

int turnctl_nft_judge(struct json_object *ruleset, const struct turnctl_nft_flow *flows, int count,
		      bool bridge, struct turnctl_nft_meeting *list, int room)
{
	struct json_object *all = json_object_object_get(ruleset, "nftables"), *chain;
	struct turnctl_nft_walk walk = { .list = list, .room = room };
	size_t i;
	int j;

	if (!json_object_is_type(all, json_type_array))
		return 0;
	walk.rules = json_object_new_object();
	walk.place.sets = json_object_new_object();
	walk.place.untracked = index_ruleset(all, walk.rules, walk.place.sets);
	for (i = 0; i < json_object_array_length(all); i++) {
		const char *kind = turnctl_nft_kind(json_object_array_get_idx(all, i), &chain);

		walk.place.family = turnctl_nft_text(chain, "family");
		walk.place.table = turnctl_nft_text(chain, "table");
		if (!kind || strcmp(kind, "chain") || !concerns_us(walk.place.family, bridge))
			continue;
		for (j = 0; j < count; j++) {
			walk.flow = &flows[j];
			judge_chain(&walk, chain);
		}
	}
	json_object_put(walk.rules);
	json_object_put(walk.place.sets);
	return walk.count + walk.more;
}
