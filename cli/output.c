// SPDX-License-Identifier: GPL-2.0
#include "output.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS 16

struct json_object *output_document(void)
{
	struct json_object *document = json_object_new_object();

	output_number(document, "schema", OUTPUT_SCHEMA);
	return document;
}

void output_json(const struct cli *cli, struct json_object *document)
{
	int flags = JSON_C_TO_STRING_NOSLASHESCAPE;

	flags |= cli->pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED
			     : JSON_C_TO_STRING_PLAIN;
	puts(json_object_to_json_string_ext(document, flags));
	json_object_put(document);
}

void output_text(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, json_object_new_string(value));
}

void output_number(struct json_object *object, const char *key, unsigned long long value)
{
	json_object_object_add(object, key, json_object_new_int64(value));
}

void output_bool(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

/* The value under a key such as "to_peer.packets", or NULL. */
static struct json_object *reach(struct json_object *row, const char *key)
{
	const char *dot = strchr(key, '.');
	char first[64];

	if (dot && (size_t)(dot - key) < sizeof(first)) {
		snprintf(first, sizeof(first), "%.*s", (int)(dot - key), key);
		row = json_object_object_get(row, first);
		return row ? reach(row, dot + 1) : NULL;
	}
	return json_object_object_get(row, key);
}

static const char *cell(struct json_object *row, const char *key)
{
	struct json_object *value = reach(row, key);

	if (!value)
		return "-";
	if (json_object_is_type(value, json_type_boolean))
		return json_object_get_boolean(value) ? "yes" : "no";
	return json_object_get_string(value);
}

void output_table(struct json_object *rows, const struct output_column *columns)
{
	size_t count = json_object_array_length(rows), i, width[COLUMNS] = {};
	bool number[COLUMNS] = {};
	int c;

	for (c = 0; columns[c].key && c < COLUMNS; c++) {
		width[c] = strlen(columns[c].heading);
		for (i = 0; i < count; i++) {
			struct json_object *row = json_object_array_get_idx(rows, i);
			struct json_object *value = reach(row, columns[c].key);
			size_t length = strlen(cell(row, columns[c].key));

			if (length > width[c])
				width[c] = length;
			if (value && json_object_is_type(value, json_type_int))
				number[c] = true;
		}
	}
	for (i = 0; i <= count; i++) {
		for (c = 0; columns[c].key && c < COLUMNS; c++) {
			const char *text = i ? cell(json_object_array_get_idx(rows, i - 1),
						    columns[c].key)
					     : columns[c].heading;
			bool last = !columns[c + 1].key;

			if (number[c])
				printf("%*s%s", (int)width[c], text, last ? "" : "  ");
			else
				printf("%-*s%s", last ? 0 : (int)width[c], text, last ? "" : "  ");
		}
		putchar('\n');
	}
}
