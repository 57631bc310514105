// SPDX-License-Identifier: GPL-2.0
/* turnctl attach */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "cli.h"
#include "names.h"
#include "values.h"

enum { KEY_RELAY = 256, KEY_LISTEN, KEY_EXTERNAL, KEY_MODE, KEY_FUSED, KEY_CHAIN, KEY_PRIO,
       KEY_HEARTBEAT, KEY_CHANNELS, KEY_DRY_RUN };

static const struct argp_option options[] = {
	{ "relay", KEY_RELAY, "DEV", 0, "Peers are (also) behind this device; may be repeated", 0 },
	{ "listen", KEY_LISTEN, "[ADDR:]PORT", 0,
	  "The TURN server listens there, UDP; may be repeated (default: 3478 on any address)", 0 },
	{ "external-ip", KEY_EXTERNAL, "PUB[/PRIV]", 0,
	  "The server tells its clients PUB, and PRIV is on the wire, as in turnserver.conf", 0 },
	{ "mode", KEY_MODE, "native|skb", 0, "XDP in the driver (default), or generic", 0 },
	{ "fused", KEY_FUSED, NULL, 0,
	  "One program instead of a chain; shares the device with none", 0 },
	{ "chain", KEY_CHAIN, NULL, 0,
	  "A chain of programs, which runs beside others (default)", 0 },
	{ "prio", KEY_PRIO, "N", 0, "Priority of the first program in the chain (default: 60)", 0 },
	{ "heartbeat", KEY_HEARTBEAT, "DURATION", 0,
	  "Leave one packet a direction to the server this often (default: 2s)", 0 },
	{ "max-channels", KEY_CHANNELS, "N", 0, "Room for channels (default: 16384)", 0 },
	{ "dry-run", KEY_DRY_RUN, NULL, 0, "Check, and say what would be done", 0 },
	{},
};

struct words {
	struct turnctl_attach attach;
	bool dry_run;
};

static void parse_listener(struct argp_state *state, const char *text,
			   struct turnctl_attach *attach)
{
	struct turn_listener *listener = &attach->listener[attach->listeners];
	struct turnctl_endpoint endpoint = {};
	unsigned long port;

	if (attach->listeners == TURN_LISTENERS)
		argp_error(state, "more than %d --listen", TURN_LISTENERS);
	if (!strchr(text, ':') && !turnctl_number_parse(text, 1, 65535, &port))
		endpoint.port = htons(port);
	else if (turnctl_endpoint_parse(text, &endpoint))
		argp_error(state, "--listen '%s' is not [ADDR:]PORT (IPv4, port 1 to 65535)", text);
	listener->ip = endpoint.ip;
	listener->port = endpoint.port;
	attach->listeners++;
}

static bool parse_address(const char *text, union turn_ip *ip)
{
	return inet_pton(AF_INET, text, &ip->v4) == 1 && ip->v4;
}

static void parse_external(struct argp_state *state, const char *text,
			   struct turnctl_attach *attach)
{
	struct turn_external *external = &attach->external[attach->externals];
	char pub[64];
	const char *slash = strchr(text, '/');

	if (attach->externals == TURN_EXTERNAL)
		argp_error(state, "more than %d --external-ip", TURN_EXTERNAL);
	snprintf(pub, sizeof(pub), "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text);
	/* 0.0.0.0 says "none" in the map */
	if (!parse_address(pub, &external->pub) ||
	    (slash && !parse_address(slash + 1, &external->priv)))
		argp_error(state, "--external-ip '%s' is not PUB[/PRIV] (IPv4, not 0.0.0.0)", text);
	attach->externals++;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct words *words = state->input;
	struct turnctl_attach *attach = &words->attach;
	unsigned long number = 0;

	switch (key) {
	case KEY_RELAY:
		if (attach->relays == TURN_DEVICES - 1)
			argp_error(state, "more than %d --relay", TURN_DEVICES - 1);
		attach->relay[attach->relays++] = arg;
		return 0;
	case KEY_LISTEN:
		parse_listener(state, arg, attach);
		return 0;
	case KEY_EXTERNAL:
		parse_external(state, arg, attach);
		return 0;
	case KEY_MODE:
		if (!strcmp(arg, "native"))
			attach->mode = TURN_NATIVE;
		else if (!strcmp(arg, "skb"))
			attach->mode = TURN_SKB;
		else
			argp_error(state, "--mode '%s' is neither native nor skb", arg);
		return 0;
	case KEY_FUSED:
		attach->install = TURNCTL_FUSE;
		return 0;
	case KEY_CHAIN:
		attach->install = TURNCTL_CHAINED;
		return 0;
	case KEY_PRIO:
		if (turnctl_number_parse(arg, 1, 1000000, &number))
			argp_error(state, "--prio '%s' is not a number from 1 to 1000000", arg);
		attach->prio = number;
		return 0;
	case KEY_HEARTBEAT:
		if (values_duration_parse(arg, &attach->heartbeat_ms) ||
		    attach->heartbeat_ms < TURNCTL_HEARTBEAT_LEAST ||
		    attach->heartbeat_ms > TURNCTL_HEARTBEAT_MOST)
			argp_error(state, "--heartbeat '%s' is not a time from 100ms to 60s", arg);
		return 0;
	case KEY_CHANNELS:
		if (turnctl_number_parse(arg, 1, TURNCTL_MOST_CHANNELS, &number))
			argp_error(state, "--max-channels '%s' is not a number from 1 to %d", arg,
				   TURNCTL_MOST_CHANNELS);
		attach->max_channels = number;
		return 0;
	case KEY_DRY_RUN:
		words->dry_run = true;
		return 0;
	case ARGP_KEY_ARG:
		if (attach->client)
			argp_error(state, "one client device at a time, and '%s' is a second; "
				   "--relay adds devices of the peers", arg);
		attach->client = arg;
		return 0;
	case ARGP_KEY_END:
		if (!attach->client)
			argp_error(state, "which device? 'ip link' lists them");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = { options, parse, "DEV",
				  "Put the kernel path on the device that the clients are behind. "
				  "Where it is already, its programs are replaced, and what is "
				  "amiss is repaired; channels and counters stay.",
				  NULL, NULL, NULL };

static void print_step(const char *text)
{
	puts(text);
}

int cli_attach(struct cli *cli, int argc, char **argv)
{
	struct words words = {};
	struct turnctl_error err;
	int code;

	cli_parse(cli, &argp, "attach", argc, argv, &words);
	if (words.dry_run)
		code = turnctl_attach_plan(cli->instance, &words.attach, print_step, &err);
	else
		code = turnctl_attach(cli->instance, &words.attach, &err);
	return code ? cli_fail(code, &err) : CLI_DONE;
}
