// SPDX-License-Identifier: GPL-2.0
/* turnctl: the command. A table of commands, the options that all of them take, and a loop. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "instance.h"
#include "log.h"

const char *argp_program_bug_address = NULL;

const struct cli_command cli_commands[] = {
	{ "attach", cli_attach, "put the kernel path on a device" },
	{ "detach", cli_detach, "take it off again" },
	{ "status", cli_status, "what is attached, and whether all is well" },
	{ "doctor", cli_doctor, "whether a device would do, and what relayed packets miss" },
	{ "channel", cli_channel, "list, show, add, delete, flush or count channels" },
	{ "allocation", cli_allocation, "list or show allocations" },
	{ "stats", cli_stats, "what was relayed, and why packets were left to the server" },
	{ "config", cli_config, "show or change the settings of an instance" },
	{ "help", cli_help, "the manual of a command" },
	{ "version", cli_version, "versions of turnctl, its libraries and map layout" },
	{ NULL, NULL, NULL },
};

const struct cli_command *cli_find(const struct cli_command *table, const char *what,
				   const char *word)
{
	const struct cli_command *found = NULL, *command;
	int matches = 0;

	for (command = table; command->name; command++) {
		if (!strcmp(command->name, word))
			return command;
		if (!strncmp(command->name, word, strlen(word))) {
			found = command;
			matches++;
		}
	}
	if (matches == 1)
		return found;
	if (*word)
		fprintf(stderr, "turnctl: %s '%s' %s; it is one of:", what, word,
			matches ? "is ambiguous" : "is not known");
	else
		fprintf(stderr, "turnctl: the %s is empty; it is one of:", what);
	for (command = table; command->name; command++)
		if (!matches || !strncmp(command->name, word, strlen(word)))
			fprintf(stderr, " %s", command->name);
	fputc('\n', stderr);
	return NULL;
}

int cli_fail(int code, const struct turnctl_error *err)
{
	fprintf(stderr, "turnctl: %s\n", err->text);
	return code == -TURNCTL_NOT_ATTACHED ? CLI_NOT_ATTACHED : CLI_FAILED;
}

/* ---- the options that every command takes, before it and after it ---------------------------- */

static const struct argp_option common_options[] = {
	{ "instance", 'i', "NAME", 0, "Work on this set of devices and channels (default: default)",
	  0 },
	{ "json", 'j', NULL, 0, "Print one JSON document", 0 },
	{ "pretty", 'p', NULL, 0, "Like -j, but indented", 0 },
	{ "verbose", 'v', NULL, 0, "Show what libxdp and the kernel's verifier say", 0 },
	{},
};

static void log_line(const char *text)
{
	fputs(text, stderr);
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct cli *cli = state->input;

	switch (key) {
	case 'i':
		if (!turnctl_instance_name_ok(arg))
			argp_error(state,
				   "'%s' cannot name an instance: 1 to 31 letters, digits, _ and -",
				   arg);
		cli->instance = arg;
		return 0;
	case 'j':
		cli->json = true;
		return 0;
	case 'p':
		cli->json = cli->pretty = true;
		return 0;
	case 'v':
		turnctl_log_to(log_line);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp common = { common_options, parse_common, NULL, NULL, NULL, NULL, NULL };

/* Gives each of the two parsers of cli_parse() its own input. */
static error_t hand_down(int key, char *arg __attribute__((unused)), struct argp_state *state)
{
	void **inputs = state->input;

	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	state->child_inputs[0] = inputs[0];
	state->child_inputs[1] = inputs[1];
	return 0;
}

void cli_parse(struct cli *cli, const struct argp *argp, const char *name, int argc, char **argv,
	       void *input)
{
	const struct argp_child both[] = {
		{ argp, 0, NULL, 0 },
		{ &common, 0, "Options of every command:", 1 },
		{},
	};
	const struct argp whole = { NULL, hand_down, NULL, NULL, both, NULL, NULL };
	void *inputs[] = { input, cli };
	char command[64];

	snprintf(command, sizeof(command), "turnctl %s", name);
	argv[0] = command;
	if (argp_parse(&whole, argc, argv, 0, NULL, inputs))
		exit(CLI_USAGE);
}

/* ---- the word that names a command or subcommand --------------------------------------------- */

struct opening {
	struct cli *cli;
	const struct cli_command *table;
	const char *command; /* whose subcommands they are; NULL: commands, and none means status */
	bool version;
	int next; /* index of the word, 0 = none */
};

static error_t parse_opening(int key, char *arg __attribute__((unused)), struct argp_state *state)
{
	struct opening *opening = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = opening->cli;
		return 0;
	case 'V':
		opening->version = true;
		return 0;
	case ARGP_KEY_ARG:
		/* the command's own words are not for this parser */
		opening->next = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		if (opening->command)
			argp_state_help(state, stderr, ARGP_HELP_SHORT_USAGE | ARGP_HELP_POST_DOC |
							       ARGP_HELP_EXIT_ERR);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* Writes the table below the options. */
static char *help_filter(int key, const char *text, void *input)
{
	const struct opening *opening = input;
	const struct cli_command *command;
	size_t size;
	char *list;
	FILE *out;

	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	out = open_memstream(&list, &size);
	if (!out)
		return NULL;
	fputs(opening->command ? "Subcommands:\n" : "Commands:\n", out);
	for (command = opening->table; command->name; command++)
		fprintf(out, "  %-12s %s\n", command->name, command->help);
	if (opening->command)
		fprintf(out, "\nSee turnctl-%s(8).", opening->command);
	else
		fputs("\nSee turnctl(8), or 'turnctl help COMMAND'.", out);
	fclose(out);
	return list;
}

static const struct argp_child opening_children[] = { { &common, 0, NULL, 0 }, {} };

int cli_dispatch(struct cli *cli, const struct cli_command *table, const char *command, int argc,
		 char **argv)
{
	static const struct argp argp = { NULL, parse_opening, "SUBCOMMAND [ARGUMENT...]", NULL,
					  opening_children, help_filter, NULL };
	struct opening opening = { .cli = cli, .table = table, .command = command };
	const struct cli_command *found;
	char name[64];

	snprintf(name, sizeof(name), "turnctl %s", command);
	argv[0] = name;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &opening))
		return CLI_USAGE;
	found = cli_find(table, "subcommand", argv[opening.next]);
	return found ? found->run(cli, argc - opening.next, argv + opening.next) : CLI_USAGE;
}

/* ---- main ------------------------------------------------------------------------------------ */

static const struct argp_option options[] = {
	{ "version", 'V', NULL, 0, "Print the version", -1 },
	{},
};

static const struct argp argp = {
	options, parse_opening, "COMMAND [ARGUMENT...]",
	"A kernel fast path in front of an unmodified TURN server.", opening_children, help_filter,
	NULL,
};

/*
 * Whoever saves what we print must hear that it is not whole. At exit, since argp's --help ends
 * there too. Nobody minds that `head` has read enough.
 */
static void check_output(void)
{
	errno = 0;
	if (!fflush(stdout) && !ferror(stdout))
		return;
	if (errno == EPIPE)
		return;
	fprintf(stderr, "turnctl: cannot write the output: %s\n",
		errno ? strerror(errno) : "a part of it is lost");
	_exit(CLI_FAILED);
}

int main(int argc, char **argv)
{
	struct cli cli = { .instance = TURNCTL_DEFAULT_INSTANCE };
	struct opening opening = { .cli = &cli, .table = cli_commands };
	char name[] = "turnctl", *none[] = { name, NULL };
	const struct cli_command *command;

	atexit(check_output);
	argp_err_exit_status = CLI_USAGE;
	turnctl_log_to(NULL);
	if (argc)
		argv[0] = name; /* by which messages begin */
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &opening))
		return CLI_USAGE;
	if (opening.version)
		return cli_version(&cli, 1, none);
	if (!opening.next)
		return cli_status(&cli, 1, none);
	command = cli_find(cli_commands, "command", argv[opening.next]);
	if (!command)
		return CLI_USAGE;
	return command->run(&cli, argc - opening.next, argv + opening.next);
}
