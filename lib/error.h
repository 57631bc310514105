/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How libturnctl says that something went wrong: a negative errno as the return value, and a
 * sentence for a person in a struct that the caller owns. The library itself prints nothing.
 */
#ifndef TURNCTL_ERROR_H
#define TURNCTL_ERROR_H

#include <errno.h>

/* The errno that says: nothing, or not this device, is attached. No kernel call gives it to us. */
#define TURNCTL_NOT_ATTACHED ENOTCONN

struct turnctl_error {
	char text[768]; /* what object, why, what to do next; no trailing newline or full stop */
};

/*
 * Writes the message and returns -code, so that a function can end with
 * `return turnctl_fail(err, ENODEV, "%s: no such device", name);`. @code is a positive errno;
 * @err may be NULL (the code alone is returned).
 */
int turnctl_fail(struct turnctl_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, with ": " and strerror(code) appended to the message. */
int turnctl_fail_errno(struct turnctl_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
