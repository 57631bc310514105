// SPDX-License-Identifier: GPL-2.0
/* turnctl stats */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "device.h"
#include "names.h"
#include "output.h"

static const struct argp argp = { NULL, NULL, NULL,
				  "What was relayed since attach, on which device, and why packets "
				  "of known channels were left to the server.",
				  NULL, NULL, NULL };

static void add_pair(struct json_object *object, const char *key, __u64 packets, __u64 bytes)
{
	struct json_object *pair = json_object_new_object();

	output_number(pair, "packets", packets);
	output_number(pair, "bytes", bytes);
	json_object_object_add(object, key, pair);
}

static struct json_object *device_stats(const struct turnctl_device_state *state,
					const struct turn_stats *stats)
{
	struct json_object *object = json_object_new_object();
	struct json_object *passed = json_object_new_object();
	struct json_object *events = json_object_new_object();
	__u64 total = 0;
	unsigned int i;

	output_text(object, "device", state->exists ? state->link.name : state->device.name);
	output_number(object, "ifindex", state->device.ifindex);
	add_pair(object, "to_peer", stats->to_peer_packets, stats->to_peer_bytes);
	add_pair(object, "to_client", stats->to_client_packets, stats->to_client_bytes);
	output_number(object, "heartbeats", stats->heartbeats);
	for (i = 0; i < TURN_REASON_COUNT; i++) {
		output_number(passed, turnctl_reason_name(i), stats->passed[i]);
		total += stats->passed[i];
	}
	for (i = 0; i < TURN_EVENT_COUNT; i++)
		output_number(events, turnctl_event_name(i), stats->events[i]);
	output_number(object, "passed_total", total);
	json_object_object_add(object, "passed", passed);
	json_object_object_add(object, "events", events);
	return object;
}

/* The counters that are not 0, with their sentences. */
static void print_words(struct json_object *device, const char *key, const char *heading,
			const char *(*name)(unsigned int), const char *(*text)(unsigned int),
			unsigned int count)
{
	struct json_object *words = json_object_object_get(device, key);
	bool first = true;
	unsigned int i;

	for (i = 0; i < count; i++) {
		long long value = json_object_get_int64(json_object_object_get(words, name(i)));

		if (!value)
			continue;
		if (first)
			printf("\n%s, %s:\n",
			       json_object_get_string(json_object_object_get(device, "device")),
			       heading);
		first = false;
		printf("%12lld  %-20s %s\n", value, name(i), text(i));
	}
}

static void print_text(struct json_object *devices)
{
	static const struct output_column columns[] = {
		{ "device", "DEVICE" },
		{ "to_peer.packets", "TO PEERS" },
		{ "to_peer.bytes", "BYTES" },
		{ "to_client.packets", "TO CLIENTS" },
		{ "to_client.bytes", "BYTES" },
		{ "heartbeats", "HEARTBEATS" },
		{ "passed_total", "LEFT TO SERVER" },
		{},
	};
	size_t i;

	output_table(devices, columns);
	for (i = 0; i < json_object_array_length(devices); i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);

		print_words(device, "passed", "left to the server", turnctl_reason_name,
			    turnctl_reason_text, TURN_REASON_COUNT);
		print_words(device, "events", "events", turnctl_event_name, turnctl_event_text,
			    TURN_EVENT_COUNT);
	}
}

int cli_stats(struct cli *cli, int argc, char **argv)
{
	struct turnctl_device_state *states;
	struct json_object *document, *devices;
	struct turnctl_instance instance;
	struct turnctl_error err;
	struct turn_stats stats;
	int count, code, i;

	cli_parse(cli, &argp, "stats", argc, argv, NULL);
	code = turnctl_instance_open(&instance, cli->instance, false, &err);
	if (code)
		return cli_fail(code, &err);
	states = calloc(TURN_DEVICES, sizeof(*states));
	document = output_document();
	devices = json_object_new_array();
	json_object_object_add(document, "devices", devices);
	count = states ? turnctl_devices_read(&instance, states, &err)
		       : turnctl_fail(&err, 12, "out of memory");
	code = count < 0 ? count : 0;
	for (i = 0; i < count && !code; i++) {
		code = turnctl_stats_read(&instance, states[i].index, &stats, &err);
		if (!code)
			json_object_array_add(devices, device_stats(&states[i], &stats));
	}
	free(states);
	turnctl_instance_close(&instance);
	if (!code && cli->json) {
		output_json(cli, document);
		return CLI_DONE;
	}
	if (!code)
		print_text(devices);
	json_object_put(document);
	return code ? cli_fail(code, &err) : CLI_DONE;
}
