/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The settings of an instance: what struct turn_config has a name for. One table says what there
 * is, in which order it is shown, who sets it and within which bounds.
 */
#ifndef TURNCTL_SETTING_H
#define TURNCTL_SETTING_H

#include <stdbool.h>
#include <stddef.h>

#include "instance.h"

#define TURNCTL_SETTING_TEXT 64

struct turnctl_setting {
	const char *name;   /* that of attach's option too, where it has one */
	bool attach;        /* `attach` has an option for it */
	bool number;        /* its value is one */
	/* of times, which turnctl_setting_change() takes; all 0 for the others */
	const char *help;
	size_t field;       /* in struct turn_config */
	unsigned int least; /* ms */
	unsigned int most;
	unsigned int step;  /* it must be a multiple of this; 0: any, kept in jiffies */
	/* writes the value with this index and returns true, if there are so many */
	bool (*format)(const struct turnctl_setting *setting, const struct turn_config *config,
		       unsigned int index, char *buf, size_t size);
};

extern const struct turnctl_setting turnctl_settings[]; /* a NULL name ends it */

/* The setting of this name, or NULL. */
const struct turnctl_setting *turnctl_setting_find(const char *name);

/* Is it one that turnctl_setting_change() takes? */
bool turnctl_setting_is_time(const struct turnctl_setting *setting);

/* May a time be set to @ms? */
bool turnctl_setting_fits(const struct turnctl_setting *setting, unsigned int ms);

/*
 * Sets a time to @ms, which fits, under the instance's lock. The programs read it from then on:
 * a heartbeat when they plan the next one, a lifetime when the server grants it.
 */
int turnctl_setting_change(const char *instance, const struct turnctl_setting *setting,
			   unsigned int ms, struct turnctl_error *err);

#endif
