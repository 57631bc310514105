// SPDX-License-Identifier: GPL-2.0
/*
 * Changes to frames: of bits and bytes, and of fields whose meaning is known. Most are followed by
 * making lengths and checksums right again, so that what is behind those checks is reached too.
 */
#include "mutate.h"

#include <string.h>

/* splitmix64 */
__u32 roll(struct dice *d, __u32 below)
{
	__u64 z = d->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (z ^ z >> 31) % below;
}

unsigned int a_word(struct dice *d, unsigned int was)
{
	static const unsigned int edges[] = { 0, 1, 3, 4, 7, 8, 0x3fff, 0x4000, 0x7fff, 0x8000,
					      0xfffe, 0xffff };

	if (one_in(d, 3))
		return ROLL_OF(d, edges);
	if (one_in(d, 4))
		return roll(d, 65536);
	return was + roll(d, 17) - 8;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void flip_bit(struct dice *d, struct frame *f)
{
	f->data[roll(d, f->len)] ^= 1 << roll(d, 8);
}

static void set_byte(struct dice *d, struct frame *f)
{
	f->data[roll(d, f->len)] = one_in(d, 3) ? 0xff * roll(d, 2) : roll(d, 256);
}

static void truncate_it(struct dice *d, struct frame *f)
{
	unsigned int cut = one_in(d, 2) ? 1 + roll(d, 8) : roll(d, f->len);

	f->len = f->len > SHORTEST + cut ? f->len - cut : SHORTEST;
}

static void extend(struct dice *d, struct frame *f)
{
	unsigned int more = one_in(d, 4) ? roll(d, 300) : 1 + roll(d, 8);
	bool zeros = one_in(d, 2);

	if (f->len < 60 && one_in(d, 3)) { /* as a NIC does */
		more = 60 - f->len;
		zeros = true;
	}
	for (; more && f->len < LONGEST; more--)
		f->data[f->len++] = zeros ? 0 : roll(d, 256);
}

static void splice(struct dice *d, struct frame *f, const struct frame *other)
{
	unsigned int at = roll(d, f->len), from = roll(d, other->len);
	unsigned int len = other->len - from;

	if (one_in(d, 2))
		from = at < other->len ? at : from, len = other->len - from;
	if (len > LONGEST - at)
		len = LONGEST - at;
	memcpy(f->data + at, other->data + from, len);
	f->len = at + len < SHORTEST ? SHORTEST : at + len;
}

/* ---- headers --------------------------------------------------------------------------------- */

static void change_link(struct dice *d, struct frame *f)
{
	static const unsigned int types[] = { 0x0806, 0x8100, 0x88a8, 0x86dd, 0x0001, 0x4000, 0x0801 };

	switch (roll(d, 4)) {
	case 0:
		f->data[roll(d, 6)] ^= 1 << roll(d, 8);
		break;
	case 1:
		put16(f->data + AT_ETHERTYPE, ROLL_OF(d, types));
		break;
	case 2: /* a VLAN tag */
		if (f->len + 4 > LONGEST)
			return;
		memmove(f->data + 16, f->data + 12, f->len - 12);
		put16(f->data + 12, 0x8100);
		put16(f->data + 14, roll(d, 4096));
		f->len += 4;
		break;
	default:
		memset(f->data, 0xff, 6);
	}
}

static void change_ip(struct dice *d, struct frame *f)
{
	static const __u8 ttls[] = { 0, 1, 2, 255 }, protocols[] = { 0, 1, 6, 17, 41, 136 };
	static const unsigned int fragments[] = { 0, 0x2000, 0x4000, 0x8000, 0x0001, 0x1fff,
						  0x2001, 0x6000 };
	__u8 *b = f->data;

	switch (roll(d, 8)) {
	case 0:
		b[AT_IP] = one_in(d, 2) ? 0x46 + roll(d, 10) : roll(d, 256);
		break;
	case 1:
		put16(b + AT_FRAGMENT, ROLL_OF(d, fragments));
		break;
	case 2:
		b[AT_TTL] = ROLL_OF(d, ttls);
		break;
	case 3:
		b[AT_PROTOCOL] = ROLL_OF(d, protocols);
		break;
	case 4:
		b[AT_TOS] = roll(d, 256);
		break;
	case 5:
		put16(b + AT_IP_LENGTH, a_word(d, get16(b + AT_IP_LENGTH)));
		break;
	case 6:
		b[(one_in(d, 2) ? AT_SOURCE : AT_DESTINATION) + roll(d, 4)] ^= 1 << roll(d, 8);
		break;
	default:
		put16(b + AT_IP_CHECK, a_word(d, get16(b + AT_IP_CHECK)));
	}
}

static void change_udp(struct dice *d, struct frame *f)
{
	static const unsigned int ports[] = { 3478, 50000, 50001, 40000, 40001, 6000, 6001, 0 };
	unsigned int port = one_in(d, 2) ? AT_UDP : AT_UDP + 2;
	__u8 *b = f->data;

	switch (roll(d, 5)) {
	case 0:
		put16(b + port, ROLL_OF(d, ports));
		break;
	case 1:
		put16(b + port, a_word(d, get16(b + port)));
		break;
	case 2:
		put16(b + AT_UDP_LENGTH, a_word(d, get16(b + AT_UDP_LENGTH)));
		break;
	case 3: /* what is checksum-partial */
		put16(b + AT_UDP_CHECK, ref_pseudo(b));
		break;
	default:
		put16(b + AT_UDP_CHECK, a_word(d, 0));
	}
}

static void change_channel(struct dice *d, struct frame *f)
{
	static const unsigned int numbers[] = { 0x3fff, 0x4000, 0x4001, 0x4002, 0x7fff, 0x8000 };
	__u8 *b = f->data + AT_PAYLOAD;

	if (f->len < AT_PAYLOAD + 4)
		return;
	if (one_in(d, 3))
		put16(b, ROLL_OF(d, numbers));
	else
		put16(b + 2, a_word(d, get16(b + 2)));
}

/* ---- a mutant -------------------------------------------------------------------------------- */

static bool looks_like_stun(const struct frame *f)
{
	return f->len >= AT_PAYLOAD + 20 && f->data[AT_PAYLOAD] < 0x40;
}

static void repair(struct dice *d, struct frame *f)
{
	bool lengths = one_in(d, 2), stun = looks_like_stun(f) && !one_in(d, 4);
	__u8 *b = f->data;

	if (f->len < AT_PAYLOAD)
		return;
	if (stun)
		put16(b + AT_PAYLOAD + 2, f->len - AT_PAYLOAD - 20);
	if (lengths || stun) {
		put16(b + AT_IP_LENGTH, f->len - 14);
		put16(b + AT_UDP_LENGTH, f->len - 34);
	}
	if (!one_in(d, 8))
		frame_fix_ip(f);
	if (get16(b + AT_UDP_LENGTH) <= f->len - 34 && !one_in(d, 3))
		frame_fix_udp(f);
	else if (one_in(d, 3))
		put16(b + AT_UDP_CHECK, 0);
}

void mutate(struct dice *d, struct frame *f, const struct frame *other)
{
	unsigned int times = 1 + (one_in(d, 2) ? roll(d, 4) : 0);

	while (times--) {
		if (f->len < AT_PAYLOAD) {
			one_in(d, 2) ? flip_bit(d, f) : extend(d, f);
			continue;
		}
		switch (roll(d, looks_like_stun(f) ? 16 : 11)) {
		case 0:
			flip_bit(d, f);
			break;
		case 1:
			set_byte(d, f);
			break;
		case 2:
			truncate_it(d, f);
			break;
		case 3:
			extend(d, f);
			break;
		case 4:
			splice(d, f, other);
			break;
		case 5:
			change_link(d, f);
			break;
		case 6:
		case 7:
			change_ip(d, f);
			break;
		case 8:
			change_udp(d, f);
			break;
		case 9:
		case 10:
			change_channel(d, f);
			break;
		default:
			change_stun(d, f);
		}
	}
	repair(d, f);
}
