// SPDX-License-Identifier: GPL-2.0
/* turnctl help */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
	const char **command = state->input;

	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	if (*command)
		argp_error(state, "one command at a time");
	*command = arg;
	return 0;
}

static const struct argp argp = { NULL, parse, "[COMMAND]", "Open the manual.", NULL, NULL, NULL };

int cli_help(struct cli *cli, int argc, char **argv)
{
	const struct cli_command *command;
	const char *word = NULL;
	char page[64];

	cli_parse(cli, &argp, "help", argc, argv, &word);
	snprintf(page, sizeof(page), "turnctl");
	if (word) {
		command = cli_find(cli_commands, "command", word);
		if (!command)
			return CLI_USAGE;
		snprintf(page, sizeof(page), "turnctl-%s", command->name);
	}
	execlp("man", "man", "8", page, NULL);
	fprintf(stderr, "turnctl: cannot run man: %s (Debian package: man-db)\n", strerror(errno));
	return CLI_FAILED;
}
