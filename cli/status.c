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
#include "remains.h"
#include "suited.h"
#include "table.h"
#include "upkeep.h"
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

/* ---- what is wrong --------------------------------------------------------------------------- */

static void add_text(struct json_object *array, const char *text)
{
	json_object_array_add(array, json_object_new_string(text));
}

static void __attribute__((format(printf, 2, 3)))
problem(struct json_object *problems, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add_text(problems, text);
}

/* Are the device's programs where they should be, and does what stands before them hand on? */
static void check_chain(const char *name, const struct turnctl_device_state *state,
			const char *attach, struct json_object *problems)
{
	const struct turnctl_chain *chain = &state->chain;
	const struct turnctl_chain_program *other = turnctl_chain_blinds(chain);
	char why[160] = "";

	if (chain->hollow)
		snprintf(why, sizeof(why), "the dispatcher (id %u) has lost them and those of "
			 "others, as by 'xdp-loader clean' in another network namespace; ",
			 chain->hollow);
	else if (!state->stages && chain->count && !chain->dispatcher)
		snprintf(why, sizeof(why), "'%.64s' (id %u) runs instead, outside a dispatcher; "
			 "once it is off ('ip link set dev %s %s off'), ", chain->program[0].name,
			 chain->program[0].id, name, turnctl_chain_ip_word(chain->mode));
	if (state->stages != state->expected)
		problem(problems, "%s: %d of %d XDP programs are in place; %s%s puts them back",
			name, state->stages, state->expected, why, attach);
	if (other)
		problem(problems, "%s: XDP program '%s' (id %u) runs before turnctl's and hands no "
			"packet on, since XDP_PASS is not among its chain call actions, so the "
			"server relays everything; 'xdp-loader unload %s --id %u' takes it off",
			name, other->name, other->id, name, other->id);
}

static void check_device(const struct turnctl_instance *instance, const struct turn_config *config,
			 const struct turnctl_device_state *state, struct json_object *problems)
{
	const char *name = state->exists ? state->link.name : state->device.name;
	struct turnctl_hint attach = turnctl_hint(instance->name, "attach %s", name);
	struct turnctl_hint detach = turnctl_hint(instance->name, "detach %s", name);
	char vlans[TURNCTL_VLAN_NAMES], behind[TURNCTL_BEHIND_NAMES];
	struct turnctl_error lost;

	if (state->back)
		problem(problems, "%s: the device was removed and has come back; %s puts the "
			"programs on it", name, attach.text);
	else if (!state->exists)
		problem(problems, "%s: the device is gone, or in another network namespace; %s "
			"forgets it", name, detach.text);
	if (!state->exists)
		return;
	if (!(state->device.flags & TURN_UP)) {
		problem(problems, "%s: an attach did not come to its end; %s, with its options, "
			"begins anew, and %s takes off what there is", name, attach.text,
			detach.text);
		return;
	}
	check_chain(name, state, attach.text, problems);
	if (state->stages && state->chain.mode != config->mode)
		problem(problems, "%s: its programs run in %s mode, and the instance in %s mode; "
			"%s changes them", name, turnctl_mode_name(state->chain.mode),
			turnctl_mode_name(config->mode), attach.text);
	if (!state->egress.where)
		problem(problems, "%s: turn_egress is not at TC egress, so nothing is learned; %s "
			"puts it back", name, attach.text);
	if (state->egress.behind)
		problem(problems, "%s: before turn_egress at TC egress there is %s, and nothing is "
			"learned from what that does not pass on; %s puts turn_egress first", name,
			turnctl_egress_behind(&state->egress, behind), attach.text);
	if (!state->exits)
		problem(problems, "%s: it is missing in turn_exits or turn_plain, so nothing is "
			"relayed to it; %s adds it", name, attach.text);
	if (!state->link.up)
		problem(problems, "%s: the device is down", name);
	else if (!state->link.carrier)
		problem(problems, "%s: no carrier", name);
	if (memcmp(state->link.mac, state->device.mac, sizeof(state->device.mac)))
		problem(problems, "%s: its MAC address has changed, so nothing is relayed; %s "
			"takes the new one", name, attach.text);
	if (state->stages && turnctl_suited_still(&state->link, state->chain.mode, &lost))
		problem(problems, "%s", lost.text);
	if (turnctl_link_hides_tags(&state->link, vlans, NULL) > 0)
		problem(problems, "%s: it carries VLAN devices now (%s), whose frames are taken "
			"for its own; %s ends that, or see VLAN devices in turnctl-attach(8)", name,
			vlans, detach.text);
}

/* They belong to no instance; @instance, which can be @attachable here, is the one to name to a
 * command that is to do no more. */
static void check_strays(const char *instance, bool attachable, struct json_object *problems)
{
	struct turnctl_stray stray[TURN_DEVICES];
	int count = turnctl_strays_read(NULL, stray, TURN_DEVICES), i;

	for (i = 0; i < count; i++)
		problem(problems, "%s: it runs programs of turnctl's whose pins are gone; %s takes "
			"them off%s%s", stray[i].device,
			turnctl_hint(instance, "detach %s", stray[i].device).text,
			attachable ? ", and so does " : "", attachable ?
			turnctl_hint(instance, "attach %s", stray[i].device).text : "");
}

/* ---- the document ---------------------------------------------------------------------------- */

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

static void check_statics(const struct turnctl_instance *instance,
			  const struct turnctl_channel *list, size_t count,
			  struct json_object *problems)
{
	char hop[INET_ADDRSTRLEN] = "?";
	struct turnctl_lapsed lapsed;
	struct turnctl_link link;

	turnctl_upkeep_read(instance, list, count, &lapsed);
	if (lapsed.neighbours && !turnctl_link_by_index(lapsed.first.ifindex, &link, NULL) &&
	    inet_ntop(AF_INET, &lapsed.first.ip.v4, hop, sizeof(hop)))
		problem(problems, "%s: the kernel does not keep the MAC address of %s for static "
			"channels, since the link was down or a route has moved; %s has it do so",
			link.name, hop, turnctl_hint(instance->name, "attach %s", link.name).text);
	if (lapsed.elsewhere && !turnctl_link_by_index(lapsed.elsewhere, &link, NULL))
		problem(problems, "%s: the routes of static channels lead there, and it is not "
			"attached, so they are not relayed; attach it with --relay, or move the "
			"routes back", link.name);
	if (lapsed.forwarding)
		problem(problems, "net.ipv4.conf.lo.forwarding was reset, and static channels do "
			"not follow routes and MAC addresses; set it to 1, or have %s do it",
			turnctl_hint(instance->name, "attach DEV").text);
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
		problem(problems, "%s", err.text);
		return;
	}
	free(allocated);
	if (turnctl_channels_read(instance, &list, &count, &err)) {
		problem(problems, "%s", err.text);
		return;
	}
	for (i = 0; i < count; i++) {
		const struct turn_flow *up = &list[i].to_peer, *down = &list[i].to_client;

		unproven += was_never_proven(&list[i], &clock) || is_unproven(up, &clock) ||
			    (list[i].both && is_unproven(down, &clock));
		offloaded += up->state == TURN_OFFLOADED || down->state == TURN_OFFLOADED;
		/* a direction that has carried packets lately has a heartbeat to come */
		if (!(up->flags & TURN_STATIC))
			active += (up->deadline > clock.now) + (list[i].both &&
								down->deadline > clock.now);
	}
	check_statics(instance, list, count, problems);
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
		problem(problems,
			"%zu %s traffic, but the server's own packets of %s were not seen to "
			"leave: is the device that they leave by attached? %s adds a device",
			unproven, unproven == 1 ? "channel has" : "channels have",
			unproven == 1 ? "it" : "them",
			turnctl_hint(instance->name, "attach DEV").text);
	if (stretch > 1)
		problem(problems, "the server loses heartbeats, so they are %u times farther apart "
			"(%g s): it has too little CPU, or too small socket buffers", stretch,
			interval * stretch);
	if (rate > HEARTBEATS_MANY)
		problem(problems, "heartbeats put %.0f packets a second on the server; a longer "
			"--heartbeat spares it", rate);
	if (count * 10 > (size_t)config->max_channels * 9)
		problem(problems, "%zu of %u channels are in use; more are left to the server",
			count, config->max_channels);
}

/* ---- as text --------------------------------------------------------------------------------- */

static const char *get(struct json_object *object, const char *key)
{
	struct json_object *value = json_object_object_get(object, key);

	return value ? json_object_get_string(value) : "-";
}

/* Who stands before turn_egress. */
static void print_behind(struct json_object *device)
{
	struct json_object *behind = json_object_object_get(device, "egress_behind");
	size_t i;

	for (i = 0; i < json_object_array_length(behind); i++) {
		struct json_object *before = json_object_array_get_idx(behind, i);

		printf("%s %s (id %s)", i ? "," : ", behind", get(before, "name"),
		       get(before, "id"));
	}
}

static void print_device(struct json_object *device)
{
	struct json_object *programs = json_object_object_get(device, "programs");
	size_t i;

	printf("%s: %s, %s, %s mode, egress %s", get(device, "device"), get(device, "role"),
	       get(device, "install"), get(device, "mode"), get(device, "egress"));
	print_behind(device);
	putchar('\n');
	for (i = 0; i < json_object_array_length(programs); i++) {
		struct json_object *program = json_object_array_get_idx(programs, i);

		printf("  %8s  %-20s id ", get(program, "priority"), get(program, "name"));
		if (json_object_get_boolean(json_object_object_get(program, "ours")))
			puts(get(program, "id"));
		else
			printf("%-6s (not ours)\n", get(program, "id"));
	}
}

/* The texts of an array on one line; nothing for an empty array. */
static void print_list(struct json_object *document, const char *key, const char *heading)
{
	struct json_object *array = json_object_object_get(document, key);
	size_t i, count = json_object_array_length(array);

	if (!count)
		return;
	printf("%s:", heading);
	for (i = 0; i < count; i++)
		printf(" %s", json_object_get_string(json_object_array_get_idx(array, i)));
	putchar('\n');
}

static void print_text(struct json_object *document)
{
	struct json_object *devices = json_object_object_get(document, "devices");
	size_t i;

	for (i = 0; i < json_object_array_length(devices); i++)
		print_device(json_object_array_get_idx(devices, i));
	print_list(document, "listeners", "listeners");
	print_list(document, "externals", "external");
	printf("allocations: %s\nchannels: %s of %s, %s relayed by the kernel\n",
	       get(document, "allocations"), get(document, "channels"),
	       get(document, "max_channels"), get(document, "offloaded"));
	printf("heartbeats: every %s s a direction, %s a second in all\n",
	       get(document, "heartbeat_seconds"), get(document, "heartbeats_per_second"));
}

static void print_problems(struct json_object *problems)
{
	size_t i;

	for (i = 0; i < json_object_array_length(problems); i++)
		printf("problem: %s\n",
		       json_object_get_string(json_object_array_get_idx(problems, i)));
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
		check_device(instance, &config, &states[i], problems);
		json_object_array_add(devices, device_object(&states[i]));
	}
	free(states);
	if (count < 0)
		return count;
	if (words->device && !shown)
		return turnctl_fail(err, TURNCTL_NOT_ATTACHED, "%s is not attached",
				    words->device);
	if (!count)
		problem(problems, "no device is attached, but pins are left; %s removes them",
			turnctl_hint(instance->name, "detach --all").text);
	check_strays(instance->name, true, problems);
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
		problem(problems, "%s", err->text);
	if (code == -EPROTO || code == -ESTALE || code == -EXDEV || code == -TURNCTL_NOT_ATTACHED)
		check_strays(instance, code == -ESTALE || code == -TURNCTL_NOT_ATTACHED, problems);
	if (code == -EXDEV && json_object_array_length(problems))
		problem(problems, "%s", err->text);
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
		print_text(document);
	print_problems(problems);
	json_object_put(document);
	return code;
}
