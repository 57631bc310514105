// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz_prog - drives the loaded kernel programs with mutated packets, and checks what they promise
 * on every one: what is not relayed is passed as it came; what is relayed was sanctioned, proven
 * and rewritten exactly; the server's packets are never changed; everything is counted.
 *
 * usage: fuzz_prog [--seed S] [--runs N] [--seconds T] [--out DIR]
 *        fuzz_prog --replay FILE...
 *
 * As root, in a network namespace of its own. The same seed tries the same packets. A find is cut
 * down to the steps that it takes, and written to DIR (.) as a file for --replay. The last line is
 * "inputs<TAB>fuzz_prog<TAB>COUNT<TAB>what of"; exit code 1: something was found.
 */
#include "fuzz.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WORLD 1500     /* steps */
#define CUT_SECONDS 60 /* that cutting a find down may take */

static struct tally tally;
static struct world world;

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* ---- finds ----------------------------------------------------------------------------------- */

/* @from without @count steps from @at on. */
static void without(struct steps *to, const struct steps *from, size_t at, size_t count)
{
	size_t i;

	to->count = 0;
	for (i = 0; i < from->count; i++)
		if (i < at || i >= at + count)
			*steps_add(to, from->step[i].kind) = from->step[i];
}

/* Do two texts say the same, but for numbers? */
static bool same_trouble(const char *a, const char *b)
{
	size_t words = strcspn(a, "0123456789");

	return strcspn(b, "0123456789") == words && !strncmp(a, b, words);
}

/* Leaves out all that can be left out, half of it first, while the trouble stays the same. */
static void cut_down(struct steps *s, const char *trouble)
{
	static struct steps less;
	double until = seconds() + CUT_SECONDS;
	struct tally ignored = {};
	struct steps swap;
	size_t chunk, at;

	for (chunk = (s->count + 1) / 2; chunk; chunk = chunk == 1 ? 0 : (chunk + 1) / 2) {
		for (at = 0; at < s->count && seconds() < until;) {
			without(&less, s, at, chunk);
			if (less.count && !world_replay(&world, &ignored, &less) &&
			    same_trouble(world.trouble, trouble)) {
				swap = *s;
				*s = less;
				less = swap;
			} else {
				at += chunk;
			}
		}
	}
}

static void report(struct steps *s, const char *dir, unsigned long long seed,
		   unsigned long long inputs)
{
	struct tally ignored = {};
	char path[4096], first[512];

	snprintf(first, sizeof(first), "%s", world.trouble);
	printf("found after %llu inputs: %s\n", inputs, first);
	fflush(stdout);
	if (world_replay(&world, &ignored, s)) {
		printf("which does not happen again when the same steps are run\n");
		snprintf(path, sizeof(path), "%s/fuzz_prog-%llx.flaky.steps", dir, seed);
	} else {
		cut_down(s, first);
		world_replay(&world, &ignored, s);
		snprintf(first, sizeof(first), "%s", world.trouble ? world.trouble : "(flaky)");
		snprintf(path, sizeof(path), "%s/fuzz_prog-%llx.steps", dir, seed);
	}
	if (steps_write(s, path, first))
		printf("cannot write %s\n", path);
	else
		printf("%zu steps, written to %s: %s\n", s->count, path, first);
}

/* ---- running --------------------------------------------------------------------------------- */

#define TURN_NAME(name, word, text) word,
static const char *const reason_names[] = { TURN_REASONS(TURN_NAME) };
static const char *const event_names[] = { TURN_EVENTS(TURN_NAME) };
#undef TURN_NAME

static void print_counts(const char *title, const char *const *names, size_t count,
			 const unsigned long long *counts)
{
	size_t i;

	printf("%s:", title);
	for (i = 0; i < count; i++)
		printf(" %s %llu", names[i], counts[i]);
	printf("\n");
}

static void print_tally(double took)
{
	unsigned long long inputs = tally.frames + tally.sent;

	printf("%llu worlds, %llu of them too old to check all of their tables\n", tally.worlds,
	       tally.old);
	printf("arrived: %llu relayed, %llu past a deadline, %llu left to the server, %llu no flow's\n",
	       tally.relayed, tally.heartbeats, tally.left, tally.strangers);
	print_counts("passed, by reason", reason_names, COUNT(reason_names), tally.reasons);
	print_counts("events", event_names, COUNT(event_names), tally.events);
	printf("%.1f s, %.0f inputs a second\n", took, inputs / took);
	printf("inputs\tfuzz_prog\t%llu\tpackets, %llu of them relayed, %llu by the server\n", inputs,
	       tally.relayed, tally.sent);
}

static int fuzz(unsigned long long seed, unsigned long long runs, double limit, const char *dir)
{
	static struct steps steps;
	double began = seconds();
	unsigned long long number = 0;
	struct dice dice;

	printf("seed %llu\n", seed);
	fflush(stdout);
	while (tally.frames + tally.sent < runs && (!limit || seconds() - began < limit)) {
		dice.state = seed * 0x2545f4914f6cdd1dull + number++;
		world_begin(&world, &tally);
		if (!world_invent(&world, &dice, WORLD, &steps)) {
			report(&steps, dir, seed, tally.frames + tally.sent);
			return 1;
		}
	}
	print_tally(seconds() - began);
	return 0;
}

static int replay(char **paths)
{
	struct steps steps = {};
	int bad = 0, err;

	for (; *paths; paths++) {
		err = steps_read(&steps, *paths);
		if (err) {
			fprintf(stderr, "fuzz_prog: %s: %s\n", *paths, strerror(-err));
			return 2;
		}
		if (world_replay(&world, &tally, &steps)) {
			printf("ok\t%s\n", *paths);
		} else {
			printf("FAILED\t%s: %s\n", *paths, world.trouble);
			bad = 1;
		}
	}
	printf("inputs\tfuzz_prog, found before\t%llu\tpackets\n", tally.frames + tally.sent);
	return bad;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "runs", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 't' },
		{ "out", required_argument, NULL, 'o' },
		{ "replay", no_argument, NULL, 'r' },
		{},
	};
	unsigned long long seed = time(NULL), runs = ~0ull;
	bool replays = false;
	const char *dir = ".";
	double limit = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			runs = strtoull(optarg, NULL, 0);
			break;
		case 't':
			limit = strtod(optarg, NULL);
			break;
		case 'o':
			dir = optarg;
			break;
		case 'r':
			replays = true;
			break;
		default:
			return 2;
		}
	}
	if (geteuid()) {
		fprintf(stderr, "fuzz_prog: must run as root\n");
		return 2;
	}
	if (replays == (optind == argc)) {
		fprintf(stderr, "fuzz_prog: --replay wants files, and nothing else does\n");
		return 2;
	}
	fixture_world();
	return replays ? replay(argv + optind) : fuzz(seed, runs, limit, dir);
}
