// SPDX-License-Identifier: GPL-2.0
/*
 * The pure headers: csum.h, packet.h, channel.h here, stun.h in test_stun.c. With
 * --enable-sanitizers, reads beyond a buffer and misaligned words are failures; frames lie at an
 * address that is 2 modulo 4, as drivers place them (NET_IP_ALIGN), so that words are aligned
 * from the IP header on.
 */
#include "pure.h"

#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "csum.h"
#include "packet.h"

unsigned int dice(void)
{
	static uint64_t state = 8656;

	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return state >> 33;
}

/* ---- csum.h: compared with a sum of single bytes ------------------------------------------------ */

/* The one's complement sum of RFC 1071, section 4.1, as bytes on the wire. */
static unsigned int plain_sum(const uint8_t *at, size_t len)
{
	unsigned int sum = 0;
	size_t i;

	for (i = 0; i < len; i++)
		sum += i & 1 ? at[i] : at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __u16 word_at(const uint8_t *at)
{
	__u16 word;

	memcpy(&word, at, 2);
	return word;
}

static __u64 words(const uint8_t *at, size_t len)
{
	__u64 sum = 0;
	size_t i;

	for (i = 0; i < len; i += 2)
		sum += word_at(at + i);
	return sum;
}

/* Section 3's example: 0001 f203 f4f5 f6f7 sums up to ddf2. */
static void sums_the_example_of_rfc_1071(void **state)
{
	static const uint8_t example[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
	__u32 wide[2];

	(void)state;
	assert_int_equal(plain_sum(example, 8), 0xddf2);
	assert_int_equal(packet_be16(csum_fold(words(example, 8))), 0xddf2);
	memcpy(wide, example, 8);
	assert_int_equal(packet_be16(csum_fold((__u64)wide[0] + wide[1])), 0xddf2);
	assert_int_equal(packet_be16(csum_udp_finish(words(example, 8))), 0x220d);
}

static void folds_every_width(void **state)
{
	static const struct {
		__u64 sum;
		__u16 folded;
	} cases[] = {
		{ 0, 0 }, { 1, 1 }, { 0xffff, 0xffff }, { 0x10000, 1 }, { 0x1fffe, 0xffff },
		{ 0xffff0000, 0xffff }, { 0xffffffff, 0xffff }, { 0x100000000, 1 },
		{ 0xffffffff0000, 0xffff }, { 0xffffffffffff, 0xffff }, { 0xffff0000ffff, 0xffff },
		{ 0x000100010001, 3 }, { 0xfffefffefffe, 0xfffc }, { 0xfffffffffffe, 0xfffe },
		{ 0x800080008000, 0x8001 }, { 0xffffffff0001, 1 }, { 0xffff00010001, 2 },
		/* the largest after the first step, and what carries in every step */
		{ 0xfffffffefffe, 0xfffd }, { 0xffffffff0002, 2 }, { 0x0001ffffffff, 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++)
		assert_int_equal(csum_fold(cases[i].sum), cases[i].folded);
	for (i = 0; i < 100000; i++) {
		__u64 sum = ((__u64)dice() << 40 ^ (__u64)dice() << 20 ^ dice()) & 0xffffffffffff;

		/* 2^16 = 1 modulo 2^16 - 1; 0 only for 0 */
		assert_int_equal(csum_fold(sum) % 0xffff, sum % 0xffff);
		assert_int_equal(!csum_fold(sum), !sum);
		/* what is taken out leaves nothing */
		sum &= 0x7ffffffffff;
		assert_int_equal((csum_minus(sum) + sum) % 0xffff, 0);
	}
}

/* Words taken out and put in one by one (RFC 1624) give what a sum of it all gives. */
static void updates_like_a_full_sum(void **state)
{
	uint8_t old[64], new[64];
	__u64 sum;
	size_t i, round;
	__u16 check;

	(void)state;
	for (round = 0; round < 20000; round++) {
		for (i = 0; i < sizeof(old); i++) {
			new[i] = old[i] = round % 5 ? dice() : round % 10 ? 0xff : 0;
			if (i >= 8 && i < 40)
				new[i] = round % 7 ? dice() : 0xff;
		}
		old[0] = new[0] = 1; /* the sum of all zeros has no other spelling */
		check = csum_udp_finish(words(old, sizeof(old)));
		sum = check;
		for (i = 8; i < 24; i += 2)
			sum += word_at(old + i);
		for (; i < 40; i += 4) {
			__u32 word;

			memcpy(&word, old + i, 4);
			sum += word;
		}
		sum = csum_minus(sum) + words(new + 8, 32);
		assert_int_equal(csum_udp_finish(sum), csum_udp_finish(words(new, sizeof(new))));
		assert_int_equal(packet_be16(csum_udp_finish(sum)) % 0xffff,
				 (0xffff - plain_sum(new, sizeof(new))) % 0xffff);
	}
}

/* A checksum that came in wrong goes out wrong, by as much. */
static void an_update_does_not_mend(void **state)
{
	unsigned int wrong;

	(void)state;
	for (wrong = 1; wrong < 0xffff; wrong += 7) {
		__u16 right = csum_udp_finish(0x1234 + 0x5678);
		__u16 check = csum_fold((__u64)right + wrong);
		__u16 updated = csum_udp_finish(csum_minus(check + 0x5678) + 0x9abc);

		assert_int_equal(updated % 0xffff,
				 (csum_udp_finish(0x1234 + 0x9abc) + wrong) % 0xffff);
		assert_int_not_equal(updated, csum_udp_finish(0x1234 + 0x9abc));
	}
}

/* RFC 768: 0 means "none", so a sum that comes to it is sent as all ones. */
static void never_finishes_with_zero(void **state)
{
	__u64 sum;

	(void)state;
	for (sum = 0; sum <= 0x2ffff; sum++)
		assert_int_not_equal(csum_udp_finish(sum), 0);
	assert_int_equal(csum_udp_finish(0xffff), 0xffff);
	assert_int_equal(csum_udp_finish(0x1fffe), 0xffff);
	assert_int_equal(csum_udp_finish(0), 0xffff);
	assert_int_equal(csum_udp_finish(0xfffe), 1);
}

static void knows_a_right_ip_header(void **state)
{
	/* from RFC 1071's time: the header that textbooks sum up */
	static const uint8_t example[20] = { 0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40,
					     0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8,
					     0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7 };
	struct iphdr ip;
	uint8_t bytes[20];
	int bit;

	(void)state;
	memcpy(&ip, example, sizeof(ip));
	assert_int_equal(csum_ip4(&ip), 0xffff);
	for (bit = 0; bit < 160; bit++) {
		memcpy(bytes, example, sizeof(bytes));
		bytes[bit / 8] ^= 1 << bit % 8;
		memcpy(&ip, bytes, sizeof(ip));
		assert_int_not_equal(csum_ip4(&ip), 0xffff);
	}
}

/* saddr, daddr, 17, length, as they stand in the pseudo header. */
static void sums_the_pseudo_header(void **state)
{
	uint8_t pseudo[12];
	int i, round;

	(void)state;
	for (round = 0; round < 10000; round++) {
		__u32 saddr, daddr;

		for (i = 0; i < 12; i++)
			pseudo[i] = dice();
		pseudo[8] = 0;
		pseudo[9] = 17;
		memcpy(&saddr, pseudo, 4);
		memcpy(&daddr, pseudo + 4, 4);
		assert_int_equal(
			packet_be16(csum_fold(csum_pseudo4(saddr, daddr, word_at(pseudo + 10)))),
			plain_sum(pseudo, 12));
	}
}

static void knows_a_partial_checksum(void **state)
{
	__u64 pseudo = csum_pseudo4(0x0100007f, 0x0200007f, packet_be16(30));
	__u16 folded = csum_fold(pseudo);

	(void)state;
	assert_true(csum_is_partial(folded, pseudo));
	assert_false(csum_is_partial((__u16)~folded, pseudo));
	assert_false(csum_is_partial(0, pseudo));
	assert_false(csum_is_partial(0, 0)); /* none is none, whatever the addresses */
	assert_false(csum_is_partial(folded ^ 1, pseudo));
	assert_true(csum_is_partial(0xffff, 0xffff));
}

/* ---- packet.h ----------------------------------------------------------------------------------- */

/* A sound frame with @payload bytes, in memory of exactly its length, at 2 modulo 4. The block
 * to be freed is returned. */
static uint8_t *make_frame(uint8_t **frame, size_t payload)
{
	size_t len = PACKET_HEADERS + payload;
	uint8_t *block = malloc(len + 2), *f = block + 2;

	assert_non_null(block);
	memset(f, 0, len);
	f[12] = 0x08;
	f[14] = 0x45;
	f[16] = (28 + payload) >> 8;
	f[17] = 28 + payload;
	f[22] = 64;
	f[23] = 17;
	f[38] = (8 + payload) >> 8;
	f[39] = 8 + payload;
	*frame = f;
	return block;
}

static void points_at_the_headers(void **state)
{
	struct packet p;
	uint8_t *f, *block = make_frame(&f, 11);

	(void)state;
	f[26] = 192, f[30] = 198, f[35] = 7, f[37] = 9;
	assert_int_equal(packet_udp4(f, f + 53, &p), 0);
	assert_ptr_equal(p.eth, f);
	assert_ptr_equal(p.ip, f + 14);
	assert_ptr_equal(p.udp, f + 34);
	assert_ptr_equal(p.payload, f + 42);
	assert_int_equal(packet_be32(p.ip->saddr), 192u << 24);
	assert_int_equal(packet_be32(p.ip->daddr), 198u << 24);
	assert_int_equal(packet_be16(p.udp->source), 7);
	assert_int_equal(packet_be16(p.udp->dest), 9);
	assert_int_equal(packet_udp4_whole(&p, 53), 11);
	free(block);
}

static void takes_no_frame_that_is_cut_short(void **state)
{
	struct packet p;
	uint8_t *f, *block;
	size_t len;

	(void)state;
	for (len = 0; len < PACKET_HEADERS; len++) {
		block = malloc(len + 2);
		f = block + 2;
		memset(f, 0x45, len);
		assert_int_equal(packet_udp4(f, f + len, &p), -1);
		free(block);
	}
	block = make_frame(&f, 0);
	assert_int_equal(packet_udp4(f, f + PACKET_HEADERS, &p), 0);
	free(block);
}

static void takes_only_plain_udp_over_ipv4(void **state)
{
	static const struct {
		const char *name;
		unsigned int at, value;
	} cases[] = {
		{ "not IPv4: first byte of the EtherType", 12, 0x81 },
		{ "not IPv4: second byte of the EtherType", 13, 0x06 },
		{ "IP version 6", 14, 0x65 },
		{ "IP version 0", 14, 0x05 },
		{ "IP options", 14, 0x46 },
		{ "longest IP options", 14, 0x4f },
		{ "IP header too short", 14, 0x44 },
		{ "TCP", 23, 6 },
		{ "protocol 0", 23, 0 },
		{ "more fragments", 20, 0x20 },
		{ "more fragments, DF", 20, 0x60 },
		{ "fragment offset, high bits", 20, 0x1f },
		{ "fragment offset 1", 21, 0x01 },
		{ "fragment offset, low bits", 21, 0xff },
	};
	struct packet p;
	uint8_t *f, *block = make_frame(&f, 8);
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		uint8_t old = f[cases[i].at];

		f[cases[i].at] = cases[i].value;
		if (packet_udp4(f, f + 50, &p) != -1)
			fail_msg("%s: taken", cases[i].name);
		f[cases[i].at] = old;
	}
	f[20] = 0x40; /* DF */
	assert_int_equal(packet_udp4(f, f + 50, &p), 0);
	f[20] = 0xc0; /* and the reserved bit, which is no fragment */
	assert_int_equal(packet_udp4(f, f + 50, &p), 0);
	free(block);
}

static void lengths_must_agree(void **state)
{
	static const struct {
		unsigned int ip, udp, frame;
		int payload;
	} cases[] = {
		{ 28, 8, 42, 0 },        { 28, 8, 60, 0 },        { 29, 9, 60, 1 },
		{ 128, 108, 142, 100 },  { 128, 108, 143, 100 },  { 128, 108, 141, -1 },
		{ 129, 108, 143, -1 },   { 127, 108, 142, -1 },   { 128, 109, 143, -1 },
		{ 128, 107, 142, -1 },   { 27, 7, 42, -1 },       { 20, 0, 42, -1 },
		{ 0, 0, 42, -1 },        { 65535, 65515, 42, -1 }, { 0, 65516, 42, -1 },
		{ 19, 65535, 42, -1 },   { 16369, 16349, 16383, 16341 },
		{ 16370, 16350, 16384, -1 }, { 1500, 1480, 0x10000, -1 },
	};
	struct packet p;
	uint8_t *f, *block = make_frame(&f, 0);
	size_t i;

	(void)state;
	assert_int_equal(packet_udp4(f, f + PACKET_HEADERS, &p), 0);
	for (i = 0; i < COUNT(cases); i++) {
		p.ip->tot_len = packet_be16(cases[i].ip);
		p.udp->len = packet_be16(cases[i].udp);
		if (packet_udp4_whole(&p, cases[i].frame) != cases[i].payload)
			fail_msg("case %zu: %d", i, packet_udp4_whole(&p, cases[i].frame));
	}
	free(block);
}

/* ---- channel.h ---------------------------------------------------------------------------------- */

static void channel_numbers_are_4000_to_7fff(void **state)
{
	unsigned int number;

	(void)state;
	for (number = 0; number <= 0xffff; number++)
		assert_int_equal(!!channel_number_ok(number), number >= 0x4000 && number <= 0x7fff);
}

/* (data, surplus) as coturn was measured to take and to drop them. */
static void takes_the_surplus_that_servers_take(void **state)
{
	static const struct {
		unsigned int length, surplus;
		int verdict;
	} cases[] = {
		{ 8, 0, 0 }, { 8, 1, 1 }, { 8, 3, 3 }, { 8, 4, -1 }, { 8, 5, -1 }, { 8, 8, -1 },
		{ 9, 3, 3 }, { 9, 4, -1 }, { 9, 7, -1 }, { 1, 3, 3 }, { 1, 4, -1 },
		{ 0, 0, 0 }, { 0, 1, -1 }, { 0, 2, -1 }, { 0, 3, -1 }, { 0, 4, -1 },
		{ 0xffff, 0, 0 }, { 0xffff, 3, 3 }, { 0xffff, 4, -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++)
		assert_int_equal(channel_surplus(cases[i].length,
						 4 + cases[i].length + cases[i].surplus),
				 cases[i].verdict);
}

static void missing_data_is_no_surplus(void **state)
{
	unsigned int length, payload;

	(void)state;
	for (length = 0; length < 70; length++)
		for (payload = 0; payload < 4 + length; payload++)
			assert_int_equal(channel_surplus(length, payload), -1);
	assert_int_equal(channel_surplus(0xffff, 4), -1);
	assert_int_equal(channel_surplus(0xffff, 0), -1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_the_example_of_rfc_1071),
		cmocka_unit_test(folds_every_width),
		cmocka_unit_test(updates_like_a_full_sum),
		cmocka_unit_test(an_update_does_not_mend),
		cmocka_unit_test(never_finishes_with_zero),
		cmocka_unit_test(knows_a_right_ip_header),
		cmocka_unit_test(sums_the_pseudo_header),
		cmocka_unit_test(knows_a_partial_checksum),
		cmocka_unit_test(points_at_the_headers),
		cmocka_unit_test(takes_no_frame_that_is_cut_short),
		cmocka_unit_test(takes_only_plain_udp_over_ipv4),
		cmocka_unit_test(lengths_must_agree),
		cmocka_unit_test(channel_numbers_are_4000_to_7fff),
		cmocka_unit_test(takes_the_surplus_that_servers_take),
		cmocka_unit_test(missing_data_is_no_surplus),
	};
	struct CMUnitTest all[COUNT(tests) + 64];

	if (stun_test_count > 64)
		return 99;
	memcpy(all, tests, sizeof(tests));
	memcpy(all + COUNT(tests), stun_tests, stun_test_count * sizeof(*all));
	return _cmocka_run_group_tests("pure", all, COUNT(tests) + stun_test_count, NULL, NULL);
}
