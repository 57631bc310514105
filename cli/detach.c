// SPDX-License-Identifier: GPL-2.0
/* turnctl detach */
#include <stdlib.h>

#include "cli.h"
#include "device.h"

static const struct argp_option options[] = {
	{ "all", 'a', NULL, 0, "All devices of the instance", 0 },
	{},
};

struct words {
	bool all;
	char **devices;
	int count;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct words *words = state->input;

	(void)arg;
	switch (key) {
	case 'a':
		words->all = true;
		return 0;
	case ARGP_KEY_ARGS:
		words->devices = state->argv + state->next;
		words->count = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (words->all && words->count)
			argp_error(state, "either devices or --all");
		if (!words->all && !words->count)
			argp_error(state, "which device? --all means all");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = { options, parse, "DEV...\n--all",
				  "Take the kernel path off devices. With the last one go the "
				  "maps, channels and all.", NULL, NULL, NULL };

int cli_detach(struct cli *cli, int argc, char **argv)
{
	struct turnctl_error err;
	struct words words = {};
	int code = 0, i;

	cli_parse(cli, &argp, "detach", argc, argv, &words);
	if (words.all)
		code = turnctl_detach(cli->instance, NULL, &err);
	for (i = 0; i < words.count && !code; i++)
		code = turnctl_detach(cli->instance, words.devices[i], &err);
	return code ? cli_fail(code, &err) : CLI_DONE;
}
