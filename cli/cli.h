/* SPDX-License-Identifier: GPL-2.0 */
/* What the commands share. A command is a function in a file of its own: it parses its words with
 * argp, calls libturnctl and prints. */
#ifndef TURNCTL_CLI_H
#define TURNCTL_CLI_H

#include <argp.h>
#include <stdbool.h>

#include "error.h"

enum cli_exit {
	CLI_DONE = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_NOT_ATTACHED = 3,
	CLI_DEGRADED = 4,
};

/* The options before the command. */
struct cli {
	const char *instance;
	bool json, pretty;
	int verbose;
};

struct cli_command {
	const char *name;
	int (*run)(const struct cli *cli, int argc, char **argv); /* an exit code */
	const char *help;
};

extern const struct cli_command cli_commands[];

int cli_attach(const struct cli *cli, int argc, char **argv);
int cli_detach(const struct cli *cli, int argc, char **argv);
int cli_status(const struct cli *cli, int argc, char **argv);
int cli_channel(const struct cli *cli, int argc, char **argv);
int cli_allocation(const struct cli *cli, int argc, char **argv);
int cli_stats(const struct cli *cli, int argc, char **argv);
int cli_help(const struct cli *cli, int argc, char **argv);
int cli_version(const struct cli *cli, int argc, char **argv);

/*
 * Finds @word in a table that ends with a NULL name: the whole name, or a beginning that only one
 * has. NULL after telling the user what is wrong; @what is the kind of word ("command").
 */
const struct cli_command *cli_find(const struct cli_command *table, const char *what,
				   const char *word);

/* Runs the subcommand that argv[1] names; none, or --help, prints the table. */
int cli_dispatch(const struct cli *cli, const struct cli_command *table, const char *command,
		 int argc, char **argv);

/* Prints "turnctl: MESSAGE" and turns the errno that came with it into an exit code. */
int cli_fail(int code, const struct turnctl_error *err);

/* argp's parse with turnctl's exit codes; argv[0] becomes "turnctl NAME". */
void cli_parse(const struct argp *argp, const char *name, int argc, char **argv, void *input);

#endif
