/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parts of turnctl status: one document, whose array "problems" holds sentences, and its text.
 */
#ifndef TURNCTL_CLI_STATUS_H
#define TURNCTL_CLI_STATUS_H

#include <json-c/json.h>
#include <stdbool.h>

#include "device.h"
#include "table.h"

void status_problem(struct json_object *problems, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* What is wrong with an attached device. */
void status_check_device(const struct turnctl_instance *instance, const struct turn_config *config,
			 const struct turnctl_device_state *state, struct json_object *problems);

/* What is turnctl's and belongs to no instance; @attachable: an attach would clear it, too. */
void status_check_strays(const char *instance, bool attachable, struct json_object *problems);

/* What has lapsed that static channels live on: neighbours, routes, the sysctl. */
void status_check_statics(const struct turnctl_instance *instance,
			  const struct turnctl_channel *list, size_t count,
			  struct json_object *problems);

void status_print(struct json_object *document);
void status_print_problems(struct json_object *problems);

#endif
