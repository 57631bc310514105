// SPDX-License-Identifier: GPL-2.0
/* turnctl doctor */
#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "cli.h"
#include "names.h"
#include "output.h"

#define KEY_RELAY_PORTS 256

static const struct argp_option options[] = {
	{ "relay-ports", KEY_RELAY_PORTS, "LOW-HIGH", 0,
	  "The ports that the server allocates from (default: 49152-65535, and those in use)", 0 },
	{},
};

struct words {
	struct turnctl_doctor_wish wish;
	const char *device[TURN_DEVICES];
};

static void parse_ports(struct argp_state *state, char *text, struct turnctl_doctor_wish *wish)
{
	char *dash = strchr(text, '-');
	unsigned long low = 0, high = 0;

	if (dash)
		*dash = '\0';
	if (!dash || turnctl_number_parse(text, 1, 65535, &low) ||
	    turnctl_number_parse(dash + 1, low, 65535, &high))
		argp_error(state, "--relay-ports is not LOW-HIGH (ports from 1 to 65535)");
	wish->relay_low = low;
	wish->relay_high = high;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct words *words = state->input;

	switch (key) {
	case KEY_RELAY_PORTS:
		parse_ports(state, arg, &words->wish);
		return 0;
	case ARGP_KEY_ARG:
		if (words->wish.devices == TURN_DEVICES)
			argp_error(state, "more than %d devices", TURN_DEVICES);
		words->device[words->wish.devices++] = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = { options, parse, "[DEV...]",
				  "Before an attach: would DEV do? After it, too: which rules, "
				  "queues and programs do relayed packets miss?", NULL, NULL, NULL };

struct findings {
	struct json_object *array;
	enum turnctl_level worst;
};

static void take(const struct turnctl_finding *finding, void *data)
{
	struct json_object *object = json_object_new_object();
	struct findings *findings = data;

	output_text(object, "level", turnctl_level_name(finding->level));
	output_text(object, "topic", finding->topic);
	output_text(object, "object", finding->object);
	if (finding->handle)
		output_number(object, "handle", finding->handle);
	output_text(object, "text", finding->text);
	if (finding->next[0])
		output_text(object, "next", finding->next);
	json_object_array_add(findings->array, object);
	if (finding->level > findings->worst)
		findings->worst = finding->level;
}

static const char *get(struct json_object *object, const char *key)
{
	return json_object_get_string(json_object_object_get(object, key));
}

static void print_findings(struct json_object *array)
{
	size_t i;

	for (i = 0; i < json_object_array_length(array); i++) {
		struct json_object *finding = json_object_array_get_idx(array, i);
		const char *next = get(finding, "next");

		printf("%-7s  %s: %s\n", get(finding, "level"), get(finding, "object"),
		       get(finding, "text"));
		if (next)
			printf("%-7s  next: %s\n", "", next);
	}
}

int cli_doctor(struct cli *cli, int argc, char **argv)
{
	static const int codes[] = { CLI_DONE, CLI_DONE, CLI_DEGRADED, CLI_FAILED };
	struct findings findings = { .array = NULL };
	struct json_object *document;
	struct turnctl_error err;
	struct words words = {};
	int code;

	cli_parse(cli, &argp, "doctor", argc, argv, &words);
	document = output_document();
	findings.array = json_object_new_array();
	output_text(document, "instance", cli->instance);
	json_object_object_add(document, "findings", findings.array);
	words.wish.instance = cli->instance;
	words.wish.device = words.device;
	words.wish.tell = take;
	words.wish.data = &findings;
	code = turnctl_doctor(&words.wish, &err);
	if (code) {
		json_object_put(document);
		return cli_fail(code, &err);
	}
	if (cli->json) {
		output_json(cli, document);
	} else {
		print_findings(findings.array);
		json_object_put(document);
	}
	return codes[findings.worst];
}
