/* SPDX-License-Identifier: GPL-2.0 */
/* What an attach says about the whole instance: mode, listeners, external addresses, heartbeat. */
#ifndef TURNCTL_CONFIGURE_H
#define TURNCTL_CONFIGURE_H

#include "attach.h"

/* Adds what is given to @before, the configuration as it is, and writes that. */
int turnctl_configure(const struct turnctl_instance *instance, const struct turnctl_attach *attach,
		      enum turn_mode mode, const struct turn_config *before,
		      struct turnctl_error *err);

/* Puts the configuration back as it was before an attach that failed. */
void turnctl_configure_back(const struct turnctl_instance *instance,
			    const struct turn_config *before);

/* Is there room for what is given beside that of @before? Changes nothing. */
int turnctl_configure_check(const struct turnctl_attach *attach, const struct turn_config *before,
			    struct turnctl_error *err);

/* Tells, a line each, what turnctl_configure() would do; @exists: the instance is there already. */
void turnctl_configure_plan(const struct turnctl_attach *attach, bool exists,
			    void (*step)(const char *text));

#endif
