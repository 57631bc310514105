// SPDX-License-Identifier: GPL-2.0
#include "attach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "control.h"
#include "egress.h"
#include "link.h"
#include "names.h"
#include "objects.h"
#include "probe.h"

/* ---- checks ------------------------------------------------------------------------------------- */

/* Can the driver run programs in native mode? A kernel before 6.3 shows it only by the attach. */
static int check_native(const struct turnctl_link *link, struct turnctl_error *err)
{
	__u64 features;

	if (turnctl_xdp_features(link->ifindex, &features))
		return 0;
	if (!(features & TURNCTL_XDP_BASIC))
		return turnctl_fail(err, EOPNOTSUPP,
				    "the driver of %s has no native XDP; --mode skb works with any driver, "
				    "more slowly", link->name);
	return 0;
}

/* Does it transmit what is redirected to it? Several drivers do only while they run a program
 * themselves, so this is for after the attach. */
static int check_transmit(const struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	int transmits;

	if (plan->mode != TURN_NATIVE)
		return 0;
	transmits = turnctl_xdp_transmits(plan->ifindex, plan->device, plan->self.mac, err);
	if (transmits)
		return transmits < 0 ? transmits : 0;
	return turnctl_fail(err, EOPNOTSUPP,
			    "%s would lose every relayed frame, since its driver does not transmit "
			    "redirected frames in native mode (the far end of a veth must be up and have "
			    "GRO on, 'ethtool -K FAR-END gro on', or an XDP program); use --mode skb",
			    plan->device);
}

/* A VLAN device's frame without its tag in it is, to XDP, one of the device below: the client would be
 * relayed past the VLAN device, its address and its firewall rules. */
static int check_tags(const struct turnctl_link *link, struct turnctl_error *err)
{
	char names[TURNCTL_VLAN_NAMES];
	int tags = turnctl_link_hides_tags(link, names, err);

	if (tags == TURNCTL_TAGS_OFFLOADED)
		return turnctl_fail(err, EOPNOTSUPP,
				    "%s carries VLAN devices (%s), whose frames XDP cannot tell from its "
				    "own once the NIC has taken the tag off; turn that off with 'ethtool "
				    "-K %s rxvlan off', or attach to the VLAN devices with --mode skb",
				    link->name, names, link->name);
	if (tags == TURNCTL_TAGS_HIDDEN)
		return turnctl_fail(err, EOPNOTSUPP,
				    "%s carries VLAN devices (%s), whose frames XDP cannot tell from its "
				    "own, since their tag may be off before it sees them; attach to the "
				    "VLAN devices with --mode skb", link->name, names);
	return tags;
}

/* Devices into which a native redirect vanishes without a trace. */
static int check_exit(const struct turnctl_link *link, enum turn_mode mode,
		      struct turnctl_error *err)
{
	static const char *const kinds[] = { "bridge", "macvlan", "macvtap", "ipvlan", "vlan",
					     "dummy", "vxlan", "geneve", "team" };
	size_t i;
	int code;

	if (!link->ethernet)
		return turnctl_fail(err, EOPNOTSUPP,
				    "%s is not an Ethernet device; turnctl relays over Ethernet only",
				    link->name);
	for (i = 0; mode == TURN_NATIVE && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(link->kind, kinds[i]))
			return turnctl_fail(err, EOPNOTSUPP,
					    "%s is a %s device, which loses frames that are redirected to "
					    "it in native mode; use --mode skb, or attach to the device "
					    "below it", link->name, link->kind);
	if (!link->up)
		return turnctl_fail(err, ENETDOWN, "%s is down; bring it up with 'ip link set %s up'",
				    link->name, link->name);
	code = check_tags(link, err);
	if (!code && mode == TURN_NATIVE)
		code = check_native(link, err);
	return code;
}

/* All devices of an attach: the client's first. */
static int gather_links(const struct turnctl_attach *attach, struct turnctl_link *links,
			struct turnctl_error *err)
{
	int code, i, j;

	if (attach->relays > TURN_DEVICES - 1)
		return turnctl_fail(err, EINVAL, "more than %d relay devices", TURN_DEVICES - 1);
	for (i = 0; i <= attach->relays; i++) {
		code = turnctl_link_by_name(i ? attach->relay[i - 1] : attach->client, &links[i],
					    err);
		if (!code)
			code = check_exit(&links[i], attach->mode, err);
		if (code)
			return code;
		for (j = 0; j < i; j++)
			if (links[j].ifindex == links[i].ifindex)
				return turnctl_fail(err, EINVAL, "%s is named twice; a client device "
						    "is a relay device too", links[i].name);
	}
	return 0;
}

static void make_plan(const struct turnctl_attach *attach, const struct turnctl_link *link,
		      bool client, const struct turnctl_instance *instance,
		      struct turnctl_chain_plan *plan)
{
	memset(plan, 0, sizeof(*plan));
	plan->ifindex = link->ifindex;
	plan->device = link->name;
	plan->mode = attach->mode;
	plan->role = client ? TURN_ROLE_CLIENT : TURN_ROLE_RELAY;
	plan->fused = attach->fused;
	plan->prio = attach->prio;
	plan->self.role = plan->role;
	memcpy(plan->self.mac, link->mac, sizeof(plan->self.mac));
	if (instance) {
		plan->maps = instance->path;
		plan->id = turnctl_instance_id(instance);
	}
}

/* ---- configuration ------------------------------------------------------------------------------ */

static bool same_listener(const struct turn_listener *a, const struct turn_listener *b)
{
	return !memcmp(&a->ip, &b->ip, sizeof(a->ip)) && a->port == b->port;
}

static int serve(const struct turnctl_instance *instance, __u32 operation, __be16 port,
		 struct turnctl_error *err)
{
	struct turn_control c = { .operation = operation };
	int code;

	c.key[0].dport = port;
	code = turnctl_control_run(instance, &c);
	return code ? turnctl_fail_errno(err, -code, "cannot serve port %u", ntohs(port)) : 0;
}

static int add_listener(struct turn_config *config, const struct turn_listener *listener,
			struct turnctl_error *err)
{
	int i;

	for (i = 0; i < TURN_LISTENERS; i++) {
		if (same_listener(&config->listener[i], listener))
			return 0;
		if (config->listener[i].port)
			continue;
		config->listener[i] = *listener;
		return 0;
	}
	return turnctl_fail(err, ENOSPC, "more than %d listeners", TURN_LISTENERS);
}

static int add_external(struct turn_config *config, const struct turn_external *external,
			struct turnctl_error *err)
{
	int i;

	for (i = 0; i < TURN_EXTERNAL; i++) {
		struct turn_external *old = &config->external[i];

		if (old->pub.v4 && old->pub.v4 != external->pub.v4)
			continue;
		*old = *external;
		return 0;
	}
	return turnctl_fail(err, ENOSPC, "more than %d external addresses", TURN_EXTERNAL);
}

/* Puts the configuration back as it was before an attach that failed. */
static void restore(const struct turnctl_instance *instance, const struct turn_config *before)
{
	struct turn_config now;
	int i;

	if (turnctl_config_read(instance, &now, NULL))
		return;
	for (i = 0; i < TURN_LISTENERS; i++)
		if (now.listener[i].port && !before->listener[i].port)
			serve(instance, TURN_UNSERVE, now.listener[i].port, NULL);
	turnctl_config_write(instance, before, NULL);
}

/* @before receives the configuration as it was. */
static int configure(const struct turnctl_instance *instance, const struct turnctl_attach *attach,
		     struct turn_config *before, struct turnctl_error *err)
{
	struct turn_listener standard = { .port = htons(3478) };
	struct turn_config config = *before;
	int code = 0, i;

	if (config.mode && config.mode != attach->mode)
		return turnctl_fail(err, EINVAL,
				    "instance '%s' runs in %s mode, and its devices must all be in one; "
				    "use --mode %s", instance->name, turnctl_mode_name(config.mode),
				    turnctl_mode_name(config.mode));
	config.mode = attach->mode;
	config.netns = turnctl_own_netns();
	if (attach->heartbeat_ms)
		config.heartbeat = (__u64)attach->heartbeat_ms * config.hz / 1000;
	for (i = 0; i < attach->listeners && !code; i++)
		code = add_listener(&config, &attach->listener[i], err);
	if (!code && !config.listener[0].port)
		code = add_listener(&config, &standard, err);
	for (i = 0; i < attach->externals && !code; i++)
		code = add_external(&config, &attach->external[i], err);
	if (!code)
		code = turnctl_config_write(instance, &config, err);
	for (i = 0; i < TURN_LISTENERS && !code; i++)
		if (config.listener[i].port && !before->listener[i].port)
			code = serve(instance, TURN_SERVE, config.listener[i].port, err);
	return code;
}

/* ---- attach ------------------------------------------------------------------------------------- */

/* Everything but XDP. */
static int prepare_device(const struct turnctl_instance *instance,
			  struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	struct turn_device device;
	struct bpf_object *egress;
	int index, code;

	index = turnctl_device_find(instance, 0, &device);
	if (index < 0)
		return turnctl_fail(err, ENOSPC, "an instance has room for %d devices",
				    TURN_DEVICES);
	memset(&device, 0, sizeof(device));
	device.ifindex = plan->ifindex;
	device.role = plan->role;
	device.flags = plan->fused ? TURN_FUSED : 0;
	device.prio = plan->prio;
	snprintf(device.name, sizeof(device.name), "%s", plan->device);
	memcpy(device.mac, plan->self.mac, sizeof(device.mac));
	plan->self.device = index;

	/* noted first, so that whatever follows can be undone by the next command */
	code = turnctl_device_write(instance, index, &device, err);
	if (!code)
		code = turnctl_stats_clear(instance, index, err);
	if (!code)
		code = turnctl_exits_add(instance, &device, err);
	if (code)
		return code;
	egress = turnctl_object_load(TURNCTL_EGRESS, instance->path, &plan->self, &code, err);
	if (!egress)
		return code;
	code = turnctl_egress_attach(&device, instance->path,
				     turnctl_object_fd(egress, TURNCTL_EGRESS), err);
	bpf_object__close(egress);
	return code ? code : turnctl_device_write(instance, index, &device, err);
}

static int finish_device(const struct turnctl_instance *instance,
			 const struct turnctl_chain_plan *plan, struct turnctl_error *err)
{
	struct turn_device device;
	int index, code;

	code = turnctl_chain_attach(plan, err);
	if (!code)
		code = check_transmit(plan, err);
	if (code)
		return code;
	index = turnctl_device_find(instance, plan->ifindex, &device);
	if (index < 0)
		return turnctl_fail(err, ENOENT, "%s has vanished from turn_devices", plan->device);
	device.flags |= TURN_UP;
	return turnctl_device_write(instance, index, &device, err);
}

static int check_free(const struct turnctl_instance *instance, const struct turnctl_link *link,
		      struct turnctl_error *err)
{
	if (!turnctl_is_attached(instance, link->ifindex))
		return 0;
	return turnctl_fail(err, EEXIST,
			    "%s is attached already; 'turnctl%s detach %s' first to change how",
			    link->name, instance->option, link->name);
}

/* The instance, without what killed commands have left: a configuration by which nothing runs is
 * not one that the operator still wants. */
static int make_instance(struct turnctl_instance *instance, const char *name,
			 unsigned int max_channels, struct turnctl_error *err)
{
	int code = turnctl_instance_open(instance, name, true, err);

	if (!code) {
		code = turnctl_clear_remains(instance, err);
		if (!code && !turnctl_device_any(instance))
			code = turnctl_instance_end(instance, err);
		turnctl_instance_close(instance);
	}
	if (code && code != -TURNCTL_NOT_ATTACHED)
		return code;
	return turnctl_instance_make(instance, name, max_channels, err);
}

static void undo(struct turnctl_instance *instance, const struct turnctl_link *links, int count,
		 const struct turn_config *before)
{
	struct turn_device device;
	int i, index;

	for (i = 0; i < count; i++) {
		index = turnctl_device_find(instance, links[i].ifindex, &device);
		if (index >= 0)
			turnctl_device_take_out(instance, index, &device, NULL);
	}
	if (!turnctl_device_any(instance))
		turnctl_instance_end(instance, NULL);
	else
		restore(instance, before);
}

int turnctl_attach(const char *name, const struct turnctl_attach *attach,
		   struct turnctl_error *err)
{
	struct turnctl_chain_plan plans[TURN_DEVICES];
	struct turnctl_link links[TURN_DEVICES];
	struct turnctl_instance instance;
	struct turn_config before;
	int code, i, begun = 0;

	code = gather_links(attach, links, err);
	if (!code)
		code = make_instance(&instance, name, attach->max_channels, err);
	if (code)
		return code;
	code = turnctl_config_read(&instance, &before, err);
	for (i = 0; i <= attach->relays && !code; i++) {
		make_plan(attach, &links[i], i == 0, &instance, &plans[i]);
		code = check_free(&instance, &links[i], err);
		if (!code)
			code = turnctl_chain_check(&plans[i], err);
	}
	if (!code)
		code = configure(&instance, attach, &before, err);
	for (i = 0; i <= attach->relays && !code; i++) {
		begun = i + 1;
		code = prepare_device(&instance, &plans[i], err);
	}
	for (i = 0; i <= attach->relays && !code; i++)
		code = finish_device(&instance, &plans[i], err);
	if (code)
		undo(&instance, links, begun, &before);
	turnctl_instance_close(&instance);
	return code;
}

/* What configure() would do. */
static void plan_configuration(const struct turnctl_attach *attach, bool exists,
			       void (*step)(const char *text))
{
	char at[TURNCTL_ENDPOINT_TEXT], ip[INET_ADDRSTRLEN], private[INET_ADDRSTRLEN], text[256];
	int i;

	for (i = 0; i < attach->listeners; i++) {
		snprintf(text, sizeof(text), "serve %s",
			 turnctl_listener_format(&attach->listener[i], at, sizeof(at)));
		step(text);
	}
	if (!exists && !attach->listeners)
		step("serve *:3478");
	for (i = 0; i < attach->externals; i++) {
		const struct turn_external *external = &attach->external[i];

		inet_ntop(AF_INET, &external->pub.v4, ip, sizeof(ip));
		inet_ntop(AF_INET, &external->priv.v4, private, sizeof(private));
		snprintf(text, sizeof(text), "external address %s is %s here", ip,
			 external->priv.v4 ? private : "the listener's");
		step(text);
	}
	if (attach->heartbeat_ms) {
		snprintf(text, sizeof(text), "heartbeat every %g s", attach->heartbeat_ms / 1000.0);
		step(text);
	}
}

int turnctl_attach_plan(const char *name, const struct turnctl_attach *attach,
			void (*step)(const char *text), struct turnctl_error *err)
{
	const char *names[TURNCTL_CHAIN_STAGES];
	unsigned int priorities[TURNCTL_CHAIN_STAGES];
	struct turnctl_link links[TURN_DEVICES];
	struct turnctl_chain_plan plan;
	struct turnctl_instance instance;
	char text[256];
	bool exists;
	int code, i, j, count;

	code = turnctl_check_root(err);
	if (!code)
		code = gather_links(attach, links, err);
	if (code)
		return code;
	code = turnctl_instance_open(&instance, name, false, err);
	exists = !code;
	if (code && code != -TURNCTL_NOT_ATTACHED)
		return code;
	code = 0;
	if (!exists) {
		snprintf(text, sizeof(text), "make instance '%s' for %u channels under " TURNCTL_PINS,
			 name, attach->max_channels ? attach->max_channels
						    : TURNCTL_DEFAULT_CHANNELS);
		step(text);
	}
	plan_configuration(attach, exists, step);
	for (i = 0; i <= attach->relays && !code; i++) {
		make_plan(attach, &links[i], i == 0, exists ? &instance : NULL, &plan);
		if (exists)
			code = check_free(&instance, &links[i], err);
		if (!code)
			code = turnctl_chain_check(&plan, err);
		if (code)
			break;
		snprintf(text, sizeof(text), "%s: turn_egress at TC egress, exits for redirected frames",
			 links[i].name);
		step(text);
		count = turnctl_chain_stages(&plan, names, priorities);
		for (j = 0; j < count; j++) {
			if (plan.fused)
				snprintf(text, sizeof(text), "%s: %s as its only XDP program, %s mode",
					 links[i].name, names[j], turnctl_mode_name(attach->mode));
			else
				snprintf(text, sizeof(text), "%s: %s at priority %u, %s mode",
					 links[i].name, names[j], priorities[j],
					 turnctl_mode_name(attach->mode));
			step(text);
		}
	}
	if (exists)
		turnctl_instance_close(&instance);
	return code;
}
