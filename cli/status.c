// SPDX-License-Identifier: GPL-2.0
/* turnctl status */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "control.h"
#include "device.h"
#include "hint.h"
#include "names.h"
#include "output.h"
#include "status.h"
#include "table.h"
#include "values.h"

#define UNPROVEN_LONG 3 /* seconds */
#define HEARTBEATS_MANY 5000 /* a second: coturn needs about 7 us of CPU for each */

static const struct argp_option options[] = {
	{ "check", 'c', NULL, 0, "Say only what is wrong, and exit with 4 if anything is", 0 },
	{},
};

struct words {
	bool check;
	const char *device;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct words *words = state->input;

	switch (key) {
	case 'c':
		words->check = true;
		return 0;
	case ARGP_KEY_ARG:
		if (words->device)
			argp_error(state, "one device, or none for all");
		words->device = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = { options, parse, "[DEV]",
				  "What is attached, and whether all is well.", NULL, NULL, NULL };

/* ---- the document ---------------------------------------------------------------------------- */

static void add_text(struct json_object *array, const char *text)
{
	json_object_array_add(array, json_object_new_string(text));
}

static struct json_object *program_object(const struct turnctl_chain *chain,
					  const struct turnctl_chain_program *program)
{
	struct json_object *object = json_object_new_object();

	output_text(object, "name", program->name);
	output_number(object, "id", program->id);
	if (chain->dispatcher)
		output_number(object, "priority", program->priority);
	output_bool(object, "ours", program->ours);
	return object;
}

static struct json_object *behind_array(const struct turnctl_egress *egress)
{
	struct json_object *array = json_object_new_array();
	int i;

	for (i = 0; i < egress->behind; i++) {
		struct json_object *object = json_object_new_object();

		output_text(object, "name", egress->before[i].name);
		output_number(object, "id", egress->before[i].id);
		json_object_array_add(array, object);
	}
	return array;
}

static struct json_object *device_object(const struct turnctl_device_state *state)
{
	struct json_object *object = json_object_new_object();
	struct json_object *programs = json_object_new_array();
	static const char *const egress[] = { "missing", "tcx", "clsact" };
	int i;

	output_text(object, "device", state->exists ? state->link.name : state->device.name);
	output_number(object, "ifindex", state->device.ifindex);
	output_text(object, "role", turnctl_role_name(state->device.role));
	output_text(object, "install", state->device.flags & TURN_FUSED ? "fused" : "chain");
	output_text(object, "mode", turnctl_mode_name(state->chain.mode));
	output_text(object, "egress", egress[state->egress.where]);
	json_object_object_add(object, "egress_behind", behind_array(&state->egress));
	for (i = 0; i < state->chain.count; i++)
		json_object_array_add(programs, program_object(&state->chain,
							       &state->chain.program[i]));
	json_object_object_add(object, "programs", programs);
	return object;
}

static struct json_object *listeners_array(const struct turn_config *config)
{
	struct json_object *array = json_object_new_array();
	char text[TURNCTL_ENDPOINT_TEXT];
	int i;

	for (i = 0; i < TURN_LISTENERS; i++)
		if (config->listener[i].port)
			add_text(array, turnctl_listener_format(&config->listener[i], text,
								sizeof(text)));
	return array;
}

/* As --external-ip takes them. */
static struct json_object *externals_array(const struct turn_config *config)
{
	struct json_object *array = json_object_new_array();
	char text[2 * INET_ADDRSTRLEN];
	int i;

	for (i = 0; i < TURN_EXTERNAL; i++)
		if (config->external[i].pub.v4)
			add_text(array, turnctl_external_format(&config->external[i], text,
								sizeof(text)));
	return array;
}

/* Is the direction with the server, for want of a proof, and has packets? (Packets after a pause
 * are there too, but only until the twin of the first.) */
static bool is_unproven(const struct turn_flow *flow, const struct values_clock *clock)
{
	return flow->state == TURN_SUSPENDED && flow->reason == TURN_REASON_UNCONFIRMED &&
	       flow->missed > 1 && flow->sample.when &&
	       values_since(clock, flow->sample.when) < UNPROVEN_LONG;
}

/* Has the channel had packets from the start, and the server was never seen to send one on? */
static bool was_never_proven(const struct turnctl_channel *channel,
			     const struct values_clock *clock)
{
	const struct turn_flow *up = &channel->to_peer, *down = &channel->to_client;

	return channel->both && up->state == TURN_BOUND && down->state == TURN_BOUND &&
	       up->passed + down->passed > 10 && values_since(clock, up->created) > UNPROVEN_LONG;
}

static void add_tables(struct json_object *document, const struct turnctl_instance *instance,
		       const struct turn_config *config, struct json_object *problems)
{
	struct values_clock clock = { .hz = config->hz };
	struct turnctl_allocation *allocated;
	struct turnctl_channel *list;
	struct turnctl_error err;
	size_t count, active = 0, offloaded = 0, unproven = 0, allocations = 0, i;
	unsigned int stretch = turnctl_stretch(instance);
	double interval = (double)config->heartbeat / config->hz;
	double rate;

	clock.now = turnctl_now(instance, &err);
	if (!clock.now ||
	    turnctl_allocations_read(instance, clock.now, &allocated, &allocations, &err)) {
		status_problem(problems, "%s", err.text);
		return;
	}
	free(allocated);
	if (turnctl_channels_read(instance, &list, &count, &err)) {
		status_problem(problems, "%s", err.text);
		return;
	}
	for (i = 0; i < count; i++) {
		const struct turn_flow *up = &list[i].to_peer, *down = &list[i].to_client;

		unproven += was_never_proven(&list[i], &clock) || is_unproven(up, &clock) ||
			    (list[i].both && is_unproven(down, &clock));
		offloaded += up->state == TURN_OFFLOADED || down->state == TURN_OFFLOADED;
		/* a direction that has carried packets lately has a heartbeat to come */
		if (!(up->flags & TURN_STATIC))
			active += (up->deadline > clock.now) +
				  (list[i].both && down->deadline > clock.now);
	}
	status_check_statics(instance, list, count, problems);
	free(list);
	output_number(document, "allocations", allocations);
	output_number(document, "channels", count);
	output_number(document, "offloaded", offloaded);
	output_number(document, "max_channels", config->max_channels);
	values_interval(document, "heartbeat_seconds", config->heartbeat, config->hz);
	rate = active / interval / stretch;
	output_number(document, "heartbeat_stretch", stretch);
	values_seconds(document, "heartbeats_per_second", rate);
	if (unproven)
		status_problem(
			problems,
			"%zu %s traffic, but the server's own packets of %s were not seen to "
			"leave: is the device that they leave by attached? %s adds a device",
			unproven, unproven == 1 ? "channel has" : "channels have",
			unproven == 1 ? "it" : "them",
			turnctl_hint(instance->name, "attach DEV").text);
	if (stretch > 1)
		status_problem(problems,
			       "the server loses heartbeats, so they are %u times farther apart "
			       "(%g s): it has too little CPU, or too small socket buffers",
			       stretch, interval * stretch);
	if (rate > HEARTBEATS_MANY)
		status_problem(problems,
			       "heartbeats put %.0f packets a second on the server; a longer "
			       "--heartbeat spares it",
			       rate);
	if (count * 10 > (size_t)config->max_channels * 9)
		status_problem(problems,
			       "%zu of %u channels are in use; more are left to the server", count,
			       config->max_channels);
}

/* ---- the command ----------------------------------------------------------------------------- */

static int fill(struct json_object *document, const struct turnctl_instance *instance,
		const struct words *words, struct turnctl_error *err)
{
	struct turnctl_device_state *states = calloc(TURN_DEVICES, sizeof(*states));
	struct json_object *devices = json_object_new_array();
	struct json_object *problems = json_object_new_array();
	struct turn_config config;
	int count, code, i, shown = 0;

	json_object_object_add(document, "devices", devices);
	json_object_object_add(document, "problems", problems);
	code = states ? turnctl_config_read(instance, &config, err)
		      : turnctl_fail(err, ENOMEM, "out of memory");
	count = code ? code : turnctl_devices_read(instance, states, err);
	for (i = 0; i < count; i++) {
		const char *name = states[i].exists ? states[i].link.name : states[i].device.name;

		if (words->device && strcmp(words->device, name))
			continue;
		shown++;
		status_check_device(instance, &config, &states[i], problems);
		json_object_array_add(devices, device_object(&states[i]));
	}
	free(states);
	if (count < 0)
		return count;
	if (words->device && !shown)
		return turnctl_fail(err, TURNCTL_NOT_ATTACHED, "%s is not attached", words->device);
	if (!count)
		status_problem(problems,
			       "no device is attached, but pins are left; %s removes them",
			       turnctl_hint(instance->name, "detach --all").text);
	status_check_strays(instance->name, true, problems);
	json_object_object_add(document, "listeners", listeners_array(&config));
	json_object_object_add(document, "externals", externals_array(&config));
	add_tables(document, instance, &config, problems);
	return 0;
}

/* No instance can be opened, for the reason in @err: is there still something of ours? */
static bool fill_remains(struct json_object *document, const char *instance, int code,
			 const struct turnctl_error *err)
{
	struct json_object *problems = json_object_new_array();

	json_object_object_add(document, "devices", json_object_new_array());
	json_object_object_add(document, "problems", problems);
	if (code == -EPROTO || code == -ESTALE)
		status_problem(problems, "%s", err->text);
	if (code == -EPROTO || code == -ESTALE || code == -EXDEV || code == -TURNCTL_NOT_ATTACHED)
		status_check_strays(instance, code == -ESTALE || code == -TURNCTL_NOT_ATTACHED,
				    problems);
	if (code == -EXDEV && json_object_array_length(problems))
		status_problem(problems, "%s", err->text);
	return json_object_array_length(problems);
}

int cli_status(struct cli *cli, int argc, char **argv)
{
	struct json_object *document, *problems;
	struct turnctl_instance instance;
	struct turnctl_error err;
	struct words words = {};
	bool usable;
	int code;

	cli_parse(cli, &argp, "status", argc, argv, &words);
	document = output_document();
	output_text(document, "instance", cli->instance);
	code = turnctl_instance_open(&instance, cli->instance, false, &err);
	usable = !code;
	if (usable) {
		code = fill(document, &instance, &words, &err);
		turnctl_instance_close(&instance);
	} else if (fill_remains(document, cli->instance, code, &err)) {
		code = 0;
	}
	if (code) {
		json_object_put(document);
		return cli_fail(code, &err);
	}
	problems = json_object_object_get(document, "problems");
	code = words.check && json_object_array_length(problems) ? CLI_DEGRADED : CLI_DONE;
	if (cli->json) {
		output_json(cli, document);
		return code;
	}
	if (!words.check && usable)
		status_print(document);
	status_print_problems(problems);
	json_object_put(document);
	return code;
}
