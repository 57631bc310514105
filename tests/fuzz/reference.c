// SPDX-License-Identifier: GPL-2.0
#include "reference.h"

#include <string.h>

unsigned int ref_16(const __u8 *at)
{
	return at[0] * 256u + at[1];
}

/* ---- STUN ------------------------------------------------------------------------------------ */

static const __u8 cookie[4] = { 0x21, 0x12, 0xa4, 0x42 };

/* RFC 8489, section 14.2; @message is the whole, for its mask. */
static bool read_address(const __u8 *message, const __u8 *value, size_t len, struct ref_address *a)
{
	size_t bytes = len - 4, i;

	if (len != 8 && len != 20)
		return false;
	a->family = value[1];
	if (a->family != (len == 8 ? 1 : 2))
		return false;
	a->port = ref_16(value + 2) ^ 0x2112;
	for (i = 0; i < bytes; i++)
		a->ip[i] = value[4 + i] ^ message[4 + i];
	return true;
}

/* An attribute that must come once, with a length from @least to @most. */
static bool once(bool *has, size_t len, size_t least, size_t most)
{
	if (*has || len < least || len > most)
		return false;
	*has = true;
	return true;
}

static enum ref_verdict read_peer(const __u8 *message, const __u8 *value, size_t len,
				  struct ref_stun *m)
{
	bool several = (m->type & ~0x110u) == 0x008; /* CreatePermission, RFC 8656 section 10.1 */

	if (m->peers == REF_PEERS)
		return REF_TOO_LONG;
	if (m->peers > 0 && !several)
		return REF_IRREGULAR;
	return read_address(message, value, len, &m->peer[m->peers++]) ? REF_OK : REF_IRREGULAR;
}

static enum ref_verdict read_relayed(const __u8 *message, const __u8 *value, size_t len,
				     struct ref_stun *m)
{
	struct ref_address address = {};
	bool *has;

	if (!read_address(message, value, len, &address))
		return REF_IRREGULAR;
	has = address.family == 1 ? &m->has_relayed : &m->has_relayed6;
	if (*has)
		return REF_IRREGULAR;
	*has = true;
	if (address.family == 1)
		m->relayed = address;
	return REF_OK;
}

static enum ref_verdict read_attribute(const __u8 *message, unsigned int type, const __u8 *value,
				       size_t len, struct ref_stun *m)
{
	bool ok = true;

	if (m->fingerprint)
		return REF_IRREGULAR; /* it is the last */
	if ((m->integrity || m->integrity256) && type != 0x001c && type != 0x8028)
		return REF_IRREGULAR; /* what is not signed */
	if (type == 0x0012)
		return read_peer(message, value, len, m);
	if (type == 0x0016)
		return read_relayed(message, value, len, m);
	if (type == 0x0008) {
		ok = once(&m->integrity, len, 20, 20);
	} else if (type == 0x001c) {
		ok = once(&m->integrity256, len, 0, 0xffff);
	} else if (type == 0x8028) {
		ok = once(&m->fingerprint, len, 4, 4);
	} else if (type == 0x0009) {
		ok = once(&m->has_error, len, 4, 0xffff);
		if (ok)
			m->error = value[2] % 8 * 100 + value[3];
	} else if (type == 0x000c) {
		ok = once(&m->has_channel, len, 4, 4);
		if (ok)
			m->channel = ref_16(value);
	} else if (type == 0x000d) {
		ok = once(&m->has_lifetime, len, 4, 4);
		if (ok)
			m->lifetime = ref_16(value) * 65536u + ref_16(value + 2);
	} else if (type == 0x0017) {
		ok = once(&m->has_family, len, 4, 4);
		if (ok)
			m->family = value[0];
	} else if (type == 0x0019) {
		ok = once(&m->has_transport, len, 4, 4);
		if (ok)
			m->transport = value[0];
	} else if (type == 0x8000 || type == 0x8032) {
		ok = (m->type & ~0x110u) != 0x004; /* what would a Refresh be for? */
	}
	return ok ? REF_OK : REF_IRREGULAR;
}

enum ref_verdict ref_stun(const __u8 *data, size_t len, struct ref_stun *m)
{
	enum ref_verdict verdict;
	size_t at = 20, length;
	unsigned int count;

	memset(m, 0, sizeof(*m));
	if (len < 20 || data[0] >= 64 || memcmp(data + 4, cookie, 4))
		return REF_NOT_STUN;
	m->type = ref_16(data);
	memcpy(m->transaction, data + 8, 12);
	if (len > 1024)
		return REF_TOO_LONG;
	if (ref_16(data + 2) + 20 != len || len % 4)
		return REF_IRREGULAR;
	for (count = 0; at < len; count++) {
		if (count == 32)
			return REF_TOO_LONG;
		length = ref_16(data + at + 2); /* 4 bytes are there: all is in multiples of 4 */
		if (length > len - at - 4)
			return REF_IRREGULAR;
		verdict = read_attribute(data, ref_16(data + at), data + at + 4, length, m);
		if (verdict != REF_OK)
			return verdict;
		at += 4 + length;
		while (at % 4)
			at++;
	}
	return REF_OK;
}

/* ---- frames ---------------------------------------------------------------------------------- */

unsigned int ref_sum(const __u8 *data, size_t len, unsigned int sum)
{
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += ref_16(data + i);
	if (len % 2)
		sum += data[len - 1] * 256u;
	while (sum > 0xffff)
		sum = sum % 0x10000 + sum / 0x10000;
	return sum;
}

bool ref_is_udp4(const __u8 *frame, size_t len)
{
	if (len < 42)
		return false;
	/* version, header length; more fragments, offset */
	return ref_16(frame + 12) == 0x0800 && frame[14] == 0x45 && frame[23] == 17 &&
	       !(frame[20] & 0x3f) && !frame[21];
}

int ref_payload(const __u8 *frame, size_t len)
{
	unsigned int ip = ref_16(frame + 16), udp = ref_16(frame + 38);

	if (udp < 8 || ip != 20 + udp || 14 + ip > len || len >= 16384)
		return -1;
	return udp - 8;
}

int ref_surplus(unsigned int length, unsigned int payload)
{
	unsigned int surplus;

	for (surplus = 0; surplus < 4; surplus++)
		if (4 + length + surplus == payload)
			return length || !surplus ? (int)surplus : -1;
	return -1;
}

bool ref_ip_sound(const __u8 *frame)
{
	return ref_sum(frame + 14, 20, 0) == 0xffff;
}

unsigned int ref_pseudo(const __u8 *frame)
{
	return ref_sum(frame + 26, 8, 17 + ref_16(frame + 38));
}

unsigned int ref_udp_error(const __u8 *frame)
{
	return ref_sum(frame + 34, ref_16(frame + 38), ref_pseudo(frame)) % 0xffff;
}

bool ref_sound(const __u8 *frame)
{
	return ref_ip_sound(frame) && (!ref_16(frame + 40) || !ref_udp_error(frame));
}
