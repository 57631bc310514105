// SPDX-License-Identifier: GPL-2.0
/* Changes to STUN messages: attributes doubled, moved, left out, put in; other kinds of message. */
#include "mutate.h"

#include <string.h>

/* Offsets of the attributes; how many there are. */
static unsigned int attributes(const struct frame *f, unsigned int *at, unsigned int most)
{
	unsigned int pos = AT_PAYLOAD + 20, n = 0;

	while (n < most && pos + 4 <= f->len) {
		at[n++] = pos;
		pos += 4 + (get16(f->data + pos + 2) + 3) / 4 * 4;
	}
	at[n] = pos < f->len ? pos : f->len;
	return n;
}

static void insert(struct frame *f, unsigned int at, const __u8 *bytes, unsigned int len)
{
	if (at > f->len || f->len + len > LONGEST)
		return;
	memmove(f->data + at + len, f->data + at, f->len - at);
	memcpy(f->data + at, bytes, len);
	f->len += len;
}

static void insert_attribute(struct dice *d, struct frame *f, unsigned int at)
{
	static const unsigned int types[] = { 0x0008, 0x0009, 0x000c, 0x000d, 0x0012, 0x0016, 0x0017,
					      0x0019, 0x001c, 0x8028, 0x8022, 0x0006, 0x7fff };
	static const unsigned int lengths[] = { 0, 1, 4, 4, 4, 8, 8, 20, 20, 21 };
	struct message m;
	__u8 value[24];
	unsigned int i, type = ROLL_OF(d, types);

	for (i = 0; i < sizeof(value); i++)
		value[i] = roll(d, 256);
	stun_begin(&m, 0, 0);
	if (f->len >= AT_PAYLOAD + 20)
		memcpy(m.data, f->data + AT_PAYLOAD, 20);
	if (type == A_PEER && !one_in(d, 4))
		stun_add_address(&m, A_PEER, one_in(d, 2) ? PEER : PEER2);
	else
		stun_add(&m, type, value, ROLL_OF(d, lengths));
	insert(f, at, m.data + 20, m.len - 20);
}

void change_stun(struct dice *d, struct frame *f)
{
	static const unsigned int kinds[] = { 0x001, 0x003, 0x004, 0x008, 0x009, 0x103, 0x104, 0x108,
					      0x109, 0x113, 0x114, 0x118, 0x119, 0x016, 0x017 };
	unsigned int at[41], n, one, len;
	__u8 copy[LONGEST];
	__u8 *b = f->data + AT_PAYLOAD;

	if (f->len < AT_PAYLOAD + 20)
		return;
	n = attributes(f, at, 40);
	one = n ? roll(d, n) : 0;
	len = n ? at[one + 1] - at[one] : 0;
	memcpy(copy, f->data + at[one], len);
	switch (roll(d, 9)) {
	case 0: /* once more, somewhere */
		insert(f, at[roll(d, n + 1)], copy, len);
		break;
	case 1: /* elsewhere */
	case 2: /* gone */
		memmove(f->data + at[one], f->data + at[one] + len, f->len - at[one] - len);
		f->len -= len;
		if (roll(d, 2))
			insert(f, at[roll(d, one + 1)], copy, len);
		break;
	case 3:
		insert_attribute(d, f, at[roll(d, n + 1)]);
		break;
	case 4: /* at the end, where it is not signed */
		insert_attribute(d, f, f->len);
		break;
	case 5:
		if (n)
			put16(f->data + at[one] + 2 * roll(d, 2),
			      a_word(d, get16(f->data + at[one] + 2)));
		break;
	case 6:
		put16(b, ROLL_OF(d, kinds));
		break;
	case 7:
		put16(b + 2, a_word(d, get16(b + 2)));
		break;
	default: /* cookie, transaction */
		b[4 + roll(d, 16)] ^= 1 << roll(d, 8);
	}
}
