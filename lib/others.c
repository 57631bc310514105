// SPDX-License-Identifier: GPL-2.0
#include "others.h"

#include <dirent.h>
#include <string.h>

bool turnctl_others_any(const struct turnctl_instance *own,
			bool (*is)(const struct turnctl_instance *other))
{
	DIR *dir = opendir(TURNCTL_PINS);
	struct turnctl_instance other;
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		if (!turnctl_instance_name_ok(entry->d_name) || !strcmp(entry->d_name, own->name) ||
		    turnctl_instance_open(&other, entry->d_name, false, NULL))
			continue;
		found = is(&other);
		turnctl_instance_close(&other);
	}
	if (dir)
		closedir(dir);
	return found;
}
