/* SPDX-License-Identifier: GPL-2.0 */
/* What is wrong with an attached device. */
#ifndef TURNCTL_DEVICE_CHECK_H
#define TURNCTL_DEVICE_CHECK_H

#include "device.h"

typedef void turnctl_problem_fn(void *arg, const char *text);

/*
 * Finds what keeps the device from relaying or learning. Each problem is told to @told (which may
 * be NULL) as a sentence that begins with the device's name and says what to do next. Returns how
 * many there are.
 */
int turnctl_device_check(const struct turnctl_instance *instance, const struct turn_config *config,
			 const struct turnctl_device_state *state, turnctl_problem_fn *told,
			 void *arg);

#endif
