// SPDX-License-Identifier: GPL-2.0
#include "values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "names.h"
#include "output.h"

int values_clock_read(const struct turnctl_instance *instance, struct values_clock *clock,
		      struct turnctl_error *err)
{
	struct turn_config config;
	int code = turnctl_config_read(instance, &config, err);

	if (code)
		return code;
	clock->hz = config.hz;
	clock->now = turnctl_now(instance, err);
	return clock->now ? 0 : -EIO;
}

double values_until(const struct values_clock *clock, __u64 when)
{
	return when > clock->now ? (double)(when - clock->now) / clock->hz : 0;
}

double values_since(const struct values_clock *clock, __u64 when)
{
	return clock->now > when ? (double)(clock->now - when) / clock->hz : 0;
}

void values_endpoint(struct json_object *object, const char *key, union turn_ip ip, __be16 port)
{
	struct turnctl_endpoint endpoint = { ip, port };
	char text[TURNCTL_ENDPOINT_TEXT];

	output_text(object, key, turnctl_endpoint_format(&endpoint, text, sizeof(text)));
}

void values_seconds(struct json_object *object, const char *key, double seconds)
{
	char text[32];

	snprintf(text, sizeof(text), "%.1f", seconds);
	json_object_object_add(object, key, json_object_new_double_s(seconds, text));
}

void values_interval(struct json_object *object, const char *key, __u64 jiffies, __u32 hz)
{
	double seconds = (double)((jiffies * 1000 + hz / 2) / hz) / 1000;
	char text[32];

	snprintf(text, sizeof(text), "%g", seconds);
	json_object_object_add(object, key, json_object_new_double_s(seconds, text));
}

int values_duration_parse(const char *text, unsigned int *ms)
{
	double value, scale = 1000;
	char *end;

	errno = 0;
	value = strtod(text, &end);
	if (end == text || errno || value < 0)
		return -EINVAL;
	if (!strcmp(end, "ms"))
		scale = 1;
	else if (*end && strcmp(end, "s"))
		return -EINVAL;
	if (value * scale > 1e9)
		return -EINVAL;
	*ms = value * scale + 0.5;
	return 0;
}
