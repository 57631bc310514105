/* SPDX-License-Identifier: GPL-2.0 */
/* What an expression of nftables is, in packets that turnctl relays. */
#ifndef TURNCTL_NFT_FIELD_H
#define TURNCTL_NFT_FIELD_H

#include "nft_match.h"

#define TURNCTL_NFT_HIGHEST 0xffffffffU /* number of a field */

/* One of several names, or a number in one of several ranges. */
struct turnctl_nft_field {
	enum {
		TURNCTL_NFT_UNKNOWN,
		TURNCTL_NFT_NOT_THERE, /* of another protocol: the packet has it not */
		TURNCTL_NFT_NAMES,
		TURNCTL_NFT_NUMBERS,
	} kind;
	int count;
	struct {
		__u32 low, high;
	} range[TURNCTL_NFT_ADDRESSES];
	const char *name[TURNCTL_NFT_DEVICES];
};

void turnctl_nft_field_read(struct turnctl_nft_field *field, struct json_object *expr,
			    const struct turnctl_nft_flow *flow,
			    const struct turnctl_nft_place *place);

/*
 * The number that nftables writes as @word, where it can be one of a relayed packet ("udp", "ip",
 * ...), else one that no field of it has. False if it is no word at all.
 */
bool turnctl_nft_word(const char *word, __u32 *number);

#endif
