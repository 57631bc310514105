// SPDX-License-Identifier: GPL-2.0
/* turnctl status: its document as text. */
#include "status.h"

#include <stdio.h>
#include <string.h>

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

void status_print(struct json_object *document)
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

void status_print_problems(struct json_object *problems)
{
	size_t i;

	for (i = 0; i < json_object_array_length(problems); i++)
		printf("problem: %s\n",
		       json_object_get_string(json_object_array_get_idx(problems, i)));
}
