// SPDX-License-Identifier: GPL-2.0
/* turnctl config */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "hint.h"
#include "output.h"
#include "setting.h"
#include "values.h"

struct words {
	const struct cli *cli;
	int least, most; /* how many there may be */
	int count;
	const char *word[2];
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct words *words = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (words->count == words->most)
			argp_error(state, "'%s' is a word too many", arg);
		words->word[words->count++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (words->count < words->least && words->count)
			argp_error(state, "to which value?");
		if (words->count < words->least)
			argp_error(state, "which key? %s lists them",
				   turnctl_hint(words->cli->instance, "config show").text);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* The words that name who sets it. */
static void add_setter(struct json_object *object, const struct turnctl_setting *setting)
{
	char text[64];

	snprintf(text, sizeof(text), "%s%s%s%s",
		 turnctl_setting_is_time(setting) ? "config set" : "",
		 turnctl_setting_is_time(setting) && setting->attach ? ", " : "",
		 setting->attach ? "attach --" : "", setting->attach ? setting->name : "");
	output_text(object, "set_by", text);
}

/* A row for each value. */
static void add_rows(struct json_object *rows, const struct turnctl_setting *setting,
		     const struct turn_config *config)
{
	char text[TURNCTL_SETTING_TEXT];
	struct json_object *row;
	unsigned int i;

	for (i = 0; setting->format(setting, config, i, text, sizeof(text)); i++) {
		row = json_object_new_object();
		output_text(row, "key", setting->name);
		json_object_object_add(row, "value",
				       setting->number ? json_object_new_double_s(atof(text), text)
						       : json_object_new_string(text));
		if (turnctl_setting_is_time(setting))
			output_text(row, "unit", "seconds");
		add_setter(row, setting);
		json_object_array_add(rows, row);
	}
}

/* Keys are whole words, as git's. NULL after telling the user. */
static const struct turnctl_setting *find(const char *word)
{
	const struct turnctl_setting *setting = turnctl_setting_find(word);

	if (setting)
		return setting;
	fprintf(stderr, "turnctl: the configuration has no key '%s'; it is one of:", word);
	for (setting = turnctl_settings; setting->name; setting++)
		fprintf(stderr, " %s", setting->name);
	fputc('\n', stderr);
	return NULL;
}

/* ---- show ------------------------------------------------------------------------------------ */

static int read_rows(const struct cli *cli, const struct turnctl_setting *only,
		     struct json_object *rows, struct turnctl_error *err)
{
	const struct turnctl_setting *setting;
	struct turnctl_instance instance;
	struct turn_config config;
	int code = turnctl_instance_open(&instance, cli->instance, false, err);

	if (code)
		return code;
	code = turnctl_config_read(&instance, &config, err);
	for (setting = turnctl_settings; !code && setting->name; setting++)
		if (!only || only == setting)
			add_rows(rows, setting, &config);
	turnctl_instance_close(&instance);
	return code;
}

static void print_values(struct json_object *rows)
{
	size_t i;

	for (i = 0; i < json_object_array_length(rows); i++)
		puts(json_object_get_string(json_object_object_get(
			json_object_array_get_idx(rows, i), "value")));
}

static const struct argp show_argp = { NULL, parse, "[KEY]",
				       "All settings, or the value of one.", NULL, NULL, NULL };

static int config_show(struct cli *cli, int argc, char **argv)
{
	static const struct output_column columns[] = {
		{ "key", "KEY" }, { "value", "VALUE" }, { "unit", "UNIT" },
		{ "set_by", "SET BY" }, {},
	};
	struct json_object *document, *rows;
	const struct turnctl_setting *only = NULL;
	struct words words = { .cli = cli, .most = 1 };
	struct turnctl_error err;
	int code;

	cli_parse(cli, &show_argp, "config show", argc, argv, &words);
	if (words.count) {
		only = find(words.word[0]);
		if (!only)
			return CLI_USAGE;
	}
	document = output_document();
	rows = json_object_new_array();
	json_object_object_add(document, "config", rows);
	code = read_rows(cli, only, rows, &err);
	if (!code && cli->json) {
		output_json(cli, document);
		return CLI_DONE;
	}
	if (!code && only)
		print_values(rows);
	else if (!code)
		output_table(rows, columns);
	json_object_put(document);
	return code ? cli_fail(code, &err) : CLI_DONE;
}

/* ---- set ------------------------------------------------------------------------------------- */

/* "60s", "100ms" */
static const char *duration(unsigned int ms, char *buf, size_t size)
{
	snprintf(buf, size, ms % 1000 ? "%ums" : "%us", ms % 1000 ? ms : ms / 1000);
	return buf;
}

/* What one may set, below the options. */
static char *set_help(int key, const char *text, void *input __attribute__((unused)))
{
	const struct turnctl_setting *setting;
	char least[32], most[32], *list;
	size_t size;
	FILE *out;

	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	out = open_memstream(&list, &size);
	if (!out)
		return NULL;
	fputs("Keys, the times that they take, and what for:\n", out);
	for (setting = turnctl_settings; setting->name; setting++)
		if (turnctl_setting_is_time(setting))
			fprintf(out, "  %-20s %5s to %-6s  %s\n", setting->name,
				duration(setting->least, least, sizeof(least)),
				duration(setting->most, most, sizeof(most)), setting->help);
	fputs("\nSee turnctl-config(8).", out);
	fclose(out);
	return list;
}

static const struct argp set_argp = { NULL, parse, "KEY VALUE",
				      "Change a setting of an instance at work.\v-", NULL, set_help,
				      NULL };

static int config_set(struct cli *cli, int argc, char **argv)
{
	const struct turnctl_setting *setting;
	struct words words = { .cli = cli, .least = 2, .most = 2 };
	struct turnctl_error err;
	char least[32], most[32];
	unsigned int ms;
	int code;

	cli_parse(cli, &set_argp, "config set", argc, argv, &words);
	setting = find(words.word[0]);
	if (!setting)
		return CLI_USAGE;
	if (!turnctl_setting_is_time(setting)) {
		fprintf(stderr, "turnctl: %s cannot be changed here; %s sets it, see "
			"turnctl-attach(8)\n", setting->name,
			turnctl_hint(cli->instance, "attach DEV --%s", setting->name).text);
		return CLI_USAGE;
	}
	if (values_duration_parse(words.word[1], &ms) || !turnctl_setting_fits(setting, ms)) {
		fprintf(stderr, "turnctl: %s '%s' is not a time from %s to %s%s\n", setting->name,
			words.word[1], duration(setting->least, least, sizeof(least)),
			duration(setting->most, most, sizeof(most)),
			setting->step ? " in whole seconds" : "");
		return CLI_USAGE;
	}
	code = turnctl_setting_change(cli->instance, setting, ms, &err);
	return code ? cli_fail(code, &err) : CLI_DONE;
}

static const struct cli_command subcommands[] = {
	{ "show", config_show, "all settings, or one" },
	{ "set", config_set, "change one" },
	{ NULL, NULL, NULL },
};

int cli_config(struct cli *cli, int argc, char **argv)
{
	return cli_dispatch(cli, subcommands, "config", argc, argv);
}
