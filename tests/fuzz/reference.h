/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the pure headers of lib/ and the kernel programs are compared with: the same messages and
 * frames, read by code that was written apart from theirs, a byte at a time, from the RFCs and
 * from the rules that the headers' comments promise.
 */
#ifndef FUZZ_REFERENCE_H
#define FUZZ_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

unsigned int ref_16(const __u8 *at);

/* ---- STUN ------------------------------------------------------------------------------------ */

/* In the order of enum stun_verdict. */
enum ref_verdict { REF_OK, REF_NOT_STUN, REF_TOO_LONG, REF_IRREGULAR };

struct ref_address {
	unsigned int family, port; /* host order */
	__u8 ip[16];               /* unmasked, network order */
};

#define REF_PEERS 4

struct ref_stun {
	unsigned int type;
	__u8 transaction[12];
	bool integrity, integrity256, fingerprint;
	bool has_error, has_channel, has_lifetime, has_family, has_transport;
	bool has_relayed, has_relayed6;
	unsigned int error, channel, lifetime, family, transport;
	unsigned int peers;
	struct ref_address peer[REF_PEERS], relayed;
};

/* Reads the @len bytes at @data, a whole UDP payload. @m is set only for REF_OK, but for type and
 * transaction, which are set unless it is REF_NOT_STUN. */
enum ref_verdict ref_stun(const __u8 *data, size_t len, struct ref_stun *m);

/* ---- frames ---------------------------------------------------------------------------------- */

/* One's complement sum of @len bytes, in network order, on top of @sum; folded: 0 to 0xffff. */
unsigned int ref_sum(const __u8 *data, size_t len, unsigned int sum);

/* Untagged Ethernet, IPv4 without options, UDP, no fragment, with all of its 42 bytes? */
bool ref_is_udp4(const __u8 *frame, size_t len);

/* Length of the UDP payload if all lengths agree, else -1. The frame is_udp4. */
int ref_payload(const __u8 *frame, size_t len);

/* Bytes behind the data of a ChannelData message with @length in its header, which is @payload
 * bytes long: 0 to 3, or -1. */
int ref_surplus(unsigned int length, unsigned int payload);

bool ref_ip_sound(const __u8 *frame); /* header checksum */

/* The sum of the UDP pseudo header, folded. */
unsigned int ref_pseudo(const __u8 *frame);

/* How far the UDP checksum is off: 0 when it is right, modulo 0xffff. The frame is whole. */
unsigned int ref_udp_error(const __u8 *frame);

/* Would the stack hand the datagram to its socket: both checksums right (or no UDP checksum)? */
bool ref_sound(const __u8 *frame);

#endif
