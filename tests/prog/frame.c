// SPDX-License-Identifier: GPL-2.0
#include "frame.h"

#include <string.h>

const __u8 device_mac[6] = { 2, 0, 0, 0, 0, 1 };
const __u8 remote_mac[6] = { 2, 0, 0, 0, 0, 2 };
const __u8 hop_mac[6] = { 2, 0, 0, 0, 0, 3 };

void put16(__u8 *at, unsigned int value)
{
	at[0] = value >> 8;
	at[1] = value;
}

unsigned int get16(const __u8 *at)
{
	return at[0] << 8 | at[1];
}

/* Big-endian words, one by one (RFC 1071, section 4.1). */
static unsigned int sum16(const __u8 *at, unsigned int len, unsigned int sum)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		sum += i & 1 ? at[i] : at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

void frame_fix_ip(struct frame *f)
{
	put16(f->data + AT_IP_CHECK, 0);
	put16(f->data + AT_IP_CHECK, 0xffff - sum16(f->data + AT_IP, 20, 0));
}

void frame_fix_udp(struct frame *f)
{
	unsigned int len = get16(f->data + AT_UDP_LENGTH), sum;

	put16(f->data + AT_UDP_CHECK, 0);
	sum = sum16(f->data + AT_SOURCE, 8, 17 + len);
	sum = 0xffff - sum16(f->data + AT_UDP, len, sum);
	put16(f->data + AT_UDP_CHECK, sum ? sum : 0xffff);
}

void frame_udp(struct frame *f, struct endpoint from, struct endpoint to, const void *payload,
	       unsigned int len)
{
	__u8 *d = f->data;

	memset(d, 0, AT_PAYLOAD);
	memcpy(d, device_mac, 6);
	memcpy(d + 6, remote_mac, 6);
	put16(d + AT_ETHERTYPE, 0x0800);
	d[AT_IP] = 0x45;
	put16(d + AT_IP_LENGTH, 28 + len);
	put16(d + AT_ID, 0x1234);
	put16(d + AT_FRAGMENT, 0x4000);
	d[AT_TTL] = 64;
	d[AT_PROTOCOL] = 17;
	memcpy(d + AT_SOURCE, &from.ip, 4);
	memcpy(d + AT_DESTINATION, &to.ip, 4);
	memcpy(d + AT_UDP, &from.port, 2);
	memcpy(d + AT_UDP + 2, &to.port, 2);
	put16(d + AT_UDP_LENGTH, 8 + len);
	memcpy(d + AT_PAYLOAD, payload, len);
	f->len = AT_PAYLOAD + len;
	frame_fix_ip(f);
	frame_fix_udp(f);
}

void frame_sent(struct frame *f, struct endpoint from, struct endpoint to, const void *payload,
		unsigned int len)
{
	frame_udp(f, from, to, payload, len);
	memcpy(f->data, hop_mac, 6);
	memcpy(f->data + 6, device_mac, 6);
}

unsigned int channel_data(__u8 *to, __u16 number, const void *data, unsigned int len,
			  unsigned int surplus)
{
	put16(to, number);
	put16(to + 2, len);
	memcpy(to + 4, data, len);
	memset(to + 4 + len, 0xa5, surplus);
	return 4 + len + surplus;
}

void frame_unreachable(struct frame *f, const struct frame *quoted)
{
	const __u8 *q = quoted->data;
	__u8 *d = f->data;

	memset(d, 0, 128);
	memcpy(d, q + 6, 6);
	memcpy(d + 6, q, 6);
	put16(d + AT_ETHERTYPE, 0x0800);
	d[AT_IP] = 0x45;
	put16(d + AT_IP_LENGTH, 20 + 8 + 28);
	d[AT_TTL] = 64;
	d[AT_PROTOCOL] = 1;
	memcpy(d + AT_SOURCE, q + AT_DESTINATION, 4);
	memcpy(d + AT_DESTINATION, q + AT_SOURCE, 4);
	frame_fix_ip(f);
	d[34] = 3; /* destination unreachable: */
	d[35] = 3; /* port */
	memcpy(d + 42, q + AT_IP, 28);
	put16(d + 36, 0xffff - sum16(d + 34, 36, 0));
	f->len = 42 + 28;
}

void stun_begin(struct message *m, unsigned int type, unsigned int transaction)
{
	static const __u8 cookie[4] = { 0x21, 0x12, 0xa4, 0x42 };
	int i;

	memset(m, 0, sizeof(*m));
	put16(m->data, type);
	memcpy(m->data + 4, cookie, 4);
	for (i = 0; i < 12; i++)
		m->data[8 + i] = transaction * 17 + i;
	put16(m->data + 18, transaction);
	m->len = 20;
}

void stun_add(struct message *m, unsigned int attribute, const void *value, unsigned int len)
{
	put16(m->data + m->len, attribute);
	put16(m->data + m->len + 2, len);
	memcpy(m->data + m->len + 4, value, len);
	m->len += 4 + (len + 3) / 4 * 4;
	put16(m->data + 2, m->len - 20);
}

void stun_add32(struct message *m, unsigned int attribute, __u32 value)
{
	__u8 bytes[4] = { value >> 24, value >> 16, value >> 8, value };

	stun_add(m, attribute, bytes, 4);
}

void stun_add_address(struct message *m, unsigned int attribute, struct endpoint address)
{
	__u8 value[8] = { 0, 1 };
	int i;

	memcpy(value + 2, &address.port, 2);
	memcpy(value + 4, &address.ip, 4);
	for (i = 0; i < 2; i++)
		value[2 + i] ^= m->data[4 + i];
	for (i = 0; i < 4; i++)
		value[4 + i] ^= m->data[4 + i];
	stun_add(m, attribute, value, 8);
}

void stun_add_address6(struct message *m, unsigned int attribute)
{
	__u8 value[20] = { 0, 2, 0x12, 0x34, 0x20, 0x01, 0x0d, 0xb8 };

	stun_add(m, attribute, value, 20);
}

void stun_sign(struct message *m)
{
	static const __u8 mac[20] = { 0xde, 0xad };

	stun_add(m, A_INTEGRITY, mac, 20);
}

void ask_allocate(struct message *m, unsigned int transaction)
{
	stun_begin(m, ALLOCATE, transaction);
	stun_add(m, A_TRANSPORT, "\x11\0\0", 4);
	stun_add(m, A_USERNAME, "someone", 7);
	stun_sign(m);
}

void ask_refresh(struct message *m, unsigned int transaction, __u32 lifetime)
{
	stun_begin(m, REFRESH, transaction);
	stun_add32(m, A_LIFETIME, lifetime);
	stun_add(m, A_USERNAME, "someone", 7);
	stun_sign(m);
}

void ask_permission(struct message *m, unsigned int transaction, struct endpoint peer)
{
	stun_begin(m, CREATE_PERMISSION, transaction);
	stun_add_address(m, A_PEER, peer);
	stun_add(m, A_USERNAME, "someone", 7);
	stun_sign(m);
}

void ask_bind(struct message *m, unsigned int transaction, __u16 number, struct endpoint peer)
{
	stun_begin(m, CHANNEL_BIND, transaction);
	stun_add32(m, A_CHANNEL, (__u32)number << 16);
	stun_add_address(m, A_PEER, peer);
	stun_add(m, A_USERNAME, "someone", 7);
	stun_sign(m);
}

void say_allocated(struct message *m, unsigned int transaction, struct endpoint relay,
		   __u32 lifetime)
{
	stun_begin(m, ALLOCATE | SUCCESS, transaction);
	stun_add_address(m, A_RELAYED, relay);
	stun_add_address(m, A_MAPPED, CLIENT);
	stun_add32(m, A_LIFETIME, lifetime);
	stun_add(m, A_SOFTWARE, "a server", 8);
	stun_sign(m);
}

void say_refreshed(struct message *m, unsigned int transaction, __u32 lifetime)
{
	stun_begin(m, REFRESH | SUCCESS, transaction);
	stun_add32(m, A_LIFETIME, lifetime);
	stun_sign(m);
}

void say_success(struct message *m, unsigned int method, unsigned int transaction)
{
	stun_begin(m, method | SUCCESS, transaction);
	stun_add(m, A_SOFTWARE, "a server", 8);
	stun_sign(m);
}

void say_error(struct message *m, unsigned int method, unsigned int transaction,
	       unsigned int code)
{
	__u8 value[8] = { 0, 0, code / 100, code % 100, 'o', 'h', 'n', 'o' };

	stun_begin(m, method | ERROR, transaction);
	stun_add(m, A_ERROR_CODE, value, sizeof(value));
}
