/* SPDX-License-Identifier: GPL-2.0 */
/* The tables of tests, one a file; each ends with an empty entry. */
#ifndef TEST_TESTS_H
#define TEST_TESTS_H

#include "fixture.h"

struct test {
	const char *name;
	CMUnitTestFunction function;
	bool once; /* it does not matter how the stages are installed */
};

#define TEST(function) { #function, function, false }
#define TEST_ONCE(function) { #function, function, true }

extern const struct test abuse_tests[], relay_tests[], owner_tests[], refuse_tests[],
	learn_tests[], answer_tests[], poison_tests[], lifetime_tests[], twin_tests[],
	socket_tests[], forward_tests[], taken_tests[], full_tests[], static_tests[],
	shift_tests[], sweep_tests[], pulse_tests[], echo_tests[];

#endif
