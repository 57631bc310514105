// SPDX-License-Identifier: GPL-2.0
/* What is wrong with an attached device, and what to do about it. */
#include "device_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hint.h"
#include "names.h"
#include "suited.h"

struct ear {
	turnctl_problem_fn *told;
	void *arg;
	int count;
};

static void __attribute__((format(printf, 2, 3))) tell(struct ear *ear, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ear->count++;
	if (ear->told)
		ear->told(ear->arg, text);
}

/* Are the device's programs where they should be, and does what stands before them hand on? */
static void check_chain(const char *name, const struct turnctl_device_state *state,
			const char *attach, struct ear *ear)
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
		tell(ear, "%s: %d of %d XDP programs are in place; %s%s puts them back", name,
		     state->stages, state->expected, why, attach);
	if (other)
		tell(ear,
		     "%s: XDP program '%s' (id %u) runs before turnctl's and hands no "
		     "packet on, since XDP_PASS is not among its chain call actions, so the "
		     "server relays everything; 'xdp-loader unload %s --id %u' takes it off",
		     name, other->name, other->id, name, other->id);
}

static void check(const struct turnctl_instance *instance, const struct turn_config *config,
		  const struct turnctl_device_state *state, struct ear *ear)
{
	const char *name = state->exists ? state->link.name : state->device.name;
	struct turnctl_hint attach = turnctl_hint(instance->name, "attach %s", name);
	struct turnctl_hint detach = turnctl_hint(instance->name, "detach %s", name);
	char vlans[TURNCTL_VLAN_NAMES], behind[TURNCTL_BEHIND_NAMES];
	struct turnctl_error lost;

	if (state->back)
		tell(ear,
		     "%s: the device was removed and has come back; %s puts the "
		     "programs on it",
		     name, attach.text);
	else if (!state->exists)
		tell(ear,
		     "%s: the device is gone, or in another network namespace; %s "
		     "forgets it",
		     name, detach.text);
	if (!state->exists)
		return;
	if (!(state->device.flags & TURN_UP)) {
		tell(ear,
		     "%s: an attach did not come to its end; %s, with its options, "
		     "begins anew, and %s takes off what there is",
		     name, attach.text, detach.text);
		return;
	}
	check_chain(name, state, attach.text, ear);
	if (state->stages && state->chain.mode != config->mode)
		tell(ear,
		     "%s: its programs run in %s mode, and the instance in %s mode; "
		     "%s changes them",
		     name, turnctl_mode_name(state->chain.mode), turnctl_mode_name(config->mode),
		     attach.text);
	if (!state->egress.where)
		tell(ear,
		     "%s: turn_egress is not at TC egress, so nothing is learned; %s "
		     "puts it back",
		     name, attach.text);
	if (state->egress.behind)
		tell(ear,
		     "%s: before turn_egress at TC egress there is %s, and nothing is "
		     "learned from what that does not pass on; %s puts turn_egress first",
		     name, turnctl_egress_behind(&state->egress, behind), attach.text);
	if (!state->exits)
		tell(ear,
		     "%s: it is missing in turn_exits or turn_plain, so nothing is "
		     "relayed to it; %s adds it",
		     name, attach.text);
	if (!state->link.up)
		tell(ear, "%s: the device is down", name);
	else if (!state->link.carrier)
		tell(ear, "%s: no carrier", name);
	if (memcmp(state->link.mac, state->device.mac, sizeof(state->device.mac)))
		tell(ear,
		     "%s: its MAC address has changed, so nothing is relayed; %s "
		     "takes the new one",
		     name, attach.text);
	if (state->stages && turnctl_suited_still(&state->link, state->chain.mode, &lost))
		tell(ear, "%s", lost.text);
	if (turnctl_link_hides_tags(&state->link, vlans, NULL) > 0)
		tell(ear,
		     "%s: it carries VLAN devices now (%s), whose frames are taken "
		     "for its own; %s ends that, or see VLAN devices in turnctl-attach(8)",
		     name, vlans, detach.text);
}

int turnctl_device_check(const struct turnctl_instance *instance, const struct turn_config *config,
			 const struct turnctl_device_state *state, turnctl_problem_fn *told,
			 void *arg)
{
	struct ear ear = { .told = told, .arg = arg };

	check(instance, config, state, &ear);
	return ear.count;
}
