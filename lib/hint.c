// SPDX-License-Identifier: GPL-2.0
#include "hint.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "instance.h"

struct turnctl_hint turnctl_hint(const char *instance, const char *fmt, ...)
{
	bool standard = !strcmp(instance, TURNCTL_DEFAULT_INSTANCE);
	struct turnctl_hint hint;
	char command[80];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	snprintf(hint.text, sizeof(hint.text), "'turnctl%s%s %s'", standard ? "" : " -i ",
		 standard ? "" : instance, command);
	return hint;
}
