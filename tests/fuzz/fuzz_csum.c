// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer on lib/csum.h: a datagram is changed as the relay changes it (addresses, ports,
 * lengths, four bytes that go or come, padding that is cut), its checksum is updated by the
 * difference, and must be what a full computation gives; a wrong one must stay as wrong as it was.
 *
 * An input is 20 bytes of an IPv4 header, 24 bytes that say what changes, and the datagram.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "csum.h"
#include "packet.h"
#include "reference.h"

#define HEADER 20
#define CHANGES 24

/* The sum of a datagram and its pseudo header, folded. */
static unsigned int total(const uint8_t *addresses, const uint8_t *udp, size_t len)
{
	return ref_sum(udp, len, ref_sum(addresses, 8, 17 + len));
}

/* A check field of 0 is none at all, so it is spelt 0xffff. */
static unsigned int check_of(const uint8_t *addresses, uint8_t *udp, size_t len)
{
	unsigned int check;

	udp[6] = udp[7] = 0;
	check = 0xffff - total(addresses, udp, len);
	return check ? check : 0xffff;
}

static void check_header(const uint8_t *data)
{
	struct iphdr ip;

	memcpy(&ip, data, sizeof(ip));
	CHECK(packet_be16(csum_ip4(&ip)) == ref_sum(data, sizeof(ip), 0));
}

static uint64_t words(const uint8_t *at, size_t len)
{
	uint64_t sum = 0;
	uint16_t word;
	size_t i;

	for (i = 0; i < len; i += 2) {
		memcpy(&word, at + i, 2);
		sum += word;
	}
	return sum;
}

/* The new datagram is the old one with other addresses, ports and length, @cut bytes of it gone at
 * its end, and four bytes gone from, or put into, its front. */
static void check_update(const uint8_t *change, const uint8_t *datagram, size_t len, bool right)
{
	uint8_t *before = malloc(len), *after = malloc(len + 4), tail[5] = {};
	bool strip = change[0] & 1 && len >= 12;
	const uint8_t *front = change + 20; /* the four bytes that come */
	size_t from = strip ? 12 : 8, to = strip ? 8 : 12;
	size_t cut = change[1] % 4, new_len, at;
	uint32_t addresses[4];
	uint64_t old, new;
	unsigned int error;
	uint16_t check;

	if (cut > len - from)
		cut = len - from;
	memcpy(before, datagram, len);
	before[4] = len >> 8;
	before[5] = len;
	memcpy(addresses, change + 4, 16);
	if (right) {
		check = check_of(change + 4, before, len);
		before[6] = check >> 8;
		before[7] = check;
	}

	new_len = len - cut - from + to;
	memcpy(after, change + 2, 2); /* ports */
	memcpy(after + 2, change, 2);
	after[4] = new_len >> 8;
	after[5] = new_len;
	if (!strip)
		memcpy(after + 8, front, 4);
	memcpy(after + to, before + from, len - cut - from);

	/* what is cut counts as the halves of words in which it lay */
	at = len - cut;
	memcpy(tail + at % 2, before + at, cut);
	old = csum_pseudo4(addresses[0], addresses[1], packet_be16(len)) + words(before, 8) +
	      words(tail, 4);
	new = csum_pseudo4(addresses[2], addresses[3], packet_be16(new_len)) + words(after, 6);
	if (strip)
		old += words(before + 8, 4);
	else
		new += words(after + 8, 4);
	check = csum_udp_finish(csum_minus(old) + new);
	memcpy(after + 6, &check, 2);

	error = total(change + 4, before, len) % 0xffff;
	CHECK(check != 0 && (!right || !error));
	CHECK(total(change + 12, after, new_len) % 0xffff == error);
	CHECK(!right || packet_be16(check) == check_of(change + 12, after, new_len));
	free(before);
	free(after);
}

static void check_partial(const uint8_t *change, const uint8_t *datagram, size_t len)
{
	uint32_t addresses[2];
	unsigned int pseudo = ref_sum(change + 4, 8, 17 + len), check = ref_16(datagram + 6);
	uint64_t sum;

	memcpy(addresses, change + 4, 8);
	sum = csum_pseudo4(addresses[0], addresses[1], packet_be16(len));
	CHECK(packet_be16(csum_fold(sum)) == pseudo);
	CHECK(csum_is_partial(packet_be16(check), sum) == (check && check == pseudo));
	CHECK(csum_is_partial(packet_be16(pseudo), sum) == !!pseudo);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *change = data + HEADER, *datagram = change + CHANGES;

	if (len < HEADER + CHANGES + 8)
		return 0;
	check_header(data);
	len -= HEADER + CHANGES;
	check_update(change, datagram, len, true);
	check_update(change, datagram, len, false);
	check_partial(change, datagram, len);
	return 0;
}
