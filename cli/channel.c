// SPDX-License-Identifier: GPL-2.0
/* turnctl channel */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "cli.h"
#include "hint.h"
#include "link.h"
#include "output.h"
#include "statics.h"
#include "table.h"
#include "values.h"

/* ---- the words of all subcommands ------------------------------------------------------------ */

enum { KEY_STATIC = 256, KEY_LEARNED, KEY_STATE };

struct words {
	const char *word[8];
	int count;
	bool only_static, only_learned;
	const char *state;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct words *words = state->input;

	switch (key) {
	case KEY_STATIC:
		words->only_static = true;
		return 0;
	case KEY_LEARNED:
		words->only_learned = true;
		return 0;
	case KEY_STATE:
		if (strcmp(arg, "bound") && strcmp(arg, "offloaded") && strcmp(arg, "suspended"))
			argp_error(state, "--state '%s' is none of bound, offloaded, suspended",
				   arg);
		words->state = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (words->count == 8)
			argp_error(state, "too many words, from '%s' on", arg);
		words->word[words->count++] = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option filters[] = {
	{ "static", KEY_STATIC, NULL, 0, "Only channels added by hand", 0 },
	{ "learned", KEY_LEARNED, NULL, 0, "Only channels learned from the server", 0 },
	{ "state", KEY_STATE, "STATE", 0,
	  "Only channels with a direction that is bound, offloaded or suspended", 0 },
	{},
};

static int __attribute__((format(printf, 1, 2))) usage(const char *fmt, ...)
{
	va_list ap;

	fputs("turnctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("; see 'turnctl help channel'\n", stderr);
	return CLI_USAGE;
}

static int not_endpoint(const char *what, const char *word)
{
	return usage("%s '%s' is not ADDR:PORT (IPv4, port 1 to 65535)", what, word);
}

/* CLIENT SERVER NUMBER, the three words that name a channel. */
static int parse_key(const struct words *words, struct turnctl_static *channel)
{
	unsigned long number;

	if (turnctl_endpoint_parse(words->word[0], &channel->client))
		return not_endpoint("client", words->word[0]);
	if (turnctl_endpoint_parse(words->word[1], &channel->server))
		return not_endpoint("server", words->word[1]);
	if (turnctl_number_parse(words->word[2], 0, 0xffff, &number))
		return usage("channel number '%s' is not a number from 0 to 65535", words->word[2]);
	channel->number = number;
	return 0;
}

static int no_channel(const struct cli *cli, const struct words *words, struct turnctl_error *err)
{
	return turnctl_fail(err, ENOENT, "no channel %s of client %s at server %s; %s shows all",
			    words->word[2], words->word[0], words->word[1],
			    turnctl_hint(cli->instance, "channel list").text);
}

static void make_key(const struct turnctl_static *channel, struct turn_key4 *key)
{
	memset(key, 0, sizeof(*key));
	key->saddr = channel->client.ip.v4;
	key->sport = channel->client.port;
	key->daddr = channel->server.ip.v4;
	key->dport = channel->server.port;
	key->channel = htons(channel->number);
}

/* ---- a channel as an object ------------------------------------------------------------------ */

static struct json_object *direction_object(const struct turn_flow *flow,
					    const struct values_clock *clock, bool there)
{
	struct json_object *object = json_object_new_object();
	struct turnctl_link link;
	char mac[20];

	if (!there) {
		output_text(object, "state", "taken");
		return object;
	}
	output_text(object, "state", turnctl_state_name(flow));
	if (flow->state != TURN_OFFLOADED) {
		output_text(object, "reason", turnctl_reason_name(flow->reason));
		output_text(object, "reason_text", turnctl_reason_text(flow->reason));
	}
	output_number(object, "packets", flow->own.packets + flow->others.packets);
	output_number(object, "bytes", flow->own.bytes + flow->others.bytes);
	output_number(object, "heartbeats", flow->heartbeats);
	output_number(object, "passed", flow->passed);
	if (flow->confirmed)
		values_seconds(object, "confirmed_seconds_ago",
			       values_since(clock, flow->confirmed));
	if (flow->ifindex) {
		if (!turnctl_link_by_index(flow->ifindex, &link, NULL))
			output_text(object, "device", link.name);
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", flow->dmac[0],
			 flow->dmac[1], flow->dmac[2], flow->dmac[3], flow->dmac[4], flow->dmac[5]);
		output_text(object, "next_hop", mac);
		output_number(object, "mtu", flow->mtu);
	}
	return object;
}

static struct json_object *channel_object(const struct turnctl_channel *channel,
					  const struct values_clock *clock)
{
	const struct turn_flow *flow = &channel->to_peer;
	struct json_object *object = json_object_new_object();
	bool is_static = flow->flags & TURN_STATIC;
	char number[8];

	values_endpoint(object, "client", turn_ip4(channel->key.saddr),
			channel->key.sport);
	values_endpoint(object, "server", turn_ip4(channel->key.daddr),
			channel->key.dport);
	snprintf(number, sizeof(number), "%#06x", ntohs(channel->key.channel));
	output_text(object, "channel", number);
	values_endpoint(object, "relay", flow->saddr, flow->sport);
	values_endpoint(object, "peer", flow->daddr, flow->dport);
	output_text(object, "origin", is_static ? "static" : "learned");
	if (!is_static)
		values_seconds(object, "expires_in", values_until(clock, flow->expires));
	values_seconds(object, "age", values_since(clock, flow->created));
	json_object_object_add(object, "to_peer", direction_object(flow, clock, true));
	json_object_object_add(object, "to_client",
			       direction_object(&channel->to_client, clock, channel->both));
	return object;
}

static bool wanted(const struct words *words, const struct turnctl_channel *channel)
{
	bool is_static = channel->to_peer.flags & TURN_STATIC;

	if ((words->only_static && !is_static) || (words->only_learned && is_static))
		return false;
	if (!words->state)
		return true;
	return !strcmp(words->state, turnctl_state_name(&channel->to_peer)) ||
	       (channel->both && !strcmp(words->state, turnctl_state_name(&channel->to_client)));
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Parses the filters of a subcommand that takes no other words; an exit code on failure. */
static int parse_filters(struct cli *cli, const struct argp *argp, const char *name, int argc,
			 char **argv, struct words *words)
{
	cli_parse(cli, argp, name, argc, argv, words);
	return words->count ? usage("'%s' is too much for %s", words->word[0], name) : CLI_DONE;
}

/* All channels, and the clock to judge their times by. */
static int read_channels(const struct cli *cli, struct turnctl_channel **list, size_t *count,
			 struct values_clock *clock, struct turnctl_error *err)
{
	struct turnctl_instance instance;
	int code = turnctl_instance_open(&instance, cli->instance, false, err);

	if (code)
		return code;
	code = values_clock_read(&instance, clock, err);
	if (!code)
		code = turnctl_channels_read(&instance, list, count, err);
	turnctl_instance_close(&instance);
	return code;
}

/* A document with one number. */
static void print_count(const struct cli *cli, const char *key, size_t count)
{
	struct json_object *document;

	if (!cli->json) {
		printf("%zu\n", count);
		return;
	}
	document = output_document();
	output_number(document, key, count);
	output_json(cli, document);
}

/* ---- list, show, count ----------------------------------------------------------------------- */

static const struct argp list_argp = { filters, parse, NULL, "All channels that the kernel knows.",
				       NULL, NULL, NULL };

static int channel_list(struct cli *cli, int argc, char **argv)
{
	static const struct output_column columns[] = {
		{ "client", "CLIENT" },		      { "server", "SERVER" },
		{ "channel", "CHANNEL" },	      { "relay", "RELAY" },
		{ "peer", "PEER" },		      { "to_peer.state", "TO PEER" },
		{ "to_peer.packets", "PACKETS" },     { "to_client.state", "TO CLIENT" },
		{ "to_client.packets", "PACKETS" },   { "expires_in", "EXPIRES" },
		{},
	};
	struct json_object *document, *channels;
	struct turnctl_channel *list;
	struct values_clock clock;
	struct turnctl_error err;
	struct words words = {};
	size_t count, i;
	int code;

	code = parse_filters(cli, &list_argp, "channel list", argc, argv, &words);
	if (code)
		return code;
	code = read_channels(cli, &list, &count, &clock, &err);
	if (code)
		return cli_fail(code, &err);
	document = output_document();
	channels = json_object_new_array();
	json_object_object_add(document, "channels", channels);
	for (i = 0; i < count; i++)
		if (wanted(&words, &list[i]))
			json_object_array_add(channels, channel_object(&list[i], &clock));
	free(list);
	if (cli->json) {
		output_json(cli, document);
		return CLI_DONE;
	}
	output_table(channels, columns);
	json_object_put(document);
	return CLI_DONE;
}

#define LONGEST_KEY (2 + (int)strlen("confirmed_seconds_ago")) /* with its indent */

static void print_fields(struct json_object *object, int indent)
{
	json_object_object_foreach(object, key, value)
	{
		if (json_object_is_type(value, json_type_object)) {
			printf("%*s%s:\n", indent, "", key);
			print_fields(value, indent + 2);
		} else {
			printf("%*s%-*s %s\n", indent, "", LONGEST_KEY - indent, key,
			       json_object_get_string(value));
		}
	}
}

static const struct argp show_argp = { NULL, parse, "CLIENT SERVER CHANNEL",
				       "All that is known of one channel.", NULL, NULL, NULL };

static int channel_show(struct cli *cli, int argc, char **argv)
{
	struct turnctl_channel *list;
	struct turnctl_static name = {};
	struct json_object *document;
	struct values_clock clock;
	struct turnctl_error err;
	struct words words = {};
	struct turn_key4 key;
	size_t count, i;
	int code;

	cli_parse(cli, &show_argp, "channel show", argc, argv, &words);
	if (words.count != 3)
		return usage("channel show takes CLIENT SERVER CHANNEL");
	code = parse_key(&words, &name);
	if (code)
		return code;
	make_key(&name, &key);
	code = read_channels(cli, &list, &count, &clock, &err);
	if (code)
		return cli_fail(code, &err);
	for (i = 0; i < count; i++)
		if (!memcmp(&list[i].key, &key, sizeof(key)))
			break;
	if (i == count) {
		free(list);
		return cli_fail(no_channel(cli, &words, &err), &err);
	}
	document = output_document();
	json_object_object_add(document, "channel", channel_object(&list[i], &clock));
	free(list);
	if (cli->json) {
		output_json(cli, document);
		return CLI_DONE;
	}
	print_fields(json_object_object_get(document, "channel"), 0);
	json_object_put(document);
	return CLI_DONE;
}

static const struct argp count_argp = { filters, parse, NULL, "How many channels there are.",
					NULL, NULL, NULL };

static int channel_count(struct cli *cli, int argc, char **argv)
{
	struct turnctl_channel *list;
	struct values_clock clock;
	struct turnctl_error err;
	struct words words = {};
	size_t count, i, matching = 0;
	int code;

	code = parse_filters(cli, &count_argp, "channel count", argc, argv, &words);
	if (code)
		return code;
	code = read_channels(cli, &list, &count, &clock, &err);
	if (code)
		return cli_fail(code, &err);
	for (i = 0; i < count; i++)
		matching += wanted(&words, &list[i]);
	free(list);
	print_count(cli, "channels", matching);
	return CLI_DONE;
}

/* ---- add, del, flush ------------------------------------------------------------------------- */

static const struct argp add_argp = {
	NULL, parse, "CLIENT SERVER CHANNEL RELAY PEER",
	"Relay a channel without any TURN server: ChannelData from CLIENT to SERVER goes from "
	"RELAY to PEER, and back. All are ADDR:PORT.", NULL, NULL, NULL
};

static int channel_add(struct cli *cli, int argc, char **argv)
{
	struct turnctl_instance instance;
	struct turnctl_static add = {};
	struct turnctl_error err;
	struct words words = {};
	int code;

	cli_parse(cli, &add_argp, "channel add", argc, argv, &words);
	if (words.count != 5)
		return usage("channel add takes CLIENT SERVER CHANNEL RELAY PEER");
	code = parse_key(&words, &add);
	if (code)
		return code;
	if (turnctl_endpoint_parse(words.word[3], &add.relay))
		return not_endpoint("relay", words.word[3]);
	if (turnctl_endpoint_parse(words.word[4], &add.peer))
		return not_endpoint("peer", words.word[4]);
	code = turnctl_instance_open(&instance, cli->instance, true, &err);
	if (code)
		return cli_fail(code, &err);
	code = turnctl_static_add(&instance, &add, &err);
	turnctl_instance_close(&instance);
	return code ? cli_fail(code, &err) : CLI_DONE;
}

static const struct argp del_argp = {
	NULL, parse, "CLIENT SERVER CHANNEL",
	"Remove a channel that was added by hand. One that was learned is only withdrawn from the "
	"kernel until its next ChannelBind: the server goes on relaying it.", NULL, NULL, NULL
};

static int channel_del(struct cli *cli, int argc, char **argv)
{
	struct turnctl_instance instance;
	struct turnctl_static name = {};
	struct turnctl_error err;
	struct words words = {};
	struct turn_key4 key;
	int code;

	cli_parse(cli, &del_argp, "channel del", argc, argv, &words);
	if (words.count != 3)
		return usage("channel del takes CLIENT SERVER CHANNEL");
	code = parse_key(&words, &name);
	if (code)
		return code;
	make_key(&name, &key);
	code = turnctl_instance_open(&instance, cli->instance, true, &err);
	if (code)
		return cli_fail(code, &err);
	code = turnctl_channel_delete(&instance, &key, &err);
	turnctl_instance_close(&instance);
	if (code == -ENOENT)
		no_channel(cli, &words, &err);
	return code ? cli_fail(code, &err) : CLI_DONE;
}

static const struct argp flush_argp = { filters, parse, NULL,
					"Delete all channels, as 'channel del' does each.",
					NULL, NULL, NULL };

static int channel_flush(struct cli *cli, int argc, char **argv)
{
	struct turnctl_instance instance;
	struct turnctl_channel *list;
	struct turnctl_error err;
	struct words words = {};
	size_t count, i, done = 0;
	int code;

	code = parse_filters(cli, &flush_argp, "channel flush", argc, argv, &words);
	if (code)
		return code;
	code = turnctl_instance_open(&instance, cli->instance, true, &err);
	if (code)
		return cli_fail(code, &err);
	code = turnctl_channels_read(&instance, &list, &count, &err);
	for (i = 0; !code && i < count; i++) {
		if (!wanted(&words, &list[i]))
			continue;
		code = turnctl_channel_delete(&instance, &list[i].key, &err);
		done += !code;
		if (code == -ENOENT)
			code = 0; /* it has ended meanwhile */
	}
	free(list);
	turnctl_instance_close(&instance);
	if (code)
		return cli_fail(code, &err);
	print_count(cli, "flushed", done);
	return CLI_DONE;
}

static const struct cli_command subcommands[] = {
	{ "list", channel_list, "all channels" },
	{ "show", channel_show, "one channel, whole" },
	{ "add", channel_add, "a static channel" },
	{ "del", channel_del, "remove or withdraw one" },
	{ "flush", channel_flush, "remove or withdraw all" },
	{ "count", channel_count, "how many" },
	{ NULL, NULL, NULL },
};

int cli_channel(struct cli *cli, int argc, char **argv)
{
	return cli_dispatch(cli, subcommands, "channel", argc, argv);
}
