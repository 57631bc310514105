/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which rules of an nftables ruleset would the packets meet that turnctl relays past them, and what
 * would those do to them? Pure, like nft_match.h. Rules that only let packets through are nobody's
 * loss, and what stands behind one that surely accepts is met by none.
 */
#ifndef TURNCTL_NFT_JUDGE_H
#define TURNCTL_NFT_JUDGE_H

#include "nft_rules.h"

/*
 * Fills @list (@room) with what the packets of @flows would meet, each rule once, in the order of
 * the ruleset, which is { "nftables": [...] } as `nft -j list ruleset` prints it; returns how many,
 * @room + 1 if there are more.
 * @bridge: are the devices ports of a bridge, so that the rules of family bridge matter?
 */
int turnctl_nft_judge(struct json_object *ruleset, const struct turnctl_nft_flow *flows, int count,
		      bool bridge, struct turnctl_nft_meeting *list, int room);

#endif
