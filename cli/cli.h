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

/* The options that every command takes. They may stand before it and after it. */
struct cli {
	const char *instance;
	bool json, pretty;
};

struct cli_command {
	const char *name;
	int (*run)(struct cli *cli, int argc, char **argv); /* an exit code */
	const char *help;
};

extern const struct cli_command cli_commands[];

int cli_attach(struct cli *cli, int argc, char **argv);
int cli_detach(struct cli *cli, int argc, char **argv);
int cli_doctor(struct cli *cli, int argc, char **argv);
int cli_status(struct cli *cli, int argc, char **argv);
int cli_channel(struct cli *cli, int argc, char **argv);
int cli_allocation(struct cli *cli, int argc, char **argv);
int cli_stats(struct cli *cli, int argc, char **argv);
int cli_config(struct cli *cli, int argc, char **argv);
int cli_help(struct cli *cli, int argc, char **argv);
int cli_version(struct cli *cli, int argc, char **argv);

/*
 * Finds @word in a table that ends with a NULL name: the whole name, or a beginning that only one
 * has. NULL after telling the user what is wrong; @what is the kind of word ("command").
 */
const struct cli_command *cli_find(const struct cli_command *table, const char *what,
				   const char *word);

/* Runs the subcommand that the first word names; none, or --help, prints the table. */
int cli_dispatch(struct cli *cli, const struct cli_command *table, const char *command, int argc,
		 char **argv);

/* Prints "turnctl: MESSAGE" and turns the errno that came with it into an exit code. */
int cli_fail(int code, const struct turnctl_error *err);

/*
 * argp's parse, of the command's own words into @input and of the options that all commands take
 * into @cli; argv[0] becomes "turnctl NAME". Does not return if they are wrong.
 */
void cli_parse(struct cli *cli, const struct argp *argp, const char *name, int argc, char **argv,
	       void *input);

#endif
