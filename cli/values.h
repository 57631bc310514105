/* SPDX-License-Identifier: GPL-2.0 */
/* Values that more than one command shows or takes. */
#ifndef TURNCTL_VALUES_H
#define TURNCTL_VALUES_H

#include <json-c/json.h>

#include "instance.h"
#include "table.h"

/* The clock of the tables at one moment. */
struct values_clock {
	__u64 now; /* jiffies */
	__u32 hz;
};

/* Reads it; 0 or a negative errno. */
int values_clock_read(const struct turnctl_instance *instance, struct values_clock *clock,
		      struct turnctl_error *err);

/* Seconds from now until @when (0 if it has passed), and since. */
double values_until(const struct values_clock *clock, __u64 when);
double values_since(const struct values_clock *clock, __u64 when);

/* Adds "ADDR:PORT" under @key. */
void values_endpoint(struct json_object *object, const char *key, union turn_ip ip, __be16 port);

/* Adds a number of seconds with one decimal under @key. */
void values_seconds(struct json_object *object, const char *key, double seconds);

/* Adds an interval in seconds, with as many decimals as it has, at most three, under @key. */
void values_interval(struct json_object *object, const char *key, __u64 jiffies, __u32 hz);

/* "2s", "500ms", "1.5" (seconds) to milliseconds. 0, or -EINVAL. */
int values_duration_parse(const char *text, unsigned int *ms);

#endif
