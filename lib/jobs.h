/* SPDX-License-Identifier: GPL-2.0 */
/* What an attach is to do to its devices; attach then does it, and attach --dry-run tells it. */
#ifndef TURNCTL_JOBS_H
#define TURNCTL_JOBS_H

#include <stdbool.h>

#include "attach.h"

/* One device of an attach. */
struct turnctl_job {
	struct turnctl_link link;
	struct turnctl_chain_plan plan;
	struct turn_device before; /* as noted so far; ifindex 0: it is new */
	bool begun;
};

struct turnctl_jobs {
	const char *instance; /* its name */
	struct turnctl_job job[TURN_DEVICES]; /* the client's first */
	int count;
	enum turn_mode mode;
	bool under_way; /* programs are being changed: there is something to undo */
};

/* Begins with the devices that are named. */
int turnctl_jobs_find(const char *instance, const struct turnctl_attach *attach,
		      struct turnctl_jobs *jobs, struct turnctl_error *err);

/*
 * Fills in what is to be done, and checks all that can be before anything is changed. @instance is
 * NULL and @config all 0 if it does not exist yet. A device whose attach did not come to its end is
 * a new one: what there is of it is taken out first.
 */
int turnctl_jobs_plan(const struct turnctl_attach *attach, const struct turnctl_instance *instance,
		      const struct turn_config *config, struct turnctl_jobs *jobs,
		      struct turnctl_error *err);

#endif
