// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer on lib/stun.h. The parser and the reference reader must agree on every message, verdict
 * and fields; a message that is taken must be regular whichever way it is looked at; and what lies
 * behind the message, in the buffer that the kernel programs share, must not matter.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "reference.h"
#include "stun.h"

_Static_assert((int)STUN_OK == (int)REF_OK && (int)STUN_NOT_STUN == (int)REF_NOT_STUN &&
		       (int)STUN_TOO_LONG == (int)REF_TOO_LONG &&
		       (int)STUN_IRREGULAR == (int)REF_IRREGULAR,
	       "verdicts are compared as numbers");

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

static enum stun_verdict parse(const uint8_t *data, size_t len, uint8_t filling,
			       struct stun_message *m)
{
	/* of exactly the size that is promised to the parser */
	uint8_t *buffer = malloc(STUN_BUFFER);
	enum stun_verdict verdict;

	memset(buffer, filling, STUN_BUFFER);
	memcpy(buffer, data, len);
	memset(m, 0x5a, sizeof(*m));
	verdict = stun_parse(buffer, len, m);
	free(buffer);
	return verdict;
}

static void same_address(const struct stun_address *is, const struct ref_address *should)
{
	CHECK(is->family == should->family);
	CHECK(packet_be16(is->port) == should->port);
	CHECK(!memcmp(is->ip, should->ip, is->family == STUN_IPV4 ? 4 : 16));
}

static void same_message(const struct stun_message *is, const struct ref_stun *should)
{
	unsigned int i;

	CHECK(!(is->has & STUN_HAS_INTEGRITY) == !should->integrity);
	CHECK(!(is->has & STUN_HAS_INTEGRITY256) == !should->integrity256);
	CHECK(!(is->has & STUN_HAS_FINGERPRINT) == !should->fingerprint);
	CHECK(!(is->has & STUN_HAS_ERROR) == !should->has_error);
	CHECK(!(is->has & STUN_HAS_CHANNEL) == !should->has_channel);
	CHECK(!(is->has & STUN_HAS_LIFETIME) == !should->has_lifetime);
	CHECK(!(is->has & STUN_HAS_FAMILY) == !should->has_family);
	CHECK(!(is->has & STUN_HAS_TRANSPORT) == !should->has_transport);
	CHECK(!(is->has & STUN_HAS_RELAYED) == !should->has_relayed);
	CHECK(!(is->has & STUN_HAS_RELAYED6) == !should->has_relayed6);
	CHECK(is->error == should->error);
	CHECK(packet_be16(is->channel) == should->channel);
	CHECK(is->lifetime == should->lifetime);
	CHECK(is->family == should->family);
	CHECK(is->transport == should->transport);
	CHECK(is->peers == should->peers);
	for (i = 0; i < should->peers; i++)
		same_address(&is->peer[i], &should->peer[i]);
	if (should->has_relayed)
		same_address(&is->relayed, &should->relayed);
}

/* What stands in the comments, asked of the bytes alone. */
static void is_regular(const uint8_t *data, size_t len)
{
	static const unsigned int ours[] = { 0x0008, 0x0009, 0x000c, 0x000d, 0x0017,
					     0x0019, 0x001c, 0x8028 };
	unsigned int seen[sizeof(ours) / sizeof(ours[0])] = {}, i;
	bool is_signed = false, last = false;
	size_t at;

	CHECK(len <= STUN_MAX && len == 20 + ref_16(data + 2));
	for (at = 20; at < len; at += 4 + (ref_16(data + at + 2) + 3) / 4 * 4) {
		unsigned int type = ref_16(data + at);

		CHECK(at + 4 + ref_16(data + at + 2) <= len);
		CHECK(!last);
		CHECK(!is_signed || type == 0x001c || type == 0x8028);
		for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
			CHECK(type != ours[i] || !seen[i]++);
		is_signed = is_signed || type == 0x0008 || type == 0x001c;
		last = type == 0x8028;
	}
	CHECK(at == len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct stun_message zeros, ones;
	enum stun_verdict verdict;
	struct ref_stun should;

	if (len > STUN_BUFFER)
		return 0;
	verdict = parse(data, len, 0, &zeros);
	CHECK((int)verdict == (int)ref_stun(data, len, &should));
	CHECK(parse(data, len, 0xff, &ones) == verdict);
	if (verdict == STUN_NOT_STUN)
		return 0;
	CHECK(zeros.type == should.type && ones.type == should.type);
	CHECK(!memcmp(zeros.transaction, should.transaction, 12));
	CHECK(!memcmp(ones.transaction, should.transaction, 12));
	if (verdict != STUN_OK)
		return 0;
	is_regular(data, len);
	same_message(&zeros, &should);
	same_message(&ones, &should);
	return 0;
}

/* Three of four mutants get their header's length and cookie right again, and end on a boundary of
 * four: else hardly any would be read further than that. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static const uint8_t cookie[4] = { 0x21, 0x12, 0xa4, 0x42 };

	size = LLVMFuzzerMutate(data, size, max);
	if (seed % 4 == 0 || size < 20)
		return size;
	size -= size % 4;
	data[0] &= 0x3f;
	data[2] = (size - 20) >> 8;
	data[3] = size - 20;
	memcpy(data + 4, cookie, sizeof(cookie));
	return size;
}
