/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Would a device do, and what do packets miss that the kernel relays past the stack? Nothing is
 * changed. Netfilter is that of the network namespace of the caller.
 */
#ifndef TURNCTL_DOCTOR_H
#define TURNCTL_DOCTOR_H

#include <linux/types.h>

#include "error.h"

enum turnctl_level {
	TURNCTL_FINE,
	TURNCTL_NOTE,    /* good to know */
	TURNCTL_WARNING, /* something will not be as somebody may expect */
	TURNCTL_PROBLEM, /* it does not work, or not so */
};

const char *turnctl_level_name(enum turnctl_level level); /* ok, note, warning, problem */

struct turnctl_finding {
	enum turnctl_level level;
	const char *topic; /* one word: kernel, native, rule, ..., see turnctl-doctor(8) */
	char object[128];  /* what it is about: a device, a chain, the kernel */
	char text[800];
	char next[320];    /* what to do; "" if nothing */
	long handle;       /* of a rule in its table, else 0 */
};

struct turnctl_doctor_wish {
	const char *instance;
	const char *const *device; /* by name; none: those that are attached */
	int devices;
	__u16 relay_low, relay_high; /* the server's relay ports; 0: RFC 8656's; those in use too */
	void (*tell)(const struct turnctl_finding *finding, void *data);
	void *data;
};

/* Tells all findings. -EPERM for anybody but root; -ENODEV for a device that is not there. */
int turnctl_doctor(const struct turnctl_doctor_wish *wish, struct turnctl_error *err);

#endif
