/* SPDX-License-Identifier: GPL-2.0 */
/* What statements of nftables do to a packet. */
#ifndef TURNCTL_NFT_EFFECT_H
#define TURNCTL_NFT_EFFECT_H

#include <stddef.h>

/* What a rule does. */
enum turnctl_nft_effect {
	TURNCTL_NFT_DROPS = 1 << 0,
	TURNCTL_NFT_REJECTS = 1 << 1,
	TURNCTL_NFT_LIMITS = 1 << 2,
	TURNCTL_NFT_COUNTS = 1 << 3,
	TURNCTL_NFT_LOGS = 1 << 4,
	TURNCTL_NFT_CHANGES = 1 << 5,    /* a mark, DSCP */
	TURNCTL_NFT_TRANSLATES = 1 << 6, /* NAT */
	TURNCTL_NFT_QUEUES = 1 << 7,     /* to a program */
	TURNCTL_NFT_COPIES = 1 << 8,
	TURNCTL_NFT_NOTES = 1 << 9,      /* addresses, in a set */
	TURNCTL_NFT_OTHERWISE = 1 << 10, /* not known to us */
	TURNCTL_NFT_TRACKS = 1 << 11,    /* it only asks connection tracking, and accepts */
};

struct turnctl_nft_statement {
	const char *word; /* as in JSON; targets of iptables by their own names, in capitals */
	unsigned int effect; /* enum turnctl_nft_effect, or 0 */
	enum {
		TURNCTL_NFT_GOES_ON,
		TURNCTL_NFT_ACCEPTS,
		TURNCTL_NFT_TAKES, /* it goes no further in this chain */
		TURNCTL_NFT_RETURNS,
	} then;
};

/* Never NULL: of an unknown word, TURNCTL_NFT_OTHERWISE. */
const struct turnctl_nft_statement *turnctl_nft_statement(const char *word);

/* Writes the words whose bits are set, as "a, b and c"; returns @buf. */
const char *turnctl_nft_words(const char *const *words, unsigned int bits, char *buf, size_t size);

/* Writes @effects as verbs: "drop and count". */
const char *turnctl_nft_effects_format(unsigned int effects, char *buf, size_t size);

#endif
