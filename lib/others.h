/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Other instances in this network namespace, for what belongs to the namespace, not to one of them.
 */
#ifndef TURNCTL_OTHERS_H
#define TURNCTL_OTHERS_H

#include "instance.h"

/*
 * Is it so with any instance of this network namespace but @own? Those that cannot be opened
 * (half made, of another layout) are not asked. @own is locked, and with it all instances are.
 */
bool turnctl_others_any(const struct turnctl_instance *own,
			bool (*is)(const struct turnctl_instance *other));

#endif
