/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frames and STUN messages for the program tests. Written apart from lib/'s pure headers, on
 * purpose: a byte at a time, checksums summed up in full.
 */
#ifndef TEST_FRAME_H
#define TEST_FRAME_H

#include <stdbool.h>

#include <linux/types.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BE16(x) ((__u16)(((x) & 0xff) << 8 | ((x) >> 8 & 0xff)))
#define BE32(x) ((__u32)BE16((x) & 0xffff) << 16 | BE16((__u32)(x) >> 16))
#else
#define BE16(x) ((__u16)(x))
#define BE32(x) ((__u32)(x))
#endif
#define IP(a, b, c, d) BE32((__u32)(a) << 24 | (b) << 16 | (c) << 8 | (d))

struct endpoint {
	__be32 ip;
	__be16 port;
};

/* Who is who, unless a test says otherwise. */
#define CLIENT ((struct endpoint){ IP(192, 0, 2, 10), BE16(40000) })
#define CLIENT2 ((struct endpoint){ IP(192, 0, 2, 11), BE16(40001) })
#define SERVER ((struct endpoint){ IP(198, 51, 100, 1), BE16(3478) })
#define RELAY ((struct endpoint){ IP(198, 51, 100, 1), BE16(50000) })
#define PEER ((struct endpoint){ IP(203, 0, 113, 5), BE16(6000) })
#define PEER2 ((struct endpoint){ IP(203, 0, 113, 6), BE16(6001) })
#define NUMBER 0x4000 /* of the channel from CLIENT to PEER */

extern const __u8 device_mac[6]; /* the device under test; turn_self.mac */
extern const __u8 remote_mac[6]; /* where its frames come from */
extern const __u8 hop_mac[6];    /* where the server's frames go to */

struct frame {
	__u8 data[2048];
	unsigned int len;
};

/* Offsets of header fields in a frame. */
enum {
	AT_ETHERTYPE = 12,
	AT_IP = 14,
	AT_TOS = 15,
	AT_IP_LENGTH = 16,
	AT_ID = 18,
	AT_FRAGMENT = 20,
	AT_TTL = 22,
	AT_PROTOCOL = 23,
	AT_IP_CHECK = 24,
	AT_SOURCE = 26,
	AT_DESTINATION = 30,
	AT_UDP = 34,
	AT_UDP_LENGTH = 38,
	AT_UDP_CHECK = 40,
	AT_PAYLOAD = 42,
};

void put16(__u8 *at, unsigned int value); /* in network order */
unsigned int get16(const __u8 *at);

/* A UDP datagram to the device: TTL 64, DF set, both checksums right. */
void frame_udp(struct frame *f, struct endpoint from, struct endpoint to, const void *payload,
	       unsigned int len);

/* The same, but from the device to hop_mac: what the server sends. */
void frame_sent(struct frame *f, struct endpoint from, struct endpoint to, const void *payload,
		unsigned int len);

/* ChannelData as a payload; returns its length. @surplus bytes of 0xa5 follow. */
unsigned int channel_data(__u8 *to, __u16 number, const void *data, unsigned int len,
			  unsigned int surplus);

/* Makes the checksums right again after a header field was changed. */
void frame_fix_ip(struct frame *f);
void frame_fix_udp(struct frame *f);

/* An ICMP port unreachable of ours that quotes @quoted. */
void frame_unreachable(struct frame *f, const struct frame *quoted);

/* ---- STUN ------------------------------------------------------------------------------------ */

enum {
	ALLOCATE = 0x003,
	REFRESH = 0x004,
	CREATE_PERMISSION = 0x008,
	CHANNEL_BIND = 0x009,
	SUCCESS = 0x100,
	ERROR = 0x110,

	A_MAPPED = 0x0020,
	A_USERNAME = 0x0006,
	A_INTEGRITY = 0x0008,
	A_ERROR_CODE = 0x0009,
	A_CHANNEL = 0x000c,
	A_LIFETIME = 0x000d,
	A_PEER = 0x0012,
	A_RELAYED = 0x0016,
	A_FAMILY = 0x0017,
	A_TRANSPORT = 0x0019,
	A_SOFTWARE = 0x8022,
	A_FINGERPRINT = 0x8028,
};

struct message {
	__u8 data[1600];
	unsigned int len;
};

/* A header without attributes; the transaction id is made of @transaction. */
void stun_begin(struct message *m, unsigned int type, unsigned int transaction);
void stun_add(struct message *m, unsigned int attribute, const void *value, unsigned int len);
void stun_add32(struct message *m, unsigned int attribute, __u32 value); /* host order */
void stun_add_address(struct message *m, unsigned int attribute, struct endpoint address);
void stun_add_address6(struct message *m, unsigned int attribute);
void stun_sign(struct message *m); /* a MESSAGE-INTEGRITY; nobody here looks at its value */

/* Whole messages, as coturn and its clients write them. */
void ask_allocate(struct message *m, unsigned int transaction);
void ask_refresh(struct message *m, unsigned int transaction, __u32 lifetime);
void ask_permission(struct message *m, unsigned int transaction, struct endpoint peer);
void ask_bind(struct message *m, unsigned int transaction, __u16 number, struct endpoint peer);
void say_allocated(struct message *m, unsigned int transaction, struct endpoint relay,
		   __u32 lifetime);
void say_refreshed(struct message *m, unsigned int transaction, __u32 lifetime);
void say_success(struct message *m, unsigned int method, unsigned int transaction);
void say_error(struct message *m, unsigned int method, unsigned int transaction,
	       unsigned int code);

#endif
