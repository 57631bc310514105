/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ethernet, IPv4 and UDP headers as the relay reads and writes them. Pure (see csum.h).
 *
 * The fast path takes only frames whose headers lie at fixed offsets: untagged Ethernet II, IPv4
 * without options, not a fragment, UDP. Everything else is left to the stack.
 */
#ifndef TURN_PACKET_H
#define TURN_PACKET_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/types.h>
#include <linux/udp.h>

#include "csum.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define packet_be16(x) ((__u16)__builtin_bswap16(x))
#define packet_be32(x) ((__u32)__builtin_bswap32(x))
#else
#define packet_be16(x) ((__u16)(x))
#define packet_be32(x) ((__u32)(x))
#endif

/* Makes the compiler forget what it knows of a variable's range. */
#define packet_opaque(x) __asm__ volatile("" : "+r"(x))

#define PACKET_IP_OFFSET ETH_HLEN
#define PACKET_UDP_OFFSET (ETH_HLEN + sizeof(struct iphdr))
#define PACKET_HEADERS (ETH_HLEN + sizeof(struct iphdr) + sizeof(struct udphdr)) /* 42 */

#define PACKET_DF 0x4000      /* host order, in iphdr.frag_off */
#define PACKET_LONGEST 0x3fff /* bytes; no linear XDP frame is longer */
#define PACKET_OFFSET 0x1fff   /* not the first fragment */
#define PACKET_FRAGMENT 0x3fff /* more fragments, or an offset */

/* Pointers into one frame. @payload is the first byte after the UDP header. */
struct packet {
	struct ethhdr *eth;
	struct iphdr *ip;
	struct udphdr *udp;
	__u8 *payload;
};

/* 0 if [pos, end) begins with the headers that the fast path takes, and @p points to them;
 * -1 if not. Only the fixed headers are known to be there: see packet_udp4_whole(). */
static __always_inline int packet_udp4(void *pos, void *end, struct packet *p)
{
	p->eth = (struct ethhdr *)pos;
	p->ip = (struct iphdr *)((__u8 *)pos + PACKET_IP_OFFSET);
	p->udp = (struct udphdr *)((__u8 *)pos + PACKET_UDP_OFFSET);
	p->payload = (__u8 *)pos + PACKET_HEADERS;
	if ((void *)p->payload > end)
		return -1;
	if (p->eth->h_proto != packet_be16(ETH_P_IP) || *(__u8 *)p->ip != 0x45 ||
	    p->ip->protocol != IPPROTO_UDP || (p->ip->frag_off & packet_be16(PACKET_FRAGMENT)))
		return -1;
	return 0;
}

/*
 * The length of the UDP payload in bytes if the lengths of the frame, of IP and of UDP agree:
 * the frame (@frame_len bytes) may be longer than the IP packet (Ethernet padding), but UDP
 * fills IP exactly. -1 if they do not.
 */
static __always_inline int packet_udp4_whole(const struct packet *p, __u32 frame_len)
{
	__u32 ip_len = packet_be16(p->ip->tot_len);
	__u32 udp_len = packet_be16(p->udp->len);

	if (udp_len < sizeof(struct udphdr) || frame_len > PACKET_LONGEST ||
	    ip_len != udp_len + sizeof(struct iphdr) || frame_len < ETH_HLEN + ip_len)
		return -1;
	return (int)(udp_len - sizeof(struct udphdr));
}

#endif
