// SPDX-License-Identifier: GPL-2.0
#include "suited.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "log.h"
#include "probe.h"

/* ---- no native XDP --------------------------------------------------------------------------- */

/* What else than --mode skb there is for devices that lead to others. */
static const char *other_way(const char *kind)
{
	if (!strcmp(kind, "bridge") || !strcmp(kind, "team"))
		return ", or attach to its ports";
	if (!strcmp(kind, "bond"))
		return ", attach to its ports, or choose another bonding mode";
	if (!strcmp(kind, "ipvlan"))
		return ", or attach to the device below it";
	return "";
}

static int no_native(const struct turnctl_link *link, struct turnctl_error *err)
{
	if (link->kind[0])
		return turnctl_fail(err, EOPNOTSUPP,
				    "%s is a %s device, and has no native XDP: frames that are "
				    "redirected to it would be lost; use --mode skb%s",
				    link->name, link->kind, other_way(link->kind));
	return turnctl_fail(err, EOPNOTSUPP,
			    "the driver of %s has no native XDP; --mode skb works with any driver, "
			    "more slowly", link->name);
}

/* Can the driver run programs in native mode? A kernel before 6.3 shows it only by the attach. */
static int check_native(const struct turnctl_link *link, struct turnctl_error *err)
{
	__u64 features;

	if (turnctl_xdp_features(link->ifindex, &features) || (features & TURNCTL_XDP_BASIC))
		return 0;
	return no_native(link, err);
}

/* ---- before the attach ----------------------------------------------------------------------- */

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

/*
 * virtio_net gives XDP a transmit queue for each CPU beside those that are in use, and when there
 * is no room, has it share these. But with more in use than there are CPUs it takes one that does
 * not exist (virtnet_xdp_get_sq(), since Linux 5.13): the first redirect to the device is a kernel
 * panic. While a program is there, XDP's own are among those in use, but not among those that the
 * stack transmits by (virtnet_xdp_set()).
 */
static int check_queues(const struct turnctl_link *link, void *data __attribute__((unused)),
			struct turnctl_error *err)
{
	unsigned int cpus = libbpf_num_possible_cpus();
	struct turnctl_queues queues;
	int transmit;

	if (turnctl_link_queues(link, &queues) || strcmp(queues.driver, "virtio_net") ||
	    queues.now <= cpus || queues.now + cpus <= queues.most)
		return 0;
	transmit = turnctl_link_transmit_queues(link);
	if (transmit >= 0 && (unsigned int)transmit < queues.now)
		return 0;
	return turnctl_fail(err, EOPNOTSUPP,
			    "%s has %u of at most %u queues in use, on %u CPUs: virtio_net would "
			    "send redirected frames by queues that it does not have, and crash; "
			    "have it use fewer with 'ethtool -L %s combined %u', or use --mode "
			    "skb", link->name, queues.now, queues.most, cpus, link->name, cpus);
}

int turnctl_suited(const struct turnctl_link *link, enum turn_mode mode, struct turnctl_error *err)
{
	int code;

	if (!link->ethernet)
		return turnctl_fail(err, EOPNOTSUPP,
				    "%s is not an Ethernet device; turnctl relays over Ethernet "
				    "only",
				    link->name);
	/* the kernel hands frames to it past every XDP hook */
	if (!strcmp(link->kind, "vrf"))
		return turnctl_fail(err, EOPNOTSUPP,
				    "%s is a VRF, whose frames no XDP program sees there; attach "
				    "to its ports", link->name);
	if (!link->up)
		return turnctl_fail(err, ENETDOWN,
				    "%s is down; bring it up with 'ip link set %s up'",
				    link->name, link->name);
	code = check_tags(link, err);
	if (!code && mode == TURN_NATIVE)
		code = check_native(link, err);
	if (!code && mode == TURN_NATIVE)
		code = check_queues(link, NULL, err);
	if (!code && mode == TURN_NATIVE)
		code = turnctl_link_each_port(link, check_queues, NULL, err);
	return code;
}

/* ---- what the kernel refused ----------------------------------------------------------------- */

/* The next step for what drivers say. --mode skb is good for all. */
static void next_step(const struct turnctl_chain_plan *plan, const char *words, char *text,
		      size_t size)
{
	static const struct {
		const char *word;
		const char *step;
	} known[] = {
		{ "GRO_HW", "turn it off with 'ethtool -K %s rx-gro-hw off', if the device lets "
			    "you, or " },
		{ "LRO", "turn it off with 'ethtool -K %s lro off', or " },
		{ "MTU", "lower it ('ip link set %s mtu 1500', or of a veth's far end), or " },
		{ "ring", "use fewer queues ('ethtool -L %s combined N'), or " },
		{ "queue", "use fewer queues ('ethtool -L %s combined N'), or " },
		{ "bonding mode", "choose another for %s, attach to its ports, or " },
		{ "Slave", "attach to the ports of %s that can, or " },
	};
	size_t i, used;

	text[0] = '\0';
	for (i = 0; i < sizeof(known) / sizeof(known[0]) && !text[0]; i++)
		if (strcasestr(words, known[i].word))
			snprintf(text, size, known[i].step, plan->device);
	used = strlen(text);
	snprintf(text + used, size - used, "use --mode skb");
}

int turnctl_suited_explain(const struct turnctl_chain_plan *plan, int code, const char *otherwise,
			   struct turnctl_error *err)
{
	const char *words = turnctl_log_kernel();
	struct turnctl_link link;
	char step[160];

	/* the kernel's own words for a driver without XDP, before 6.3 */
	if (plan->mode == TURN_NATIVE && code == -EOPNOTSUPP &&
	    (!words[0] || strcasestr(words, "driver does not support")) &&
	    !turnctl_link_by_index(plan->ifindex, &link, NULL))
		return no_native(&link, err);
	/* what has come to the device since it was looked at */
	if (!words[0] || code == -EBUSY || code == -EEXIST)
		return turnctl_fail(err, -code, "cannot attach to %s: %s (-v shows more)",
				    plan->device, otherwise);
	if (plan->mode != TURN_NATIVE)
		return turnctl_fail(err, -code, "the kernel refuses XDP programs on %s: \"%s\"",
				    plan->device, words);
	next_step(plan, words, step, sizeof(step));
	return turnctl_fail(err, -code, "the kernel refuses XDP in native mode on %s: \"%s\"; %s",
			    plan->device, words, step);
}

/* ---- after the attach ------------------------------------------------------------------------ */

struct trial {
	const char *bond; /* the device is a port of, or NULL */
	const __u8 *mac;  /* to try from; NULL: only by asking */
};

static int loses(const struct turnctl_link *link, const struct trial *trial,
		 struct turnctl_error *err)
{
	char port[2 * IFNAMSIZ] = "";

	if (trial->bond)
		snprintf(port, sizeof(port), " by its port %s", link->name);
	return turnctl_fail(err, EOPNOTSUPP,
			    "%s %s every relayed frame%s, since %s driver does not transmit "
			    "redirected frames in native mode%s; use --mode skb",
			    trial->bond ? trial->bond : link->name,
			    trial->mac ? "would lose" : "loses", port, trial->bond ? "that" : "its",
			    strcmp(link->kind, "veth")
				    ? ""
				    : " (the far end of a veth must be up and have GRO on, "
				      "'ethtool -K FAR-END gro on', or an XDP program)");
}

static int check_transmits(const struct turnctl_link *link, void *data,
			   struct turnctl_error *err)
{
	const struct trial *trial = data;
	__u64 features;
	int transmits;

	/* a bond's port that is out of use cannot be tried */
	if (trial->bond && !link->carrier)
		return 0;
	if (trial->mac)
		transmits = turnctl_xdp_transmits(link->ifindex, link->name, trial->mac, err);
	else
		transmits = turnctl_xdp_features(link->ifindex, &features) ||
			    (features & TURNCTL_XDP_XMIT);
	if (transmits)
		return transmits < 0 ? transmits : 0;
	return loses(link, trial, err);
}

/* A bond hands a frame to one of its ports, and takes another at any time. */
static int check_all(const struct turnctl_link *link, const __u8 *mac, struct turnctl_error *err)
{
	struct trial port = { .bond = link->name, .mac = mac }, self = { .mac = mac };
	int code = turnctl_link_each_port(link, check_transmits, &port, err);

	return code ? code : check_transmits(link, &self, err);
}

int turnctl_suited_transmits(const struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	struct turnctl_link link;
	int code;

	if (plan->mode != TURN_NATIVE)
		return 0;
	code = turnctl_link_by_index(plan->ifindex, &link, err);
	return code ? code : check_all(&link, plan->self.mac, err);
}

int turnctl_suited_still(const struct turnctl_link *link, enum turn_mode mode,
			 struct turnctl_error *err)
{
	return mode == TURN_NATIVE ? check_all(link, NULL, err) : 0;
}
