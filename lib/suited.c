// SPDX-License-Identifier: GPL-2.0
#include "suited.h"

#include <errno.h>
#include <string.h>

#include "probe.h"

int turnctl_suited_no_native(const char *device, struct turnctl_error *err)
{
	return turnctl_fail(err, EOPNOTSUPP,
			    "the driver of %s has no native XDP; --mode skb works with any driver, "
			    "more slowly", device);
}

/* Can the driver run programs in native mode? A kernel before 6.3 shows it only by the attach. */
static int check_native(const struct turnctl_link *link, struct turnctl_error *err)
{
	__u64 features;

	if (turnctl_xdp_features(link->ifindex, &features))
		return 0;
	if (!(features & TURNCTL_XDP_BASIC))
		return turnctl_suited_no_native(link->name, err);
	return 0;
}

/* A VLAN device's frame without its tag in it is, to XDP, one of the device below: the client would
 * be relayed past the VLAN device, its address and its firewall rules. */
static int check_tags(const struct turnctl_link *link, struct turnctl_error *err)
{
	char names[TURNCTL_VLAN_NAMES];
	int tags = turnctl_link_hides_tags(link, names, err);

	if (tags == TURNCTL_TAGS_OFFLOADED)
		return turnctl_fail(err, EOPNOTSUPP,
				    "%s carries VLAN devices (%s), whose frames XDP cannot tell "
				    "from its own once the NIC has taken the tag off; turn that "
				    "off with 'ethtool -K %s rxvlan off', or attach to the VLAN "
				    "devices with --mode skb",
				    link->name, names, link->name);
	if (tags == TURNCTL_TAGS_HIDDEN)
		return turnctl_fail(err, EOPNOTSUPP,
				    "%s carries VLAN devices (%s), whose frames XDP cannot tell "
				    "from its own, since their tag may be off before it sees them; "
				    "attach to the VLAN devices with --mode skb", link->name,
				    names);
	return tags;
}

/* Devices into which a native redirect vanishes without a trace. */
int turnctl_suited(const struct turnctl_link *link, enum turn_mode mode, struct turnctl_error *err)
{
	static const char *const kinds[] = { "bridge", "macvlan", "macvtap", "ipvlan", "vlan",
					     "dummy", "vxlan", "geneve", "team" };
	size_t i;
	int code;

	if (!link->ethernet)
		return turnctl_fail(err, EOPNOTSUPP,
				    "%s is not an Ethernet device; turnctl relays over Ethernet "
				    "only",
				    link->name);
	for (i = 0; mode == TURN_NATIVE && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(link->kind, kinds[i]))
			return turnctl_fail(err, EOPNOTSUPP,
					    "%s is a %s device, which loses frames that are "
					    "redirected to it in native mode; use --mode skb, or "
					    "attach to the device below it", link->name,
					    link->kind);
	if (!link->up)
		return turnctl_fail(err, ENETDOWN,
				    "%s is down; bring it up with 'ip link set %s up'",
				    link->name, link->name);
	code = check_tags(link, err);
	if (!code && mode == TURN_NATIVE)
		code = check_native(link, err);
	return code;
}

/* Does it transmit what is redirected to it? Several drivers do only while they run a program
 * themselves, so this is for after the attach. */
int turnctl_suited_transmits(const struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	int transmits;

	if (plan->mode != TURN_NATIVE)
		return 0;
	transmits = turnctl_xdp_transmits(plan->ifindex, plan->device, plan->self.mac, err);
	if (transmits)
		return transmits < 0 ? transmits : 0;
	return turnctl_fail(err, EOPNOTSUPP,
			    "%s would lose every relayed frame, since its driver does not transmit "
			    "redirected frames in native mode (the far end of a veth must be up "
			    "and have GRO on, 'ethtool -K FAR-END gro on', or an XDP program); use "
			    "--mode skb",
			    plan->device);
}
