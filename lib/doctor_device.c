// SPDX-License-Identifier: GPL-2.0
/* doctor: would a device do, or is it well; and the XDP programs beside turnctl's. */
#include <string.h>

#include "device_check.h"
#include "doctor_parts.h"
#include "egress.h"
#include "hint.h"
#include "names.h"
#include "probe.h"
#include "suited.h"

#define MTU_LARGE 3500 /* a frame, its headroom and tail must fit a page of 4096 bytes */

/* ---- before an attach ------------------------------------------------------------------------ */

/* In which mode would it do? 0: in none. */
static enum turn_mode tell_mode(const struct turnctl_doctor *doctor,
				const struct turnctl_link *link)
{
	struct turnctl_error native, skb;
	__u64 features;

	if (turnctl_suited(link, TURN_NATIVE, &native)) {
		if (turnctl_suited(link, TURN_SKB, &skb)) {
			turnctl_doctor_tell(doctor, TURNCTL_PROBLEM, "native", link->name, NULL,
					    "%s", skb.text);
			return 0;
		}
		turnctl_doctor_tell(doctor, TURNCTL_WARNING, "native", link->name,
				    "attach with --mode skb, which is slower", "%s", native.text);
		return TURN_SKB;
	}
	if (turnctl_xdp_features(link->ifindex, &features))
		turnctl_doctor_tell(doctor, TURNCTL_NOTE, "native", link->name, NULL,
				    "this kernel does not tell whether the driver runs XDP programs "
				    "in native mode, and transmits for others; attach tries it");
	else if (!(features & TURNCTL_XDP_XMIT))
		turnctl_doctor_tell(doctor, TURNCTL_NOTE, "native", link->name,
				    "of a veth, the far end needs GRO on; else attach with --mode "
				    "skb",
				    "the driver runs XDP programs in native mode, but does not "
				    "transmit redirected frames now; many do once they run a "
				    "program, and attach tries it");
	else
		turnctl_doctor_tell(doctor, TURNCTL_FINE, "native", link->name, NULL,
				    "the driver runs XDP programs in native mode, and transmits "
				    "redirected frames");
	return TURN_NATIVE;
}

static void tell_behind(const struct turnctl_doctor *doctor, const char *device,
			const struct turnctl_chain_program *program, bool attached)
{
	turnctl_doctor_tell(doctor, TURNCTL_WARNING, "behind", device,
			    "load it with a smaller priority, to have it run before turnctl's",
			    "XDP program '%s' (id %u, priority %u) %s behind turnctl's, and does "
			    "not see what is relayed", program->name, program->id,
			    program->priority, attached ? "runs" : "would run");
}

static void tell_before(const struct turnctl_doctor *doctor, const char *device,
			const struct turnctl_chain_program *program)
{
	turnctl_doctor_tell(doctor, TURNCTL_FINE, "before", device, NULL,
			    "XDP program '%s' (id %u, priority %u) runs before turnctl's, and sees "
			    "what is relayed, too", program->name, program->id, program->priority);
}

static void tell_fit(const struct turnctl_doctor *doctor, const struct turnctl_link *link,
		     enum turn_mode mode)
{
	const struct turnctl_chain_plan plan = {
		.ifindex = link->ifindex, .device = link->name, .mode = mode,
		.role = TURN_ROLE_CLIENT, .fused = !doctor->chains, .prio = TURN_PRIO,
		.instance = doctor->wish->instance,
	};
	struct turnctl_chain_stage list[TURNCTL_CHAIN_STAGES];
	struct turnctl_chain chain;
	struct turnctl_error err;
	int code, i;

	turnctl_chain_stages(&plan, list);
	code = turnctl_chain_read(link->ifindex, 0, &chain, &err);
	if (!code && !doctor->chains && chain.count && !chain.program[0].owner) {
		turnctl_doctor_tell(doctor, TURNCTL_PROBLEM, "programs", link->name,
				    "take it off, or boot a kernel that can chain XDP programs",
				    "it runs XDP program '%s' (id %u), and this kernel cannot run "
				    "turnctl's beside it", chain.program[0].name,
				    chain.program[0].id);
		return;
	}
	if (code || turnctl_chain_check(&plan, &err) ||
	    turnctl_egress_check(link->ifindex, link->name, 0, &err)) {
		turnctl_doctor_tell(doctor, TURNCTL_PROBLEM, "programs", link->name, NULL, "%s",
				    err.text);
		return;
	}
	for (i = 0; i < chain.count; i++) {
		if (chain.program[i].owner)
			continue;
		if (turnctl_chain_after(&chain.program[i], &list[0]))
			tell_behind(doctor, link->name, &chain.program[i], false);
		else
			tell_before(doctor, link->name, &chain.program[i]);
	}
	if (!chain.count)
		turnctl_doctor_tell(doctor, TURNCTL_FINE, "programs", link->name, NULL,
				    "it runs no XDP program");
}

static void tell_before_attach(const struct turnctl_doctor *doctor, const struct turnctl_link *link)
{
	enum turn_mode mode = tell_mode(doctor, link);

	if (!mode)
		return;
	if (mode == TURN_NATIVE && link->mtu > MTU_LARGE)
		turnctl_doctor_tell(doctor, TURNCTL_WARNING, "mtu", link->name,
				    "lower the MTU, or attach with --mode skb, if attach refuses",
				    "its MTU is %d, and most drivers run XDP programs in native "
				    "mode up to some %d bytes only", link->mtu, MTU_LARGE);
	tell_fit(doctor, link, mode);
}

/* ---- after it -------------------------------------------------------------------------------- */

static void tell_attached(const struct turnctl_doctor *doctor,
			  const struct turnctl_device_state *state)
{
	const struct turnctl_chain *chain = &state->chain;
	const char *name = state->link.name;
	bool behind = false;
	int i;

	if (!turnctl_device_check(&doctor->instance, &doctor->config, state, NULL, NULL))
		turnctl_doctor_tell(doctor, TURNCTL_FINE, "attached", name, NULL,
				    "it is attached: %s, %s, %s mode",
				    turnctl_role_name(state->device.role),
				    state->device.flags & TURN_FUSED ? "fused" : "chain",
				    turnctl_mode_name(chain->mode));
	else
		turnctl_doctor_tell(doctor, TURNCTL_PROBLEM, "attached", name,
				    turnctl_hint(doctor->wish->instance, "status --check").text,
				    "it is attached, but not all is well");
	if (chain->count && !chain->dispatcher && !chain->program[0].owner) {
		turnctl_doctor_tell(doctor, TURNCTL_PROBLEM, "programs", name,
				    turnctl_hint(doctor->wish->instance, "attach %s", name).text,
				    "it runs XDP program '%s' (id %u) outside a dispatcher, in the "
				    "place of turnctl's; take it off ('ip link set dev %s %s off') "
				    "and attach again", chain->program[0].name,
				    chain->program[0].id, name,
				    turnctl_chain_ip_word(chain->mode));
		return;
	}
	for (i = 0; i < chain->count; i++) {
		behind |= chain->program[i].ours;
		if (chain->program[i].owner)
			continue;
		if (behind)
			tell_behind(doctor, name, &chain->program[i], true);
		else
			tell_before(doctor, name, &chain->program[i]);
	}
}

void turnctl_doctor_device(const struct turnctl_doctor *doctor,
			   const struct turnctl_patient *patient)
{
	if (patient->state)
		tell_attached(doctor, patient->state);
	else
		tell_before_attach(doctor, &patient->link);
}
