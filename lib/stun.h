/* SPDX-License-Identifier: GPL-2.0 */
/*
 * STUN messages (RFC 8489) with the TURN attributes (RFC 8656) that say what a server has
 * sanctioned. Pure (see csum.h), except that it reads from a buffer that the caller has filled:
 * the kernel's verifier follows an index into a map value more easily than a packet pointer.
 *
 * The parser is strict on purpose. A server may read a message in another way than we do
 * (coturn takes the last of two XOR-PEER-ADDRESS, and honours attributes behind
 * MESSAGE-INTEGRITY), so a message that leaves room for two readings is STUN_IRREGULAR and is
 * not learned from.
 */
#ifndef TURN_STUN_H
#define TURN_STUN_H

#include <linux/types.h>

#include "packet.h"

#define STUN_HEADER 20
#define STUN_COOKIE 0x2112a442u
#define STUN_MAX 1024       /* longest message that is learned from, bytes */
#define STUN_BUFFER (2 * STUN_MAX + 32) /* room for any read that starts at a masked offset */
#define STUN_ATTRIBUTES 32  /* most attributes that are looked at */
#define STUN_PEERS 4        /* most XOR-PEER-ADDRESS of one CreatePermission */

enum stun_method {
	STUN_BINDING = 0x001,
	STUN_ALLOCATE = 0x003,
	STUN_REFRESH = 0x004,
	STUN_CREATE_PERMISSION = 0x008,
	STUN_CHANNEL_BIND = 0x009,
};

enum stun_class {
	STUN_REQUEST = 0x000,
	STUN_INDICATION = 0x010,
	STUN_SUCCESS = 0x100,
	STUN_ERROR = 0x110,
};

#define STUN_CLASS_MASK 0x110
#define STUN_METHOD(type) ((type) & ~STUN_CLASS_MASK) /* exact for methods below 0x010 */

enum stun_attribute {
	STUN_MESSAGE_INTEGRITY = 0x0008,
	STUN_ERROR_CODE = 0x0009,
	STUN_CHANNEL_NUMBER = 0x000c,
	STUN_LIFETIME = 0x000d,
	STUN_XOR_PEER_ADDRESS = 0x0012,
	STUN_XOR_RELAYED_ADDRESS = 0x0016,
	STUN_REQUESTED_ADDRESS_FAMILY = 0x0017,
	STUN_REQUESTED_TRANSPORT = 0x0019,
	STUN_MESSAGE_INTEGRITY_SHA256 = 0x001c,
	STUN_ADDITIONAL_ADDRESS_FAMILY = 0x8000,
	STUN_ADDITIONAL_ADDRESS_FAMILY_DRAFT = 0x8032, /* as coturn before 4.10 knows it */
	STUN_FINGERPRINT = 0x8028,
};

/* Bits of stun_message.has. */
enum stun_has {
	STUN_HAS_INTEGRITY = 1 << 0,
	STUN_HAS_ERROR = 1 << 1,
	STUN_HAS_CHANNEL = 1 << 2,
	STUN_HAS_LIFETIME = 1 << 3,
	STUN_HAS_RELAYED = 1 << 4,
	STUN_HAS_RELAYED6 = 1 << 5,
	STUN_HAS_FAMILY = 1 << 6,
	STUN_HAS_TRANSPORT = 1 << 7,
	STUN_HAS_INTEGRITY256 = 1 << 8,
	STUN_HAS_FINGERPRINT = 1 << 9,
};

enum stun_verdict {
	STUN_OK = 0,
	STUN_NOT_STUN,  /* no STUN header here */
	STUN_TOO_LONG,  /* longer than STUN_MAX, or too many attributes or peers */
	STUN_IRREGULAR, /* leaves room for two readings, or is malformed */
};

#define STUN_IPV4 0x01 /* address families as STUN writes them */
#define STUN_IPV6 0x02

struct stun_address {
	__be32 ip[4]; /* the first only for STUN_IPV4 */
	__be16 port;
	__u8 family;
	__u8 zero;
};

struct stun_message {
	__u32 has;       /* enum stun_has */
	__u16 type;      /* host order */
	__u16 peers;     /* how many of peer[] are set */
	__u32 lifetime;  /* seconds */
	__be16 channel;
	__u16 error;     /* 300 to 699 */
	__u8 family;     /* REQUESTED-ADDRESS-FAMILY */
	__u8 transport;  /* REQUESTED-TRANSPORT, an IP protocol number */
	__u8 transaction[12];
	__u16 offset;    /* of the next attribute to read */
	struct stun_address peer[STUN_PEERS];
	struct stun_address relayed; /* the IPv4 one */
};

static __always_inline __u16 stun_read16(const __u8 *p)
{
	return (__u16)(p[0] << 8 | p[1]);
}

static __always_inline __u32 stun_read32(const __u8 *p)
{
	return (__u32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* Does a UDP payload that begins with these 8 bytes look like STUN? */
static __always_inline int stun_is_stun(const __u8 *p)
{
	return !(p[0] & 0xc0) && stun_read32(p + 4) == STUN_COOKIE;
}

/* Decodes the value of an XOR-*-ADDRESS (RFC 8489 section 14.2) of @length bytes at @value. Its
 * mask is the message's bytes from the cookie on; @header is the message's first byte. */
static __always_inline enum stun_verdict stun_read_address(const __u8 *header, const __u8 *value,
							   __u32 length, struct stun_address *a)
{
	const __u32 *mask = (const __u32 *)(header + 4), *ip = (const __u32 *)(value + 4);

	a->family = value[1];
	a->port = packet_be16((__u16)(stun_read16(value + 2) ^ (STUN_COOKIE >> 16)));
	a->ip[0] = ip[0] ^ mask[0];
	if (value[1] == STUN_IPV4)
		return length == 8 ? STUN_OK : STUN_IRREGULAR;
	a->ip[1] = ip[1] ^ mask[1];
	a->ip[2] = ip[2] ^ mask[2];
	a->ip[3] = ip[3] ^ mask[3];
	return value[1] == STUN_IPV6 && length == 20 ? STUN_OK : STUN_IRREGULAR;
}

/* Notes that an attribute which must come once has come; false if it is here again. */
static __always_inline int stun_once(struct stun_message *m, __u32 bit)
{
	if (m->has & bit)
		return 0;
	m->has |= bit;
	return 1;
}

/* Takes in one attribute of @length bytes at @value (20 more readable bytes at least). */
static __always_inline enum stun_verdict stun_take(const __u8 *header, __u16 type,
						   const __u8 *value, __u32 length,
						   struct stun_message *m)
{
	/* behind MESSAGE-INTEGRITY, only these two may come (RFC 8489 section 14.5) */
	if ((m->has & (STUN_HAS_INTEGRITY | STUN_HAS_INTEGRITY256)) &&
	    type != STUN_MESSAGE_INTEGRITY_SHA256 && type != STUN_FINGERPRINT)
		return STUN_IRREGULAR;
	if (m->has & STUN_HAS_FINGERPRINT)
		return STUN_IRREGULAR; /* it is the last (section 14.7) */

	switch (type) {
	case STUN_MESSAGE_INTEGRITY:
		return length == 20 && stun_once(m, STUN_HAS_INTEGRITY) ? STUN_OK : STUN_IRREGULAR;
	case STUN_MESSAGE_INTEGRITY_SHA256:
		return stun_once(m, STUN_HAS_INTEGRITY256) ? STUN_OK : STUN_IRREGULAR;
	case STUN_FINGERPRINT:
		return length == 4 && stun_once(m, STUN_HAS_FINGERPRINT) ? STUN_OK : STUN_IRREGULAR;
	case STUN_ERROR_CODE:
		if (length < 4 || !stun_once(m, STUN_HAS_ERROR))
			return STUN_IRREGULAR;
		m->error = (value[2] & 7) * 100 + value[3];
		return STUN_OK;
	case STUN_CHANNEL_NUMBER:
		if (length != 4 || !stun_once(m, STUN_HAS_CHANNEL))
			return STUN_IRREGULAR;
		m->channel = packet_be16(stun_read16(value));
		return STUN_OK;
	case STUN_LIFETIME:
		if (length != 4 || !stun_once(m, STUN_HAS_LIFETIME))
			return STUN_IRREGULAR;
		m->lifetime = stun_read32(value);
		return STUN_OK;
	case STUN_REQUESTED_ADDRESS_FAMILY:
		if (length != 4 || !stun_once(m, STUN_HAS_FAMILY))
			return STUN_IRREGULAR;
		m->family = value[0];
		return STUN_OK;
	case STUN_ADDITIONAL_ADDRESS_FAMILY:
	case STUN_ADDITIONAL_ADDRESS_FAMILY_DRAFT:
		/* It is for Allocate (RFC 8656 section 18.11). coturn lets it choose what a Refresh
		 * is for, too. */
		return STUN_METHOD(m->type) == STUN_REFRESH ? STUN_IRREGULAR : STUN_OK;
	case STUN_REQUESTED_TRANSPORT:
		if (length != 4 || !stun_once(m, STUN_HAS_TRANSPORT))
			return STUN_IRREGULAR;
		m->transport = value[0];
		return STUN_OK;
	case STUN_XOR_RELAYED_ADDRESS:
		/* an allocation of both families has one of each (RFC 8656 section 7.2) */
		if (value[1] == STUN_IPV6)
			return length == 20 && stun_once(m, STUN_HAS_RELAYED6) ? STUN_OK
									       : STUN_IRREGULAR;
		if (!stun_once(m, STUN_HAS_RELAYED))
			return STUN_IRREGULAR;
		return stun_read_address(header, value, length, &m->relayed);
	case STUN_XOR_PEER_ADDRESS:
		/* a CreatePermission may name several peers (RFC 8656 section 10.1) */
		if (m->peers >= STUN_PEERS)
			return STUN_TOO_LONG;
		if (m->peers && STUN_METHOD(m->type) != STUN_CREATE_PERMISSION)
			return STUN_IRREGULAR;
		return stun_read_address(header, value, length, &m->peer[m->peers++ % STUN_PEERS]);
	default:
		return STUN_OK;
	}
}

/*
 * Reads the message of @len bytes (a whole UDP payload) at @buf into @m. @buf has STUN_BUFFER
 * readable bytes, whatever @len is, and is aligned to 4. On anything but STUN_OK, @m is not to be
 * used (its transaction and type are set unless STUN_NOT_STUN).
 *
 * @m must not be on the stack of a kernel program: what comes back from a map is unknown to the
 * verifier, which keeps it from following each combination of attributes on its own.
 */
static __always_inline enum stun_verdict stun_parse(const __u8 *buf, __u32 len,
						    struct stun_message *m)
{
	enum stun_verdict verdict;
	int i;

	if (len < STUN_HEADER || !stun_is_stun(buf))
		return STUN_NOT_STUN;
	__builtin_memset(m, 0, sizeof(*m));
	m->type = stun_read16(buf);
	__builtin_memcpy(m->transaction, buf + 8, sizeof(m->transaction));
	if (len > STUN_MAX)
		return STUN_TOO_LONG;
	if (stun_read16(buf + 2) != len - STUN_HEADER || len % 4)
		return STUN_IRREGULAR;

	m->offset = STUN_HEADER;
	for (i = 0; i < STUN_ATTRIBUTES; i++) {
		__u32 offset = m->offset;
		const __u8 *attribute;
		__u32 length;

		if (offset == len)
			return STUN_OK;
		if (offset + 4 > len)
			return STUN_IRREGULAR;
		/* no-op: offset < len <= STUN_MAX. The compiler must not know it, and leave it out,
		 * since the verifier does not see it. */
		packet_opaque(offset);
		offset &= 2 * STUN_MAX - 1;
		attribute = buf + offset;
		length = stun_read16(attribute + 2);
		if (offset + 4 + length > len)
			return STUN_IRREGULAR;
		verdict = stun_take(buf, stun_read16(attribute), attribute + 4, length, m);
		if (verdict != STUN_OK)
			return verdict;
		m->offset = (__u16)(offset + 4 + ((length + 3) & ~3u));
	}
	return m->offset == len ? STUN_OK : STUN_TOO_LONG;
}

#endif
