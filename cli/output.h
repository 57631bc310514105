/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One walk of the data builds a JSON document; with -j it is printed as it is, without it tables
 * are drawn from its arrays. So the two can never say different things.
 */
#ifndef TURNCTL_OUTPUT_H
#define TURNCTL_OUTPUT_H

#include <json-c/json.h>

#include "cli.h"

#define OUTPUT_SCHEMA 1 /* raised when a key changes its meaning or goes; new keys may come */

struct output_column {
	const char *key;     /* of the row's object; "a.b" reaches into an object */
	const char *heading;
};

/* A new document with its schema number. */
struct json_object *output_document(void);

/* Prints the document on one line, or indented with -p, and frees it. */
void output_json(const struct cli *cli, struct json_object *document);

/* Draws an array of objects; columns end with a NULL key. Numbers stand to the right. */
void output_table(struct json_object *rows, const struct output_column *columns);

/* Adds a value to an object. */
void output_text(struct json_object *object, const char *key, const char *value);
void output_number(struct json_object *object, const char *key, unsigned long long value);
void output_bool(struct json_object *object, const char *key, bool value);

#endif
