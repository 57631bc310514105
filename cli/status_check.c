// SPDX-License-Identifier: GPL-2.0
/* turnctl status: what is wrong, and what to do about it. */
#include "status.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "device_check.h"
#include "hint.h"
#include "remains.h"
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

static void add_problem(void *problems, const char *text)
{
	status_problem(problems, "%s", text);
}

void status_check_device(const struct turnctl_instance *instance, const struct turn_config *config,
			 const struct turnctl_device_state *state, struct json_object *problems)
{
	turnctl_device_check(instance, config, state, add_problem, problems);
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
