// SPDX-License-Identifier: GPL-2.0
/* turnctl allocation */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "output.h"
#include "table.h"
#include "values.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
	const char **client = state->input;

	if (key == ARGP_KEY_ARG && client && !*client) {
		*client = arg;
		return 0;
	}
	if (key == ARGP_KEY_END && client && !*client)
		argp_error(state, "which client? ADDR:PORT");
	return ARGP_ERR_UNKNOWN;
}

static struct json_object *allocation_object(const struct turnctl_allocation *a,
					     const struct values_clock *clock, size_t channels)
{
	struct json_object *object = json_object_new_object();

	values_endpoint(object, "client", turn_ip4(a->key.saddr), a->key.sport);
	values_endpoint(object, "server", turn_ip4(a->key.daddr), a->key.dport);
	values_endpoint(object, "relay", a->relay, a->relay_port);
	values_endpoint(object, "public_relay", a->public_relay, a->relay_port);
	output_text(object, "state", !a->live ? "ended" : a->proven ? "proven" : "allocated");
	output_number(object, "channels", channels);
	values_seconds(object, "expires_in", a->live ? values_until(clock, a->expires) : 0);
	values_seconds(object, "age", values_since(clock, a->created));
	return object;
}

static size_t channels_of(const struct turnctl_allocation *a, const struct turnctl_channel *list,
			  size_t count)
{
	size_t i, channels = 0;

	for (i = 0; i < count; i++)
		channels += list[i].key.saddr == a->key.saddr &&
			    list[i].key.sport == a->key.sport &&
			    list[i].key.daddr == a->key.daddr &&
			    list[i].key.dport == a->key.dport &&
			    !(list[i].to_peer.flags & TURN_STATIC);
	return channels;
}

/* All allocations, or those of @client only. */
static int read_allocations(const struct cli *cli, const struct turnctl_endpoint *client,
			    struct json_object *array, struct turnctl_error *err)
{
	struct turnctl_allocation *list = NULL;
	struct turnctl_channel *channels = NULL;
	struct turnctl_instance instance;
	struct values_clock clock;
	size_t count, i, channel_count;
	int code;

	code = turnctl_instance_open(&instance, cli->instance, false, err);
	if (code)
		return code;
	code = values_clock_read(&instance, &clock, err);
	if (!code)
		code = turnctl_channels_read(&instance, &channels, &channel_count, err);
	if (!code)
		code = turnctl_allocations_read(&instance, clock.now, &list, &count, err);
	for (i = 0; !code && i < count; i++)
		if (!client || (client->ip.v4 == list[i].key.saddr &&
				client->port == list[i].key.sport))
			json_object_array_add(array, allocation_object(&list[i], &clock,
					      channels_of(&list[i], channels, channel_count)));
	free(channels);
	free(list);
	turnctl_instance_close(&instance);
	return code;
}

static int print(const struct cli *cli, const struct turnctl_endpoint *client, const char *word)
{
	static const struct output_column columns[] = {
		{ "client", "CLIENT" },	    { "server", "SERVER" },   { "relay", "RELAY" },
		{ "public_relay", "PUBLIC" }, { "state", "STATE" },   { "channels", "CHANNELS" },
		{ "expires_in", "EXPIRES" }, { "age", "AGE" },	      {},
	};
	struct json_object *document = output_document(), *array = json_object_new_array();
	struct turnctl_error err;
	int code;

	json_object_object_add(document, "allocations", array);
	code = read_allocations(cli, client, array, &err);
	if (!code && client && !json_object_array_length(array))
		code = turnctl_fail(&err, ENOENT, "no allocation of client %s", word);
	if (!code && cli->json) {
		output_json(cli, document);
		return CLI_DONE;
	}
	if (!code)
		output_table(array, columns);
	json_object_put(document);
	return code ? cli_fail(code, &err) : CLI_DONE;
}

static const struct argp list_argp = { NULL, NULL, NULL,
				       "All allocations that the kernel has seen.",
				       NULL, NULL, NULL };

static int allocation_list(struct cli *cli, int argc, char **argv)
{
	cli_parse(cli, &list_argp, "allocation list", argc, argv, NULL);
	return print(cli, NULL, NULL);
}

static const struct argp show_argp = { NULL, parse, "CLIENT",
				       "The allocations of one client address.",
				       NULL, NULL, NULL };

static int allocation_show(struct cli *cli, int argc, char **argv)
{
	struct turnctl_endpoint client;
	const char *word = NULL;

	cli_parse(cli, &show_argp, "allocation show", argc, argv, &word);
	if (turnctl_endpoint_parse(word, &client)) {
		fprintf(stderr, "turnctl: client '%s' is not ADDR:PORT (IPv4, port 1 to 65535)\n",
			word);
		return CLI_USAGE;
	}
	return print(cli, &client, word);
}

static const struct cli_command subcommands[] = {
	{ "list", allocation_list, "all allocations" },
	{ "show", allocation_show, "those of one client" },
	{ NULL, NULL, NULL },
};

int cli_allocation(struct cli *cli, int argc, char **argv)
{
	return cli_dispatch(cli, subcommands, "allocation", argc, argv);
}
