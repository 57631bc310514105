/* SPDX-License-Identifier: GPL-2.0 */
/* A packet's way through the rules of a chain and those it jumps to. Pure, like nft_match.h. */
#ifndef TURNCTL_NFT_RULES_H
#define TURNCTL_NFT_RULES_H

#include "nft_effect.h"
#include "nft_match.h"

struct turnctl_nft_meeting {
	const char *family, *table, *chain; /* owned by the ruleset */
	long handle;      /* 0: it is the chain's policy */
	unsigned int effects;
	unsigned int ways; /* bits by enum turnctl_nft_way */
	bool surely;      /* all of the packets, of some way; else perhaps */
};

struct turnctl_nft_walk {
	struct json_object *rules; /* "FAMILY TABLE CHAIN": array of its rules */
	struct turnctl_nft_place place;
	const struct turnctl_nft_flow *flow;
	struct json_object *done; /* chains that this flow has met from this hook */
	bool iptables; /* the chain is one of iptables', where everything counts */
	bool accepted; /* some rule may have accepted */
	struct turnctl_nft_meeting *list;
	int room, count;
	bool more; /* are met than there is room for */
};

/*
 * Takes the flow through @chain and adds to the list what it meets; @reach: do all packets come to
 * it? Do they all surely end in it? @depth is 0 in a chain at a hook.
 */
bool turnctl_nft_walk(struct turnctl_nft_walk *walk, const char *chain,
		      enum turnctl_nft_answer reach, int depth);

/* Adds a meeting, or to the one that there is with this rule. */
void turnctl_nft_meet(struct turnctl_nft_walk *walk, const char *chain, long handle,
		      unsigned int effects, enum turnctl_nft_answer answer);

/* The text under @key, or "". */
const char *turnctl_nft_text(struct json_object *object, const char *key);

#endif
