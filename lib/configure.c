// SPDX-License-Identifier: GPL-2.0
#include "configure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "names.h"

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

void turnctl_configure_back(const struct turnctl_instance *instance,
			    const struct turn_config *before)
{
	struct turn_config now;
	int i;

	if (turnctl_config_read(instance, &now, NULL))
		return;
	turnctl_config_write(instance, before, NULL);
	for (i = 0; i < TURN_LISTENERS; i++)
		if (now.listener[i].port && !before->listener[i].port)
			serve(instance, TURN_UNSERVE, now.listener[i].port, NULL);
}

/* Adds what is given. */
static int add_all(struct turn_config *config, const struct turnctl_attach *attach,
		   struct turnctl_error *err)
{
	struct turn_listener standard = { .port = htons(3478) };
	int code = 0, i;

	if (attach->heartbeat_ms)
		config->heartbeat = (__u64)attach->heartbeat_ms * config->hz / 1000;
	for (i = 0; i < attach->listeners && !code; i++)
		code = add_listener(config, &attach->listener[i], err);
	if (!code && !config->listener[0].port)
		code = add_listener(config, &standard, err);
	for (i = 0; i < attach->externals && !code; i++)
		code = add_external(config, &attach->external[i], err);
	return code;
}

int turnctl_configure_check(const struct turnctl_attach *attach, const struct turn_config *before,
			    struct turnctl_error *err)
{
	struct turn_config config = *before;

	return add_all(&config, attach, err);
}

int turnctl_configure(const struct turnctl_instance *instance, const struct turnctl_attach *attach,
		      enum turn_mode mode, const struct turn_config *before,
		      struct turnctl_error *err)
{
	struct turn_config config = *before;
	int code, i;

	config.mode = mode;
	config.netns = turnctl_own_netns();
	code = add_all(&config, attach, err);
	/* before it is noted: a port that a killed command has counted in is harmless, a listener
	 * whose port is not would never be served */
	for (i = 0; i < TURN_LISTENERS && !code; i++)
		if (config.listener[i].port && !before->listener[i].port)
			code = serve(instance, TURN_SERVE, config.listener[i].port, err);
	return code ? code : turnctl_config_write(instance, &config, err);
}

void turnctl_configure_plan(const struct turnctl_attach *attach, bool exists,
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
