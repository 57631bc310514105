// SPDX-License-Identifier: GPL-2.0
/*
 * Program tests: every kernel program, run by BPF_PROG_TEST_RUN and live, against tables of
 * packets. As root; in a network namespace of its own, so that the host sees nothing of it.
 *
 * usage: test_prog [PATTERN]      only the tests whose name matches (* and ?)
 *
 * TAP with CMOCKA_MESSAGE_OUTPUT=TAP. Most tests run twice: NAME against the chained stages,
 * NAME_fused against the fused program.
 */
#include "tests.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct test *const tables[] = {
	relay_tests, owner_tests, refuse_tests, learn_tests, answer_tests, poison_tests,
	lifetime_tests, twin_tests, pulse_tests, socket_tests, echo_tests, forward_tests, taken_tests,
	full_tests, abuse_tests, static_tests, shift_tests, sweep_tests,
};

static struct CMUnitTest tests[512];
static size_t count;

static void add(const struct test *test, bool fused)
{
	static char is_fused;
	char *name = NULL;

	if (count == COUNT(tests) || asprintf(&name, "%s%s", test->name, fused ? "_fused" : "") < 0)
		exit(99);
	tests[count++] = (struct CMUnitTest){ .name = name, .test_func = test->function,
					      .setup_func = fixture_begin,
					      .initial_state = fused ? &is_fused : NULL };
}

/* On one CPU, as the packets of a flow are: what a stage notes for the next is kept per CPU. */
static void stay_here(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	if (sched_setaffinity(0, sizeof(here), &here))
		exit(99);
}

int main(int argc, char **argv)
{
	const struct test *test;
	size_t i;

	if (geteuid()) {
		printf("1..0 # SKIP be root\n");
		return 77;
	}
	for (i = 0; i < COUNT(tables); i++) {
		for (test = tables[i]; test->name; test++) {
			add(test, false);
			if (!test->once)
				add(test, true);
		}
	}
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	stay_here();
	fixture_world();
	return _cmocka_run_group_tests("prog", tests, count, NULL, NULL);
}
