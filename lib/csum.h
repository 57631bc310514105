/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624). Pure: the same text
 * compiles for the kernel programs, the unit tests and the fuzzers.
 *
 * Sums are 48 bits wide at most and are folded once, at the end. 16- and 32-bit words are added
 * as they lie in memory: a one's complement sum does not care about byte order, and a 32-bit word
 * is worth the same as its two halves (2^16 = 1 modulo 2^16 - 1).
 */
#ifndef TURN_CSUM_H
#define TURN_CSUM_H

#include <linux/ip.h>
#include <linux/types.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* The 16-bit one's complement value of @sum, not complemented. @sum: below 2^48, which tens of
 * thousands of 32-bit words stay under. */
static __always_inline __u16 csum_fold(__u64 sum)
{
	sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32); /* at most 3 * 0xffff */
	sum = (sum & 0xffff) + (sum >> 16);                         /* at most 0x10000 */
	return (__u16)(sum + (sum >> 16));
}

/* What to add so that the words whose sum is @old no longer count. @old: below 2^43. */
static __always_inline __u64 csum_minus(__u64 old)
{
	return ((__u64)0xffff << 28) - old; /* a multiple of 0xffff is worth nothing */
}

/* The sum of an IPv4 header without options, the check field included: 0xffff when it is right
 * (RFC 791). @ip: 20 readable bytes. */
static __always_inline __u16 csum_ip4(const struct iphdr *ip)
{
	const __u32 *word = (const __u32 *)ip;

	return csum_fold((__u64)word[0] + word[1] + word[2] + word[3] + word[4]);
}

/* The sum of the IPv4 pseudo header (RFC 768) of a UDP datagram. @len: UDP length, network
 * order. */
static __always_inline __u64 csum_pseudo4(__be32 saddr, __be32 daddr, __be16 len)
{
	/* the protocol is the low byte of a 16-bit word in network order */
	const union {
		__u8 bytes[2];
		__u16 word;
	} proto = { .bytes = { 0, 17 } };

	return (__u64)saddr + daddr + proto.word + len;
}

/* From a sum to the value of a UDP check field: complemented, and 0 ("no checksum", RFC 768)
 * avoided by its other spelling. */
static __always_inline __u16 csum_udp_finish(__u64 sum)
{
	__u16 check = ~csum_fold(sum);

	return check ? check : 0xffff;
}

/*
 * True if the check field holds only the folded pseudo header, not complemented: what a local
 * sender with checksum offload leaves for its NIC to complete (CHECKSUM_PARTIAL). XDP sees no
 * flag for it. One good datagram in 65,536 looks the same by chance.
 */
static __always_inline int csum_is_partial(__u16 check, __u64 pseudo)
{
	return check && check == csum_fold(pseudo);
}

#endif
