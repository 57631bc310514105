// SPDX-License-Identifier: GPL-2.0
#include "nft_rules.h"

#include <stdio.h>
#include <string.h>

#include "nft_field.h"

#define NO TURNCTL_NFT_NO
#define MAY TURNCTL_NFT_MAY
#define YES TURNCTL_NFT_YES
#define DEPTH 16 /* of jumps, as in the kernel */

/* What is known of a packet in the course of one rule. */
struct course {
	struct json_object *rule;
	const char *chain;
	enum turnctl_nft_answer reaches; /* its statements so far */
	enum turnctl_nft_answer met;     /* and one that does something */
	unsigned int effects;
	bool limited;  /* what follows is for some packets only */
	bool verdict, tracked;
	bool ends; /* no packet goes on behind this rule */
	bool returns;
	int depth;
};

const char *turnctl_nft_text(struct json_object *object, const char *key)
{
	const char *value = json_object_get_string(json_object_object_get(object, key));

	return value ? value : "";
}

void turnctl_nft_meet(struct turnctl_nft_walk *walk, const char *chain, long handle,
		      unsigned int effects, enum turnctl_nft_answer answer)
{
	struct turnctl_nft_meeting *m;
	int i;

	for (i = 0; i < walk->count; i++) {
		m = &walk->list[i];
		if (m->handle == handle && !strcmp(m->chain, chain) &&
		    !strcmp(m->table, walk->place.table) &&
		    !strcmp(m->family, walk->place.family))
			break;
	}
	if (i == walk->room) {
		walk->more = true;
		return;
	}
	m = &walk->list[i];
	if (i == walk->count) {
		walk->count++;
		*m = (struct turnctl_nft_meeting){ .family = walk->place.family,
						   .table = walk->place.table, .chain = chain,
						   .handle = handle };
	}
	m->effects |= effects;
	m->ways |= 1U << walk->flow->way;
	m->surely |= answer == YES;
}

/* ---- one rule -------------------------------------------------------------------------------- */

/* Does { "stmt": [...] } limit what goes on? A set or map may have it, and a statement that adds to
 * it: the kernel takes it for each element. */
static bool limits(struct json_object *set)
{
	struct json_object *list = json_object_object_get(set, "stmt"), *value;
	bool limited = false;
	size_t i;

	for (i = 0; json_object_is_type(list, json_type_array) &&
		    i < json_object_array_length(list); i++) {
		const char *word = turnctl_nft_kind(json_object_array_get_idx(list, i), &value);

		limited |= word && turnctl_nft_statement(word)->effect == TURNCTL_NFT_LIMITS;
	}
	return limited;
}

/* { "set": "@NAME", "stmt": [...] }, or "map" */
static bool adds_within_limits(const struct turnctl_nft_walk *walk, const char *word,
			       struct json_object *value)
{
	if (strcmp(word, "set") && strcmp(word, "map"))
		return false;
	return limits(value) || limits(turnctl_nft_keyed(walk->place.sets, walk->place.family,
							 walk->place.table,
							 turnctl_nft_text(value, word)));
}

/* A verdict or statement for those packets that come to it. */
static void act(struct turnctl_nft_walk *walk, struct course *course, const char *word,
		struct json_object *value, enum turnctl_nft_answer reaches)
{
	const struct turnctl_nft_statement *statement;
	bool surely = reaches == YES && !course->limited;
	bool jumps = !strcmp(word, "jump"), goes = !strcmp(word, "goto");

	if (reaches > course->met)
		course->met = reaches;
	if (jumps || goes) {
		bool ends = turnctl_nft_walk(walk, turnctl_nft_text(value, "target"),
					     surely ? YES : MAY, course->depth + 1);

		course->verdict = true;
		course->ends |= surely && ends;
		course->returns |= surely && goes;
		return;
	}
	statement = turnctl_nft_statement(word);
	course->effects |= statement->effect;
	if (adds_within_limits(walk, word, value))
		course->effects |= TURNCTL_NFT_LIMITS;
	course->limited |= course->effects & (TURNCTL_NFT_LIMITS | TURNCTL_NFT_OTHERWISE);
	course->verdict |= statement->then != TURNCTL_NFT_GOES_ON;
	walk->accepted |= statement->then == TURNCTL_NFT_ACCEPTS;
	course->ends |= surely && (statement->then == TURNCTL_NFT_ACCEPTS ||
				   statement->then == TURNCTL_NFT_TAKES);
	course->returns |= surely && statement->then == TURNCTL_NFT_RETURNS;
}

/* { "key", "data" }: a verdict for each element of a map. */
static void act_by_map(struct turnctl_nft_walk *walk, struct course *course,
		       struct json_object *vmap)
{
	struct json_object *elements, *pair, *value, *key = json_object_object_get(vmap, "key");
	enum turnctl_nft_answer reaches;
	const char *word;
	size_t i;

	elements = turnctl_nft_elements(json_object_object_get(vmap, "data"), &walk->place);
	if (!json_object_is_type(elements, json_type_array))
		return; /* an empty map */
	for (i = 0; i < json_object_array_length(elements); i++) {
		pair = json_object_array_get_idx(elements, i);
		if (!json_object_is_type(pair, json_type_array))
			continue;
		reaches = turnctl_nft_equals(key, json_object_array_get_idx(pair, 0), walk->flow,
					     &walk->place);
		reaches = turnctl_nft_least(reaches, course->reaches);
		word = turnctl_nft_kind(json_object_array_get_idx(pair, 1), &value);
		if (reaches != NO && word)
			act(walk, course, word, value, reaches);
	}
}

/* A match or target that only iptables knows. Of the matches, its name is all that is told. */
static void act_as_iptables(struct turnctl_nft_walk *walk, struct course *course,
			    struct json_object *xt)
{
	const char *name = turnctl_nft_text(xt, "name");

	if (!strcmp(turnctl_nft_text(xt, "type"), "target"))
		act(walk, course, name, NULL, course->reaches);
	else if (strcmp(name, "comment"))
		course->reaches = turnctl_nft_least(course->reaches, MAY);
}

static bool asks_tracking(struct json_object *key)
{
	struct json_object *inner;
	const char *kind = turnctl_nft_kind(key, &inner);

	return kind && !strcmp(kind, "ct");
}

/* Does the statement end the rule for what is not TCP, or not IPv6? The match by which it does is
 * the kernel's, or one that nft adds and leaves out of its JSON. */
static bool is_for_others(const struct turnctl_nft_walk *walk, const char *word,
			  struct json_object *value)
{
	struct json_object *key = json_object_object_get(value, "key"), *inner;
	const char *kind = turnctl_nft_kind(key, &inner), *type = turnctl_nft_text(value, "type");
	struct turnctl_nft_field field;

	if (!strcmp(word, "synproxy") || !strcmp(word, "reset")) /* an option of TCP */
		return true;
	if (!strcmp(word, "reject"))
		return !strcmp(type, "icmpv6") || !strcmp(type, "tcp reset");
	if (strcmp(word, "mangle")) /* snat, dnat, tproxy, fwd */
		return !strcmp(turnctl_nft_text(value, "family"), "ip6");
	turnctl_nft_field_read(&field, key, walk->flow, &walk->place);
	return field.kind == TURNCTL_NFT_NOT_THERE || (kind && !strcmp(kind, "tcp option"));
}

/* False if the packet goes no further in this rule. */
static bool step(struct turnctl_nft_walk *walk, struct course *course,
		 struct json_object *statement)
{
	struct json_object *value;
	const char *word = turnctl_nft_kind(statement, &value);

	if (!word) {
		course->reaches = turnctl_nft_least(course->reaches, MAY);
	} else if (!strcmp(word, "match")) {
		course->tracked |= asks_tracking(json_object_object_get(value, "left"));
		course->reaches = turnctl_nft_least(course->reaches,
						    turnctl_nft_match(value, walk->flow,
								      &walk->place));
	} else if (!strcmp(word, "vmap")) {
		course->tracked |= asks_tracking(json_object_object_get(value, "key"));
		act_by_map(walk, course, value);
	} else if (!strcmp(word, "xt")) {
		act_as_iptables(walk, course, value);
	} else if (is_for_others(walk, word, value)) {
		course->reaches = NO;
	} else {
		act(walk, course, word, value, course->reaches);
	}
	return course->reaches != NO;
}

static void take_rule(struct turnctl_nft_walk *walk, struct course *course)
{
	struct json_object *expr = json_object_object_get(course->rule, "expr");
	size_t i, count;

	count = json_object_is_type(expr, json_type_array) ? json_object_array_length(expr) : 0;
	for (i = 0; i < count && step(walk, course, json_object_array_get_idx(expr, i)); i++)
		;
	if (walk->iptables && (course->verdict || course->effects != TURNCTL_NFT_COUNTS))
		course->effects &= ~TURNCTL_NFT_COUNTS;
	if (!course->effects && course->tracked && course->verdict)
		course->effects = TURNCTL_NFT_TRACKS;
	if (course->met != NO && course->effects)
		turnctl_nft_meet(walk, course->chain,
				 json_object_get_int64(json_object_object_get(course->rule,
									      "handle")),
				 course->effects, course->met);
}

/* ---- chains ---------------------------------------------------------------------------------- */

/* Do all packets that come to this chain surely end in it? Each is walked once for a flow, and once
 * more if it was only perhaps before: chains that jump to the same ones would take for ever. */
bool turnctl_nft_walk(struct turnctl_nft_walk *walk, const char *chain,
		      enum turnctl_nft_answer reach, int depth)
{
	struct json_object *rules = turnctl_nft_keyed(walk->rules, walk->place.family,
						      walk->place.table, chain);
	struct json_object *known;
	bool ends = false;
	char key[256];
	size_t i;

	snprintf(key, sizeof(key), "%d %s", reach, chain);
	if (json_object_object_get_ex(walk->done, key, &known))
		return json_object_get_boolean(known);
	json_object_object_add(walk->done, key, json_object_new_boolean(false));
	for (i = 0; rules && i < json_object_array_length(rules) && depth <= DEPTH; i++) {
		struct course course = { .rule = json_object_array_get_idx(rules, i),
					 .chain = chain, .reaches = reach, .depth = depth };

		take_rule(walk, &course);
		ends = course.ends;
		if (course.ends || course.returns)
			break;
	}
	json_object_object_add(walk->done, key, json_object_new_boolean(ends));
	return ends;
}
