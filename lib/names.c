// SPDX-License-Identifier: GPL-2.0
#include "names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct word {
	const char *name, *text;
};

#define WORD(id, word, sentence) { word, sentence },
static const struct word reasons[] = { TURN_REASONS(WORD) };
static const struct word events[] = { TURN_EVENTS(WORD) };
#undef WORD

const char *turnctl_reason_name(unsigned int reason)
{
	return reason < TURN_REASON_COUNT ? reasons[reason].name : "?";
}

const char *turnctl_reason_text(unsigned int reason)
{
	return reason < TURN_REASON_COUNT ? reasons[reason].text : "?";
}

const char *turnctl_event_name(unsigned int event)
{
	return event < TURN_EVENT_COUNT ? events[event].name : "?";
}

const char *turnctl_event_text(unsigned int event)
{
	return event < TURN_EVENT_COUNT ? events[event].text : "?";
}

const char *turnctl_state_name(const struct turn_flow *flow)
{
	if (flow->flags & TURN_STATIC)
		return flow->state == TURN_OFFLOADED ? "static" : "suspended";
	switch (flow->state) {
	case TURN_BOUND:
		return "bound";
	case TURN_OFFLOADED:
		return "offloaded";
	case TURN_SUSPENDED:
		return "suspended";
	}
	return "?";
}

const char *turnctl_role_name(unsigned int role)
{
	return role == TURN_ROLE_CLIENT ? "client" : role == TURN_ROLE_RELAY ? "relay" : "?";
}

const char *turnctl_mode_name(unsigned int mode)
{
	return mode == TURN_NATIVE ? "native" : mode == TURN_SKB ? "skb" : "?";
}

const char *turnctl_endpoint_format(const struct turnctl_endpoint *endpoint, char *buf,
				    size_t size)
{
	char ip[INET_ADDRSTRLEN] = "?";

	inet_ntop(AF_INET, &endpoint->ip.v4, ip, sizeof(ip));
	snprintf(buf, size, "%s:%u", ip, ntohs(endpoint->port));
	return buf;
}

const char *turnctl_listener_format(const struct turn_listener *listener, char *buf, size_t size)
{
	struct turnctl_endpoint endpoint = { listener->ip, listener->port };

	if (listener->ip.v4)
		return turnctl_endpoint_format(&endpoint, buf, size);
	snprintf(buf, size, "*:%u", ntohs(listener->port));
	return buf;
}

const char *turnctl_external_format(const struct turn_external *external, char *buf, size_t size)
{
	char pub[INET_ADDRSTRLEN] = "?", priv[INET_ADDRSTRLEN] = "?";

	inet_ntop(AF_INET, &external->pub.v4, pub, sizeof(pub));
	inet_ntop(AF_INET, &external->priv.v4, priv, sizeof(priv));
	snprintf(buf, size, "%s%s%s", pub, external->priv.v4 ? "/" : "",
		 external->priv.v4 ? priv : "");
	return buf;
}

int turnctl_endpoint_parse(const char *text, struct turnctl_endpoint *endpoint)
{
	const char *colon = strrchr(text, ':');
	char ip[INET_ADDRSTRLEN];
	unsigned long port;

	memset(endpoint, 0, sizeof(*endpoint));
	if (!colon || (size_t)(colon - text) >= sizeof(ip))
		return -EINVAL;
	memcpy(ip, text, colon - text);
	ip[colon - text] = '\0';
	if (inet_pton(AF_INET, ip, &endpoint->ip.v4) != 1 ||
	    turnctl_number_parse(colon + 1, 1, 65535, &port))
		return -EINVAL;
	endpoint->port = htons(port);
	return 0;
}

int turnctl_number_parse(const char *text, unsigned long low, unsigned long high,
			 unsigned long *value)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*value = strtoul(text, &end, text[0] == '0' && (text[1] | 32) == 'x' ? 16 : 10);
	if (errno || *end || *value < low || *value > high)
		return -EINVAL;
	return 0;
}
