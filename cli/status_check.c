// SPDX-License-Identifier: GPL-2.0
/* turnctl status: what is wrong, and what to do about it. */
#include "status.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hint.h"
#include "names.h"
#include "remains.h"
#include "suited.h"
#include "upkeep.h"

void status_problem(struct json_object *problems, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_object_array_add(problems, json_object_new_string(text));
}

/* Are the device's programs where they should be, and does what stands before them hand on? */
static void check_chain(const char *name, const struct turnctl_device_state *state,
			const char *attach, struct json_object *problems)
{
	const struct turnctl_chain *chain = &state->chain;
	const struct turnctl_chain_program *other = turnctl_chain_blinds(chain);
	char why[256] = "";

	if (chain->hollow)
		snprintf(why, sizeof(why),
			 "the dispatcher (id %u) has lost them and those of "
			 "others, as by 'xdp-loader clean' in another network namespace; ",
			 chain->hollow);
	else if (!state->stages && chain->count && !chain->dispatcher)
		snprintf(why, sizeof(why),
			 "'%.64s' (id %u) runs instead, outside a dispatcher; "
			 "once it is off ('ip link set dev %s %s off'), ",
			 chain->program[0].name, chain->program[0].id, name,
			 turnctl_chain_ip_word(chain->mode));
	if (state->stages != state->expected)
		status_problem(problems,
			       "%s: %d of %d XDP programs are in place; %s%s puts them back", name,
			       state->stages, state->expected, why, attach);
	if (other)
		status_problem(
			problems,
			"%s: XDP program '%s' (id %u) runs before turnctl's and hands no "
			"packet on, since XDP_PASS is not among its chain call actions, so the "
			"server relays everything; 'xdp-loader unload %s --id %u' takes it off",
			name, other->name, other->id, name, other->id);
}

void status_check_device(const struct turnctl_instance *instance, const struct turn_config *config,
			 const struct turnctl_device_state *state, struct json_object *problems)
{
	const char *name = state->exists ? state->link.name : state->device.name;
	struct turnctl_hint attach = turnctl_hint(instance->name, "attach %s", name);
	struct turnctl_hint detach = turnctl_hint(instance->name, "detach %s", name);
	char vlans[TURNCTL_VLAN_NAMES], behind[TURNCTL_BEHIND_NAMES];
	struct turnctl_error lost;

	if (state->back)
		status_problem(problems,
			       "%s: the device was removed and has come back; %s puts the "
			       "programs on it",
			       name, attach.text);
	else if (!state->exists)
		status_problem(problems,
			       "%s: the device is gone, or in another network namespace; %s "
			       "forgets it",
			       name, detach.text);
	if (!state->exists)
		return;
	if (!(state->device.flags & TURN_UP)) {
		status_problem(problems,
			       "%s: an attach did not come to its end; %s, with its options, "
			       "begins anew, and %s takes off what there is",
			       name, attach.text, detach.text);
		return;
	}
	check_chain(name, state, attach.text, problems);
	if (state->stages && state->chain.mode != config->mode)
		status_problem(problems,
			       "%s: its programs run in %s mode, and the instance in %s mode; "
			       "%s changes them",
			       name, turnctl_mode_name(state->chain.mode),
			       turnctl_mode_name(config->mode), attach.text);
	if (!state->egress.where)
		status_problem(problems,
			       "%s: turn_egress is not at TC egress, so nothing is learned; %s "
			       "puts it back",
			       name, attach.text);
	if (state->egress.behind)
		status_problem(problems,
			       "%s: before turn_egress at TC egress there is %s, and nothing is "
			       "learned from what that does not pass on; %s puts turn_egress first",
			       name, turnctl_egress_behind(&state->egress, behind), attach.text);
	if (!state->exits)
		status_problem(problems,
			       "%s: it is missing in turn_exits or turn_plain, so nothing is "
			       "relayed to it; %s adds it",
			       name, attach.text);
	if (!state->link.up)
		status_problem(problems, "%s: the device is down", name);
	else if (!state->link.carrier)
		status_problem(problems, "%s: no carrier", name);
	if (memcmp(state->link.mac, state->device.mac, sizeof(state->device.mac)))
		status_problem(problems,
			       "%s: its MAC address has changed, so nothing is relayed; %s "
			       "takes the new one",
			       name, attach.text);
	if (state->stages && turnctl_suited_still(&state->link, state->chain.mode, &lost))
		status_problem(problems, "%s", lost.text);
	if (turnctl_link_hides_tags(&state->link, vlans, NULL) > 0)
		status_problem(
			problems,
			"%s: it carries VLAN devices now (%s), whose frames are taken "
			"for its own; %s ends that, or see VLAN devices in turnctl-attach(8)",
			name, vlans, detach.text);
}

/* They belong to no instance; @instance, which can be @attachable here, is the one to name to a
 * command that is to do no more. */
void status_check_strays(const char *instance, bool attachable, struct json_object *problems)
{
	struct turnctl_stray stray[TURN_DEVICES];
	int count = turnctl_strays_read(NULL, stray, TURN_DEVICES), i;

	for (i = 0; i < count; i++)
		status_problem(
			problems,
			"%s: it runs programs of turnctl's whose pins are gone; %s takes "
			"them off%s%s",
			stray[i].device, turnctl_hint(instance, "detach %s", stray[i].device).text,
			attachable ? ", and so does " : "",
			attachable ? turnctl_hint(instance, "attach %s", stray[i].device).text
				   : "");
}

void status_check_statics(const struct turnctl_instance *instance,
			  const struct turnctl_channel *list, size_t count,
			  struct json_object *problems)
{
	char hop[INET_ADDRSTRLEN] = "?";
	struct turnctl_lapsed lapsed;
	struct turnctl_link link;

	turnctl_upkeep_read(instance, list, count, &lapsed);
	if (lapsed.neighbours && !turnctl_link_by_index(lapsed.first.ifindex, &link, NULL) &&
	    inet_ntop(AF_INET, &lapsed.first.ip.v4, hop, sizeof(hop)))
		status_problem(
			problems,
			"%s: the kernel does not keep the MAC address of %s for static "
			"channels, since the link was down or a route has moved; %s has it do so",
			link.name, hop, turnctl_hint(instance->name, "attach %s", link.name).text);
	if (lapsed.elsewhere && !turnctl_link_by_index(lapsed.elsewhere, &link, NULL))
		status_problem(
			problems,
			"%s: the routes of static channels lead there, and it is not "
			"attached, so they are not relayed; attach it with --relay, or move the "
			"routes back",
			link.name);
	if (lapsed.forwarding)
		status_problem(problems,
			       "net.ipv4.conf.lo.forwarding was reset, and static channels do "
			       "not follow routes and MAC addresses; set it to 1, or have %s do it",
			       turnctl_hint(instance->name, "attach DEV").text);
}
