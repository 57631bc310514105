// SPDX-License-Identifier: GPL-2.0
#include "nft_match.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "nft_field.h"

#define NO TURNCTL_NFT_NO
#define MAY TURNCTL_NFT_MAY
#define YES TURNCTL_NFT_YES
#define HIGHEST TURNCTL_NFT_HIGHEST

const char *turnctl_nft_kind(struct json_object *object, struct json_object **value)
{
	struct json_object_iterator first, end;

	*value = NULL;
	if (!json_object_is_type(object, json_type_object))
		return NULL;
	first = json_object_iter_begin(object);
	end = json_object_iter_end(object);
	if (json_object_iter_equal(&first, &end))
		return NULL;
	*value = json_object_iter_peek_value(&first);
	return json_object_iter_peek_name(&first);
}

struct json_object *turnctl_nft_keyed(struct json_object *index, const char *family,
				      const char *table, const char *name)
{
	char key[512];

	snprintf(key, sizeof(key), "%s %s %s", family, table, name);
	return json_object_object_get(index, key);
}

/* A port, a number, an address or a word as a number. False if it is none of them. */
static bool read_number(struct json_object *value, __u32 *number)
{
	struct in_addr address;
	const char *text;

	if (json_object_is_type(value, json_type_int)) {
		*number = (__u32)json_object_get_int64(value);
		return true;
	}
	if (!json_object_is_type(value, json_type_string))
		return false;
	text = json_object_get_string(value);
	if (inet_pton(AF_INET, text, &address) != 1)
		return turnctl_nft_word(text, number);
	*number = ntohl(address.s_addr);
	return true;
}

/* A number, { "range": [low, high] } or { "prefix": { "addr", "len" } }. */
static bool read_range(struct json_object *value, __u32 *low, __u32 *high)
{
	struct json_object *inner;
	const char *kind = turnctl_nft_kind(value, &inner);
	int length;

	if (!kind) {
		if (!read_number(value, low))
			return false;
		*high = *low;
		return true;
	}
	if (!strcmp(kind, "range") && json_object_is_type(inner, json_type_array))
		return read_number(json_object_array_get_idx(inner, 0), low) &&
		       read_number(json_object_array_get_idx(inner, 1), high);
	if (strcmp(kind, "prefix") || !read_number(json_object_object_get(inner, "addr"), low))
		return false;
	length = json_object_get_int(json_object_object_get(inner, "len"));
	if (length < 0 || length > 32)
		return false;
	*high = *low | (length == 32 ? 0 : HIGHEST >> length);
	return true;
}

static enum turnctl_nft_answer in_range(const struct turnctl_nft_field *field, __u32 low,
					__u32 high)
{
	int i, all = 0, some = 0;

	for (i = 0; i < field->count; i++) {
		all += low <= field->range[i].low && field->range[i].high <= high;
		some += low <= field->range[i].high && field->range[i].low <= high;
	}
	return all == field->count ? YES : some ? MAY : NO;
}

/* "eth*" stands for every name that begins so. */
static enum turnctl_nft_answer is_name(const struct turnctl_nft_field *field,
				       struct json_object *value)
{
	const char *word = json_object_get_string(value);
	int i, matches = 0;

	if (!json_object_is_type(value, json_type_string))
		return MAY;
	for (i = 0; i < field->count; i++)
		matches += !fnmatch(word, field->name[i], 0);
	return matches == field->count ? YES : matches ? MAY : NO;
}

static enum turnctl_nft_answer equals_concat(struct json_object *key, struct json_object *value,
					     const struct turnctl_nft_flow *flow,
					     const struct turnctl_nft_place *place)
{
	enum turnctl_nft_answer answer = YES;
	size_t i;

	for (i = 0; i < json_object_array_length(key); i++) {
		struct json_object *part = json_object_array_get_idx(value, i);

		if (!part)
			return MAY;
		answer = turnctl_nft_least(answer,
					   turnctl_nft_equals(json_object_array_get_idx(key, i),
							      part, flow, place));
	}
	return answer;
}

/* An element with a limit of its own is found only by the packets that the limit lets through. */
static bool is_limited(struct json_object *element)
{
	return json_object_object_get(element, "limit") ||
	       json_object_object_get(element, "quota") ||
	       json_object_object_get(element, "ct count");
}

enum turnctl_nft_answer turnctl_nft_equals(struct json_object *key, struct json_object *element,
					   const struct turnctl_nft_flow *flow,
					   const struct turnctl_nft_place *place)
{
	struct json_object *inner, *parts;
	const char *kind = turnctl_nft_kind(element, &inner);
	struct turnctl_nft_field field;
	__u32 low, high;

	if (kind && !strcmp(kind, "elem")) /* with a timeout, a counter, a comment */
		return turnctl_nft_least(
			is_limited(inner) ? MAY : YES,
			turnctl_nft_equals(key, json_object_object_get(inner, "val"), flow, place));
	kind = turnctl_nft_kind(key, &parts);
	if (kind && !strcmp(kind, "concat")) {
		kind = turnctl_nft_kind(element, &inner);
		if (!kind || strcmp(kind, "concat") ||
		    !json_object_is_type(parts, json_type_array) ||
		    !json_object_is_type(inner, json_type_array))
			return MAY;
		return equals_concat(parts, inner, flow, place);
	}
	turnctl_nft_field_read(&field, key, flow, place);
	switch (field.kind) {
	case TURNCTL_NFT_NOT_THERE:
		return NO;
	case TURNCTL_NFT_NAMES:
		return is_name(&field, element);
	case TURNCTL_NFT_NUMBERS:
		return read_range(element, &low, &high) ? in_range(&field, low, high) : MAY;
	default:
		return MAY;
	}
}

/* ---- sets, and the whole match --------------------------------------------------------------- */

struct json_object *turnctl_nft_elements(struct json_object *set,
					 const struct turnctl_nft_place *place)
{
	struct json_object *inner;
	const char *kind = turnctl_nft_kind(set, &inner);

	if (kind)
		return !strcmp(kind, "set") || !strcmp(kind, "|") ? inner : NULL;
	if (!json_object_is_type(set, json_type_string))
		return NULL;
	return json_object_object_get(turnctl_nft_keyed(place->sets, place->family, place->table,
							json_object_get_string(set)), "elem");
}

static bool is_named_set(struct json_object *right)
{
	return json_object_is_type(right, json_type_string) &&
	       json_object_get_string(right)[0] == '@';
}

/* One element is enough. A named set that is empty has no "elem" in JSON: it waits to be filled. */
static enum turnctl_nft_answer in_set(struct json_object *left, struct json_object *right,
				      const struct turnctl_nft_flow *flow,
				      const struct turnctl_nft_place *place)
{
	struct json_object *elements = json_object_is_type(right, json_type_array)
					       ? right : turnctl_nft_elements(right, place);
	enum turnctl_nft_answer best = NO, answer;
	struct turnctl_nft_field field;
	size_t i;

	turnctl_nft_field_read(&field, left, flow, place);
	if (field.kind == TURNCTL_NFT_NOT_THERE)
		return NO;
	if (!json_object_is_type(elements, json_type_array))
		return MAY;
	for (i = 0; i < json_object_array_length(elements) && best != YES; i++) {
		answer = turnctl_nft_equals(left, json_object_array_get_idx(elements, i), flow,
					    place);
		if (answer > best)
			best = answer;
	}
	return best;
}

static enum turnctl_nft_answer compare(const char *op, const struct turnctl_nft_field *field,
				       struct json_object *right)
{
	__u32 number;

	if (field->kind != TURNCTL_NFT_NUMBERS || !read_number(right, &number))
		return MAY;
	if (!strcmp(op, ">="))
		return in_range(field, number, HIGHEST);
	if (!strcmp(op, "<="))
		return in_range(field, 0, number);
	if (!strcmp(op, ">"))
		return number == HIGHEST ? NO : in_range(field, number + 1, HIGHEST);
	return number ? in_range(field, 0, number - 1) : NO;
}

enum turnctl_nft_answer turnctl_nft_match(struct json_object *match,
					  const struct turnctl_nft_flow *flow,
					  const struct turnctl_nft_place *place)
{
	struct json_object *left = json_object_object_get(match, "left"), *inner;
	struct json_object *right = json_object_object_get(match, "right");
	const char *op = json_object_get_string(json_object_object_get(match, "op"));
	struct turnctl_nft_field field;
	enum turnctl_nft_answer answer;
	const char *kind;

	if (!op || !left)
		return MAY;
	turnctl_nft_field_read(&field, left, flow, place);
	if (field.kind == TURNCTL_NFT_NOT_THERE)
		return NO;
	if (op[0] == '<' || op[0] == '>')
		return compare(op, &field, right);
	if (strcmp(op, "==") && strcmp(op, "!=") && strcmp(op, "in"))
		return MAY;
	kind = turnctl_nft_kind(right, &inner);
	if (json_object_is_type(right, json_type_array) || is_named_set(right) ||
	    (kind && (!strcmp(kind, "set") || !strcmp(kind, "|"))))
		answer = in_set(left, right, flow, place);
	else
		answer = turnctl_nft_equals(left, right, flow, place);
	if (op[0] == '!')
		return YES - answer;
	return answer;
}
