/* SPDX-License-Identifier: GPL-2.0 */
/* The next step in a message: a command of turnctl's that can be typed as it stands. */
#ifndef TURNCTL_HINT_H
#define TURNCTL_HINT_H

struct turnctl_hint {
	char text[128];
};

/*
 * The command @fmt for @instance, in quotes: with "detach %s", "'turnctl -i NAME detach eth0'". The
 * default instance needs no -i. For the arguments of one call:
 *
 *	turnctl_fail(err, EBUSY, "…; %s takes it off", turnctl_hint(name, "detach --all").text);
 */
struct turnctl_hint turnctl_hint(const char *instance, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
