/* SPDX-License-Identifier: GPL-2.0 */
/* Words for the numbers of abi.h, and texts for addresses. */
#ifndef TURNCTL_NAMES_H
#define TURNCTL_NAMES_H

#include <stddef.h>

#include "abi.h"

/* The word of a reason or event ("expired-channel"), and a sentence for it. "?" out of range. */
const char *turnctl_reason_name(unsigned int reason);
const char *turnctl_reason_text(unsigned int reason);
const char *turnctl_event_name(unsigned int event);
const char *turnctl_event_text(unsigned int event);

/* bound, offloaded, suspended, static */
const char *turnctl_state_name(const struct turn_flow *flow);
const char *turnctl_role_name(unsigned int role); /* client, relay */
const char *turnctl_mode_name(unsigned int mode); /* native, skb */

/* An IPv4 transport address as "192.0.2.1:3478". */
struct turnctl_endpoint {
	union turn_ip ip;
	__be16 port;
};

#define TURNCTL_ENDPOINT_TEXT 56
const char *turnctl_endpoint_format(const struct turnctl_endpoint *endpoint, char *buf,
				    size_t size);

/* The same of a listener; "*:3478" if it is at any local address. */
const char *turnctl_listener_format(const struct turn_listener *listener, char *buf, size_t size);

/* A mapping as --external-ip takes it: "PUB" or "PUB/PRIV". */
const char *turnctl_external_format(const struct turn_external *external, char *buf, size_t size);

/* Parses ADDR:PORT. 0, or -EINVAL. */
int turnctl_endpoint_parse(const char *text, struct turnctl_endpoint *endpoint);

/* Parses a whole number in [@low, @high], decimal or 0x. 0, or -EINVAL. */
int turnctl_number_parse(const char *text, unsigned long low, unsigned long high,
			 unsigned long *value);

#endif
