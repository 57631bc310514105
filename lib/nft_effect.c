// SPDX-License-Identifier: GPL-2.0
#include "nft_effect.h"

#include <stdio.h>
#include <string.h>

static const struct turnctl_nft_statement statements[] = {
	{ "accept", 0, TURNCTL_NFT_ACCEPTS },
	{ "drop", TURNCTL_NFT_DROPS, TURNCTL_NFT_TAKES },
	{ "reject", TURNCTL_NFT_REJECTS, TURNCTL_NFT_TAKES },
	{ "queue", TURNCTL_NFT_QUEUES, TURNCTL_NFT_TAKES },
	{ "dnat", TURNCTL_NFT_TRANSLATES, TURNCTL_NFT_TAKES },
	{ "snat", TURNCTL_NFT_TRANSLATES, TURNCTL_NFT_TAKES },
	{ "masquerade", TURNCTL_NFT_TRANSLATES, TURNCTL_NFT_TAKES },
	{ "redirect", TURNCTL_NFT_TRANSLATES, TURNCTL_NFT_TAKES },
	{ "tproxy", TURNCTL_NFT_TRANSLATES, TURNCTL_NFT_GOES_ON },
	{ "fwd", TURNCTL_NFT_COPIES, TURNCTL_NFT_TAKES },
	{ "dup", TURNCTL_NFT_COPIES, TURNCTL_NFT_GOES_ON },
	{ "return", 0, TURNCTL_NFT_RETURNS },
	{ "continue", 0, TURNCTL_NFT_GOES_ON },
	{ "limit", TURNCTL_NFT_LIMITS, TURNCTL_NFT_GOES_ON },
	{ "quota", TURNCTL_NFT_LIMITS, TURNCTL_NFT_GOES_ON },
	{ "ct count", TURNCTL_NFT_LIMITS, TURNCTL_NFT_GOES_ON },
	{ "meter", TURNCTL_NFT_LIMITS, TURNCTL_NFT_GOES_ON },
	{ "counter", TURNCTL_NFT_COUNTS, TURNCTL_NFT_GOES_ON },
	{ "log", TURNCTL_NFT_LOGS, TURNCTL_NFT_GOES_ON },
	{ "mangle", TURNCTL_NFT_CHANGES, TURNCTL_NFT_GOES_ON },
	{ "set", TURNCTL_NFT_NOTES, TURNCTL_NFT_GOES_ON },
	{ "map", TURNCTL_NFT_NOTES, TURNCTL_NFT_GOES_ON },
	{ "notrack", 0, TURNCTL_NFT_GOES_ON }, /* see turnctl_nft_place */
	{ "flow", 0, TURNCTL_NFT_GOES_ON },    /* of forwarded packets */
	{ "last", 0, TURNCTL_NFT_GOES_ON },
	/* targets of iptables, which libnftables does not translate */
	{ "LOG", TURNCTL_NFT_LOGS, TURNCTL_NFT_GOES_ON },
	{ "NFLOG", TURNCTL_NFT_LOGS, TURNCTL_NFT_GOES_ON },
	{ "REJECT", TURNCTL_NFT_REJECTS, TURNCTL_NFT_TAKES },
	{ "NFQUEUE", TURNCTL_NFT_QUEUES, TURNCTL_NFT_TAKES },
	{ "DNAT", TURNCTL_NFT_TRANSLATES, TURNCTL_NFT_TAKES },
	{ "SNAT", TURNCTL_NFT_TRANSLATES, TURNCTL_NFT_TAKES },
	{ "MASQUERADE", TURNCTL_NFT_TRANSLATES, TURNCTL_NFT_TAKES },
	{ "REDIRECT", TURNCTL_NFT_TRANSLATES, TURNCTL_NFT_TAKES },
	{ "MARK", TURNCTL_NFT_CHANGES, TURNCTL_NFT_GOES_ON },
	{ "CONNMARK", TURNCTL_NFT_CHANGES, TURNCTL_NFT_GOES_ON },
	{ "DSCP", TURNCTL_NFT_CHANGES, TURNCTL_NFT_GOES_ON },
	{ "TOS", TURNCTL_NFT_CHANGES, TURNCTL_NFT_GOES_ON },
	{ NULL, TURNCTL_NFT_OTHERWISE, TURNCTL_NFT_GOES_ON },
};

const struct turnctl_nft_statement *turnctl_nft_statement(const char *word)
{
	const struct turnctl_nft_statement *statement = statements;

	while (statement->word && strcmp(statement->word, word))
		statement++;
	return statement;
}

const char *turnctl_nft_words(const char *const *words, unsigned int bits, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (; bits && used < size; words++, bits >>= 1)
		if (bits & 1)
			used += snprintf(buf + used, size - used, "%s%s",
					 !used ? "" : bits == 1 ? " and " : ", ", *words);
	return buf;
}

const char *turnctl_nft_effects_format(unsigned int effects, char *buf, size_t size)
{
	static const char *const verbs[] = { /* by the number of their bit */
		"drop", "reject", "limit", "count", "log", "mark", "translate", "queue", "copy",
		"remember", "treat", "track",
	};

	return turnctl_nft_words(verbs, effects, buf, size);
}
