/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TEST_PURE_H
#define TEST_PURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

extern const struct CMUnitTest stun_tests[];
extern const size_t stun_test_count;

/* The same numbers at every run. */
unsigned int dice(void);

#endif
