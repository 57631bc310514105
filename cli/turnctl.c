// SPDX-License-Identifier: GPL-2.0
/* turnctl: the command. A table of commands, the options before them, and a loop. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "instance.h"
#include "objects.h"

const char *argp_program_bug_address = NULL;

const struct cli_command cli_commands[] = {
	{ "attach", cli_attach, "put the kernel path on a device" },
	{ "detach", cli_detach, "take it off again" },
	{ "status", cli_status, "what is attached, and whether all is well" },
	{ "channel", cli_channel, "list, show, add, delete, flush or count channels" },
	{ "allocation", cli_allocation, "list or show allocations" },
	{ "stats", cli_stats, "what was relayed, and why packets were left to the server" },
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
	fprintf(stderr, "turnctl: %s '%s' %s; it is one of:", what, word,
		matches ? "is ambiguous" : "is not known");
	for (command = table; command->name; command++)
		if (!matches || !strncmp(command->name, word, strlen(word)))
			fprintf(stderr, " %s", command->name);
	fputc('\n', stderr);
	return NULL;
}

int cli_dispatch(const struct cli *cli, const struct cli_command *table, const char *command,
		 int argc, char **argv)
{
	bool help = argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?"));
	const struct cli_command *found;

	if (argc < 2 || help) {
		FILE *out = help ? stdout : stderr;

		fprintf(out, "Usage: turnctl %s SUBCOMMAND [ARGUMENT...]\n", command);
		for (found = table; found->name; found++)
			fprintf(out, "  %-8s %s\n", found->name, found->help);
		return help ? CLI_DONE : CLI_USAGE;
	}
	found = cli_find(table, "subcommand", argv[1]);
	return found ? found->run(cli, argc - 1, argv + 1) : CLI_USAGE;
}

int cli_fail(int code, const struct turnctl_error *err)
{
	fprintf(stderr, "turnctl: %s\n", err->text);
	return code == -TURNCTL_NOT_ATTACHED ? CLI_NOT_ATTACHED : CLI_FAILED;
}

void cli_parse(const struct argp *argp, const char *name, int argc, char **argv, void *input)
{
	char whole[64];

	snprintf(whole, sizeof(whole), "turnctl %s", name);
	argv[0] = whole;
	argp_err_exit_status = CLI_USAGE;
	if (argp_parse(argp, argc, argv, 0, NULL, input))
		exit(CLI_USAGE);
}

static void log_line(const char *text)
{
	fputs(text, stderr);
}

static const struct argp_option options[] = {
	{ "instance", 'i', "NAME", 0, "Work on this set of devices and channels (default: default)", 0 },
	{ "json", 'j', NULL, 0, "Print one JSON document", 0 },
	{ "pretty", 'p', NULL, 0, "Print it indented (with -j)", 0 },
	{ "verbose", 'v', NULL, 0, "Show what libxdp and the kernel's verifier say", 0 },
	{ "version", 'V', NULL, 0, "Print the version", -1 },
	{},
};

struct globals {
	struct cli cli;
	bool version;
	int next; /* index of the command's word */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct globals *globals = state->input;

	switch (key) {
	case 'i':
		if (!turnctl_instance_name_ok(arg))
			argp_error(state, "'%s' cannot name an instance: 1 to 31 letters, digits, _ "
				   "and -", arg);
		globals->cli.instance = arg;
		return 0;
	case 'j':
		globals->cli.json = true;
		return 0;
	case 'p':
		globals->cli.json = globals->cli.pretty = true;
		return 0;
	case 'v':
		globals->cli.verbose++;
		return 0;
	case 'V':
		globals->version = true;
		return 0;
	case ARGP_KEY_ARG:
		/* the command's own words are not for this parser */
		globals->next = state->next - 1;
		state->next = state->argc;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static char *help_filter(int key, const char *text, void *input __attribute__((unused)))
{
	const struct cli_command *command;
	size_t size;
	char *list;
	FILE *out;

	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	out = open_memstream(&list, &size);
	if (!out)
		return NULL;
	fputs("Commands:\n", out);
	for (command = cli_commands; command->name; command++)
		fprintf(out, "  %-12s %s\n", command->name, command->help);
	fputs("\nSee turnctl(8), or 'turnctl help COMMAND'.", out);
	fclose(out);
	return list;
}

static const struct argp argp = {
	options, parse, "COMMAND [ARGUMENT...]",
	"A kernel fast path in front of an unmodified TURN server.\v", NULL, help_filter, NULL,
};

int main(int argc, char **argv)
{
	struct globals globals = { .cli.instance = "default" };
	const struct cli_command *command;
	char status[] = "status", *none[] = { status, NULL };

	argp_err_exit_status = CLI_USAGE;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &globals))
		return CLI_USAGE;
	turnctl_log_to(globals.cli.verbose ? log_line : NULL);
	if (globals.version)
		return cli_version(&globals.cli, 1, none);
	if (!globals.next)
		return cli_status(&globals.cli, 1, none);
	command = cli_find(cli_commands, "command", argv[globals.next]);
	if (!command)
		return CLI_USAGE;
	return command->run(&globals.cli, argc - globals.next, argv + globals.next);
}
