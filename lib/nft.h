/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The nftables ruleset of this network namespace, as libnftables tells it. That library is opened
 * when it is wanted, not linked: turnctl does not need it, and a host without nftables has it not.
 */
#ifndef TURNCTL_NFT_H
#define TURNCTL_NFT_H

#include <json-c/json.h>
#include <stdbool.h>

#include "error.h"

struct turnctl_nft {
	struct json_object *ruleset; /* as `nft -j list ruleset` */
	char *text;                  /* as `nft -s -a list ruleset` */
};

/* Has the kernel any nftables table here? A negative errno if it does not tell. */
int turnctl_nft_in_use(void);

/*
 * Reads it, to be freed with turnctl_nft_free(). -ELIBACC: libnftables is not there, or of no use;
 * -EIO: it cannot read the ruleset. *@err says more.
 */
int turnctl_nft_read(struct turnctl_nft *nft, struct turnctl_error *err);
void turnctl_nft_free(struct turnctl_nft *nft);

/* Copies the text of a rule, without its handle, cut to @size; "" if it is not found. */
const char *turnctl_nft_rule_text(const struct turnctl_nft *nft, const char *family,
				  const char *table, long handle, char *buf, size_t size);

#endif
