/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FUZZ_MUTATE_H
#define FUZZ_MUTATE_H

#include "fuzz.h"

#define LONGEST 1600
#define SHORTEST 14 /* BPF_PROG_TEST_RUN takes no less */

#define ROLL_OF(d, array) ((array)[roll(d, COUNT(array))])

/* A value for a 16-bit field that is @was now: an edge, anything, or nearly the same. */
unsigned int a_word(struct dice *d, unsigned int was);

/* Changes the STUN message in @f, if there is room for one. */
void change_stun(struct dice *d, struct frame *f);

#endif
