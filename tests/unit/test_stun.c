// SPDX-License-Identifier: GPL-2.0
/* stun.h: RFC 5769's messages, and every way in which a message may leave room for two readings. */
#include "pure.h"

#include <stdlib.h>
#include <string.h>

#include "stun.h"
#include "vectors.h"

/* ---- messages, put together a byte at a time ----------------------------------------------------- */

struct message {
	uint8_t data[2048];
	size_t len;
};

static void begin(struct message *m, unsigned int type)
{
	static const uint8_t rest[16] = { 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4,
					  5,    6,    7,    8,    9, 10, 11, 12 };

	memset(m, 0, sizeof(*m));
	m->data[0] = type >> 8;
	m->data[1] = type;
	memcpy(m->data + 4, rest, sizeof(rest));
	m->len = 20;
}

static void claim(struct message *m, size_t len)
{
	m->data[2] = len >> 8;
	m->data[3] = len;
}

static void add(struct message *m, unsigned int type, const void *value, size_t len)
{
	uint8_t *at = m->data + m->len;

	at[0] = type >> 8;
	at[1] = type;
	at[2] = len >> 8;
	at[3] = len;
	memcpy(at + 4, value, len);
	m->len += 4 + (len + 3) / 4 * 4;
	claim(m, m->len - 20);
}

/* 192.0.2.1:32853, masked; and its IPv6 fellow of RFC 5769. */
static const uint8_t address4[8] = { 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43 };
static const uint8_t address6[20] = { 0, 2, 0xa1, 0x47, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
static const uint8_t mac[20], four[4];

/* Parses in a buffer of exactly the promised size, filled up with 0xff: to the sanitizer, a read
 * beyond it is an error; to the test, what lies behind the message must not matter. */
static enum stun_verdict parse(const void *data, size_t len, struct stun_message *m)
{
	uint8_t *buffer = malloc(STUN_BUFFER);
	enum stun_verdict verdict;

	assert_non_null(buffer);
	memset(buffer, 0xff, STUN_BUFFER);
	memcpy(buffer, data, len < STUN_BUFFER ? len : STUN_BUFFER);
	verdict = stun_parse(buffer, len, m);
	free(buffer);
	return verdict;
}

static enum stun_verdict verdict_on(const struct message *message)
{
	struct stun_message m;

	return parse(message->data, message->len, &m);
}

/* ---- RFC 5769 ------------------------------------------------------------------------------------ */

static void reads_the_messages_of_rfc_5769(void **state)
{
	struct stun_message m;

	(void)state;
	assert_int_equal(parse(rfc5769_request, sizeof(rfc5769_request), &m), STUN_OK);
	assert_int_equal(m.type, STUN_BINDING | STUN_REQUEST);
	assert_int_equal(m.has, STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT);
	assert_memory_equal(m.transaction, rfc5769_request + 8, 12);
	assert_int_equal(parse(rfc5769_response4, sizeof(rfc5769_response4), &m), STUN_OK);
	assert_int_equal(m.type, STUN_BINDING | STUN_SUCCESS);
	assert_int_equal(m.has, STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT);
	assert_int_equal(parse(rfc5769_response6, sizeof(rfc5769_response6), &m), STUN_OK);
	assert_int_equal(parse(rfc5769_longterm, sizeof(rfc5769_longterm), &m), STUN_OK);
	assert_int_equal(m.has, STUN_HAS_INTEGRITY);
	assert_memory_equal(m.transaction, rfc5769_longterm + 8, 12);
}

/* RFC 5769's addresses, under the types that we read. */
static void reads_the_addresses_of_rfc_5769(void **state)
{
	static const uint8_t six[16] = { 0x20, 0x01, 0x0d, 0xb8, 0x12, 0x34, 0x56, 0x78,
					 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77 };
	uint8_t copy[sizeof(rfc5769_response6)];
	struct stun_message m;

	(void)state;
	memcpy(copy, rfc5769_response4, sizeof(rfc5769_response4));
	assert_int_equal(copy[37], 0x20);
	copy[37] = STUN_XOR_RELAYED_ADDRESS;
	assert_int_equal(parse(copy, sizeof(rfc5769_response4), &m), STUN_OK);
	assert_true(m.has & STUN_HAS_RELAYED);
	assert_int_equal(m.relayed.family, STUN_IPV4);
	assert_int_equal(packet_be16(m.relayed.port), 32853);
	assert_int_equal(packet_be32(m.relayed.ip[0]), 0xc0000201);

	memcpy(copy, rfc5769_response6, sizeof(copy));
	copy[37] = STUN_XOR_PEER_ADDRESS;
	assert_int_equal(parse(copy, sizeof(copy), &m), STUN_OK);
	assert_int_equal(m.peers, 1);
	assert_int_equal(m.peer[0].family, STUN_IPV6);
	assert_int_equal(packet_be16(m.peer[0].port), 32853);
	assert_memory_equal(m.peer[0].ip, six, 16);

	copy[37] = STUN_XOR_RELAYED_ADDRESS;
	assert_int_equal(parse(copy, sizeof(copy), &m), STUN_OK);
	assert_int_equal(m.has & (STUN_HAS_RELAYED | STUN_HAS_RELAYED6), STUN_HAS_RELAYED6);
}

/* Cut anywhere: no message, and no byte read behind it. */
static void a_message_cut_short_is_none(void **state)
{
	uint8_t copy[sizeof(rfc5769_request)];
	struct stun_message m;
	size_t len;

	(void)state;
	for (len = 0; len < sizeof(rfc5769_request); len++) {
		enum stun_verdict want = len < 20 ? STUN_NOT_STUN : STUN_IRREGULAR;

		assert_int_equal(parse(rfc5769_request, len, &m), want);
		if (len < 20)
			continue;
		/* and with a header that admits it: whole only between attributes */
		memcpy(copy, rfc5769_request, len);
		copy[2] = (len - 20) >> 8;
		copy[3] = len - 20;
		switch (len) {
		case 20: case 40: case 48: case 60: case 76: case 100:
			want = STUN_OK;
		}
		assert_int_equal(parse(copy, len, &m), want);
	}
}

/* ---- headers -------------------------------------------------------------------------------------- */

static void tells_stun_from_the_rest(void **state)
{
	struct stun_message m;
	struct message message;
	int i;

	(void)state;
	begin(&message, STUN_REFRESH);
	assert_int_equal(verdict_on(&message), STUN_OK);
	for (i = 0; i < 32; i++) {
		begin(&message, STUN_REFRESH);
		message.data[4 + i / 8] ^= 1 << i % 8;
		assert_int_equal(verdict_on(&message), STUN_NOT_STUN);
	}
	for (i = 1; i < 4; i++) {
		begin(&message, STUN_REFRESH | i << 14); /* ChannelData and others */
		assert_int_equal(verdict_on(&message), STUN_NOT_STUN);
	}
	begin(&message, STUN_ALLOCATE | STUN_ERROR);
	assert_int_equal(parse(message.data, message.len, &m), STUN_OK);
	assert_int_equal(m.type & STUN_CLASS_MASK, STUN_ERROR);
	assert_int_equal(STUN_METHOD(m.type), STUN_ALLOCATE);
}

static void trailing_bytes_are_irregular(void **state)
{
	struct message m;
	size_t n;

	(void)state;
	for (n = 1; n <= 64; n++) {
		begin(&m, STUN_REFRESH);
		add(&m, STUN_LIFETIME, four, 4);
		m.len += n;
		assert_int_equal(verdict_on(&m), STUN_IRREGULAR);
	}
}

static void a_wrong_length_is_irregular(void **state)
{
	static const unsigned int wrong[] = { 0, 1, 4, 7, 9, 12, 0xff, 0x100, 0x7fff, 0xffff };
	struct message m;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(wrong); i++) {
		begin(&m, STUN_REFRESH);
		add(&m, STUN_LIFETIME, four, 4);
		claim(&m, wrong[i]);
		assert_int_equal(verdict_on(&m), STUN_IRREGULAR);
	}
	/* not a multiple of 4, though header and datagram agree */
	for (i = 1; i < 4; i++) {
		begin(&m, STUN_REFRESH);
		add(&m, STUN_LIFETIME, four, 4);
		m.len += i;
		claim(&m, m.len - 20);
		assert_int_equal(verdict_on(&m), STUN_IRREGULAR);
	}
}

static void longer_than_we_read_is_too_long(void **state)
{
	static const uint8_t filler[STUN_MAX];
	struct message m;

	(void)state;
	begin(&m, STUN_REFRESH);
	add(&m, 0x8022, filler, STUN_MAX - 20 - 4);
	assert_int_equal(m.len, STUN_MAX);
	assert_int_equal(verdict_on(&m), STUN_OK);
	begin(&m, STUN_REFRESH);
	add(&m, 0x8022, filler, STUN_MAX - 20);
	assert_int_equal(verdict_on(&m), STUN_TOO_LONG);
}

static void too_many_attributes_are_too_long(void **state)
{
	struct message m;
	int i;

	(void)state;
	begin(&m, STUN_REFRESH);
	for (i = 0; i < STUN_ATTRIBUTES - 1; i++)
		add(&m, 0x8022, mac, i % 5);
	assert_int_equal(verdict_on(&m), STUN_OK);
	add(&m, 0x8022, four, 4);
	assert_int_equal(verdict_on(&m), STUN_OK);
	add(&m, 0x8022, four, 4);
	assert_int_equal(verdict_on(&m), STUN_TOO_LONG);
}

/* ---- attributes ----------------------------------------------------------------------------------- */

static void reads_every_attribute(void **state)
{
	struct stun_message m;
	struct message message;

	(void)state;
	begin(&message, STUN_CHANNEL_BIND);
	add(&message, STUN_CHANNEL_NUMBER, "\x4a\xbc\0\0", 4);
	add(&message, STUN_LIFETIME, "\x80\0\x0e\x10", 4);
	add(&message, STUN_REQUESTED_ADDRESS_FAMILY, "\2\0\0\0", 4);
	add(&message, STUN_REQUESTED_TRANSPORT, "\x11\0\0\0", 4);
	add(&message, STUN_XOR_PEER_ADDRESS, address4, 8);
	add(&message, STUN_XOR_RELAYED_ADDRESS, address4, 8);
	add(&message, STUN_ERROR_CODE, "\0\0\4\x25oh", 6);
	add(&message, STUN_MESSAGE_INTEGRITY, mac, 20);
	add(&message, STUN_MESSAGE_INTEGRITY_SHA256, mac, 16);
	add(&message, STUN_FINGERPRINT, four, 4);
	assert_int_equal(parse(message.data, message.len, &m), STUN_OK);
	assert_int_equal(packet_be16(m.channel), 0x4abc);
	assert_int_equal(m.lifetime, 0x80000e10);
	assert_int_equal(m.family, 2);
	assert_int_equal(m.transport, 17);
	assert_int_equal(m.error, 437);
	assert_int_equal(m.peers, 1);
	assert_int_equal(packet_be32(m.peer[0].ip[0]), 0xc0000201);
	assert_int_equal(m.has, 0x3df); /* all but RELAYED6 */
}

static void an_attribute_twice_is_irregular(void **state)
{
	static const struct {
		unsigned int type;
		const void *value;
		size_t len;
	} cases[] = {
		{ STUN_CHANNEL_NUMBER, four, 4 },
		{ STUN_LIFETIME, four, 4 },
		{ STUN_REQUESTED_ADDRESS_FAMILY, four, 4 },
		{ STUN_REQUESTED_TRANSPORT, four, 4 },
		{ STUN_XOR_RELAYED_ADDRESS, address4, 8 },
		{ STUN_XOR_RELAYED_ADDRESS, address6, 20 },
		{ STUN_XOR_PEER_ADDRESS, address4, 8 },
		{ STUN_XOR_PEER_ADDRESS, address6, 20 },
		{ STUN_ERROR_CODE, "\0\0\4\1", 4 },
		{ STUN_MESSAGE_INTEGRITY, mac, 20 },
		{ STUN_MESSAGE_INTEGRITY_SHA256, mac, 20 },
		{ STUN_FINGERPRINT, four, 4 },
	};
	struct message m;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		begin(&m, STUN_CHANNEL_BIND);
		add(&m, cases[i].type, cases[i].value, cases[i].len);
		assert_int_equal(verdict_on(&m), STUN_OK);
		add(&m, 0x8022, four, 4);
		add(&m, cases[i].type, cases[i].value, cases[i].len);
		if (verdict_on(&m) != STUN_IRREGULAR)
			fail_msg("attribute %#x twice: %d", cases[i].type, verdict_on(&m));
	}
}

static void reads_every_error_code(void **state)
{
	struct stun_message m;
	struct message message;
	int code;

	(void)state;
	for (code = 300; code < 700; code++) {
		uint8_t value[4] = { 0, 0, code / 100, code % 100 };

		begin(&message, STUN_REFRESH | STUN_ERROR);
		add(&message, STUN_ERROR_CODE, value, 4);
		assert_int_equal(parse(message.data, message.len, &m), STUN_OK);
		assert_int_equal(m.error, code);
		value[2] |= 0xf8; /* reserved bits (RFC 8489 section 14.8) */
		begin(&message, STUN_REFRESH | STUN_ERROR);
		add(&message, STUN_ERROR_CODE, value, 4);
		assert_int_equal(parse(message.data, message.len, &m), STUN_OK);
		assert_int_equal(m.error, code);
	}
}

/* One relayed address of each family is what a dual allocation has. */
static void one_relayed_address_of_each_family(void **state)
{
	struct message m;

	(void)state;
	begin(&m, STUN_ALLOCATE | STUN_SUCCESS);
	add(&m, STUN_XOR_RELAYED_ADDRESS, address6, 20);
	add(&m, STUN_XOR_RELAYED_ADDRESS, address4, 8);
	assert_int_equal(verdict_on(&m), STUN_OK);
}

/* Which half is such a Refresh for? */
static void an_additional_family_is_for_allocate(void **state)
{
	static const unsigned int kinds[] = { STUN_ADDITIONAL_ADDRESS_FAMILY,
					      STUN_ADDITIONAL_ADDRESS_FAMILY_DRAFT };
	struct message m;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(kinds); i++) {
		begin(&m, STUN_ALLOCATE);
		add(&m, kinds[i], "\x02\0\0", 4);
		assert_int_equal(verdict_on(&m), STUN_OK);
		begin(&m, STUN_REFRESH);
		add(&m, kinds[i], "\x01\0\0", 4);
		assert_int_equal(verdict_on(&m), STUN_IRREGULAR);
	}
}

static void nothing_comes_behind_message_integrity(void **state)
{
	static const unsigned int late[] = { STUN_XOR_PEER_ADDRESS, STUN_CHANNEL_NUMBER,
					     STUN_LIFETIME, 0x0006, 0x8022, 0x802b,
					     STUN_MESSAGE_INTEGRITY };
	struct message m;
	size_t i;
	int sha256;

	(void)state;
	for (sha256 = 0; sha256 < 2; sha256++) {
		for (i = 0; i < COUNT(late); i++) {
			begin(&m, STUN_CREATE_PERMISSION);
			add(&m, sha256 ? STUN_MESSAGE_INTEGRITY_SHA256 : STUN_MESSAGE_INTEGRITY,
			    mac, 20);
			add(&m, late[i], mac, 20);
			assert_int_equal(verdict_on(&m), STUN_IRREGULAR);
		}
	}
	begin(&m, STUN_REFRESH);
	add(&m, STUN_MESSAGE_INTEGRITY, mac, 20);
	add(&m, STUN_FINGERPRINT, four, 4);
	assert_int_equal(verdict_on(&m), STUN_OK);
}

static void nothing_comes_behind_fingerprint(void **state)
{
	static const unsigned int late[] = { STUN_XOR_PEER_ADDRESS, STUN_LIFETIME, 0x8022,
					     STUN_MESSAGE_INTEGRITY,
					     STUN_MESSAGE_INTEGRITY_SHA256, STUN_FINGERPRINT };
	struct message m;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(late); i++) {
		begin(&m, STUN_CREATE_PERMISSION);
		add(&m, STUN_FINGERPRINT, four, 4);
		add(&m, late[i], mac, 20);
		assert_int_equal(verdict_on(&m), STUN_IRREGULAR);
	}
}

static void an_attribute_has_its_length(void **state)
{
	static const struct {
		unsigned int type;
		size_t right;
	} cases[] = {
		{ STUN_CHANNEL_NUMBER, 4 },           { STUN_LIFETIME, 4 },
		{ STUN_REQUESTED_ADDRESS_FAMILY, 4 }, { STUN_REQUESTED_TRANSPORT, 4 },
		{ STUN_MESSAGE_INTEGRITY, 20 },       { STUN_FINGERPRINT, 4 },
	};
	struct message m;
	size_t i, len;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		for (len = 0; len <= 20; len++) {
			begin(&m, STUN_CHANNEL_BIND);
			add(&m, cases[i].type, mac, len);
			assert_int_equal(verdict_on(&m), len == cases[i].right ? STUN_OK
									       : STUN_IRREGULAR);
		}
	}
	for (len = 0; len < 4; len++) {
		begin(&m, STUN_REFRESH | STUN_ERROR);
		add(&m, STUN_ERROR_CODE, mac, len);
		assert_int_equal(verdict_on(&m), STUN_IRREGULAR);
	}
}

static void an_address_has_its_familys_length(void **state)
{
	static const unsigned int types[] = { STUN_XOR_PEER_ADDRESS, STUN_XOR_RELAYED_ADDRESS };
	uint8_t value[24] = {};
	struct message m;
	size_t i, len;
	int family;

	(void)state;
	for (i = 0; i < COUNT(types); i++) {
		for (family = 0; family < 5; family++) {
			for (len = 0; len <= sizeof(value); len++) {
				bool ok = (family == 1 && len == 8) || (family == 2 && len == 20);

				value[1] = family;
				begin(&m, STUN_CHANNEL_BIND);
				add(&m, types[i], value, len);
				assert_int_equal(verdict_on(&m), ok ? STUN_OK : STUN_IRREGULAR);
			}
		}
	}
}

static void a_permission_names_up_to_four_peers(void **state)
{
	struct stun_message m;
	struct message message;
	int i;

	(void)state;
	begin(&message, STUN_CREATE_PERMISSION);
	for (i = 0; i < STUN_PEERS; i++)
		add(&message, STUN_XOR_PEER_ADDRESS, i % 2 ? address6 : address4, i % 2 ? 20 : 8);
	assert_int_equal(parse(message.data, message.len, &m), STUN_OK);
	assert_int_equal(m.peers, STUN_PEERS);
	assert_int_equal(m.peer[2].family, STUN_IPV4);
	assert_int_equal(m.peer[3].family, STUN_IPV6);
	add(&message, STUN_XOR_PEER_ADDRESS, address4, 8);
	assert_int_equal(verdict_on(&message), STUN_TOO_LONG);
}

static void unknown_attributes_are_skipped(void **state)
{
	static const unsigned int known[] = { 0x0008, 0x0009, 0x000c, 0x000d, 0x0012,
					      0x0016, 0x0017, 0x0019, 0x001c, 0x8000,
					      0x8028, 0x8032 };
	uint8_t value[32];
	struct stun_message m;
	struct message message;
	unsigned int type;
	size_t i;

	(void)state;
	memset(value, 0xee, sizeof(value));
	for (type = 0; type <= 0xffff; type++) {
		for (i = 0; i < COUNT(known) && known[i] != type; i++)
			;
		if (i < COUNT(known))
			continue;
		begin(&message, STUN_REFRESH);
		add(&message, type, value, type % 32);
		add(&message, type, value, type % 5);
		add(&message, STUN_LIFETIME, "\0\0\2\x58", 4);
		assert_int_equal(parse(message.data, message.len, &m), STUN_OK);
		assert_int_equal(m.lifetime, 600);
		assert_int_equal(m.has, STUN_HAS_LIFETIME);
	}
}

/* A length that leads out of the message, to wherever. */
static void an_attribute_ends_inside_the_message(void **state)
{
	struct message m;
	unsigned int claimed;

	(void)state;
	for (claimed = 0; claimed <= 0xffff; claimed++) {
		begin(&m, STUN_REFRESH);
		add(&m, 0x8022, mac, 12);
		m.data[22] = claimed >> 8;
		m.data[23] = claimed;
		if (claimed > 12)
			assert_int_equal(verdict_on(&m), STUN_IRREGULAR);
		else if (claimed > 8)
			assert_int_equal(verdict_on(&m), STUN_OK);
	}
	/* the last one's, which ends where the message does but for its padding */
	begin(&m, STUN_REFRESH);
	add(&m, 0x8022, mac, 9);
	assert_int_equal(verdict_on(&m), STUN_OK);
}

/* What nobody would write: whatever the verdict, nothing is read outside (sanitizers). */
static void survives_noise(void **state)
{
	static const unsigned int types[] = { 0x0008, 0x0009, 0x000c, 0x000d, 0x0012, 0x0016,
					      0x0017, 0x0019, 0x001c, 0x8028, 0x8022 };
	unsigned int verdicts[4] = {}, round, i;
	struct stun_message parsed;
	struct message m;
	uint8_t value[32];

	(void)state;
	for (round = 0; round < 50000; round++) {
		begin(&m, dice() % 0x120);
		while (dice() % 4 && m.len < 1100) {
			for (i = 0; i < sizeof(value); i++)
				value[i] = dice() % 3 ? dice() : i == 1;
			add(&m, types[dice() % COUNT(types)], value,
			    dice() % 3 ? (unsigned int[]){ 4, 8, 20 }[dice() % 3] : dice() % 33);
		}
		for (i = dice() % 4; i; i--)
			m.data[dice() % m.len] = dice();
		if (dice() % 8 == 0)
			m.len = dice() % (m.len + 1);
		verdicts[parse(m.data, m.len, &parsed)]++;
		assert_true(parsed.peers <= STUN_PEERS || m.len < 20);
	}
	for (i = 0; i < COUNT(verdicts); i++)
		assert_true(i == STUN_TOO_LONG || verdicts[i] > 100);
}

const struct CMUnitTest stun_tests[] = {
	cmocka_unit_test(reads_the_messages_of_rfc_5769),
	cmocka_unit_test(reads_the_addresses_of_rfc_5769),
	cmocka_unit_test(a_message_cut_short_is_none),
	cmocka_unit_test(tells_stun_from_the_rest),
	cmocka_unit_test(trailing_bytes_are_irregular),
	cmocka_unit_test(a_wrong_length_is_irregular),
	cmocka_unit_test(longer_than_we_read_is_too_long),
	cmocka_unit_test(too_many_attributes_are_too_long),
	cmocka_unit_test(reads_every_attribute),
	cmocka_unit_test(reads_every_error_code),
	cmocka_unit_test(an_attribute_twice_is_irregular),
	cmocka_unit_test(one_relayed_address_of_each_family),
	cmocka_unit_test(an_additional_family_is_for_allocate),
	cmocka_unit_test(nothing_comes_behind_message_integrity),
	cmocka_unit_test(nothing_comes_behind_fingerprint),
	cmocka_unit_test(an_attribute_has_its_length),
	cmocka_unit_test(an_address_has_its_familys_length),
	cmocka_unit_test(a_permission_names_up_to_four_peers),
	cmocka_unit_test(unknown_attributes_are_skipped),
	cmocka_unit_test(an_attribute_ends_inside_the_message),
	cmocka_unit_test(survives_noise),
};
const size_t stun_test_count = COUNT(stun_tests);
