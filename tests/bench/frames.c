// SPDX-License-Identifier: GPL-2.0
#include "frames.h"

#include <linux/if_arp.h>
#include <string.h>

#include "channel.h"
#include "stun.h"

const __u8 bench_own_mac[ETH_ALEN] = { 0x02, 0, 0, 0, 0, 0x01 };
const __u8 bench_hop_mac[ETH_ALEN] = { 0x02, 0, 0, 0, 0, 0x02 };

static __u64 sum_words(const __u8 *bytes, __u32 length)
{
	__u64 sum = 0;
	__u32 i;

	for (i = 0; i < length; i++)
		sum += i & 1 ? packet_be16(bytes[i]) : packet_be16(bytes[i] << 8);
	return sum;
}

static void put16(__u8 **at, __u16 value)
{
	*(*at)++ = value >> 8;
	*(*at)++ = value;
}

static void put32(__u8 **at, __u32 value)
{
	put16(at, value >> 16);
	put16(at, value);
}

static __u8 *put_ethernet(struct bench_frame *frame, __u16 type)
{
	struct ethhdr *eth = (struct ethhdr *)frame->bytes;

	memset(frame, 0, sizeof(*frame));
	memcpy(eth->h_dest, bench_own_mac, ETH_ALEN);
	memcpy(eth->h_source, bench_hop_mac, ETH_ALEN);
	eth->h_proto = packet_be16(type);
	frame->length = ETH_ZLEN;
	return frame->bytes + ETH_HLEN;
}

static struct iphdr *put_ip(struct bench_frame *frame, __u8 protocol, __u32 from, __u32 to,
			    __u32 length)
{
	struct iphdr *ip = (struct iphdr *)put_ethernet(frame, ETH_P_IP);

	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = packet_be16(sizeof(*ip) + length);
	ip->id = packet_be16(0x1234);
	ip->frag_off = packet_be16(PACKET_DF);
	ip->ttl = 64;
	ip->protocol = protocol;
	ip->saddr = packet_be32(from);
	ip->daddr = packet_be32(to);
	ip->check = ~csum_fold(sum_words((const __u8 *)ip, sizeof(*ip)));
	if (frame->length < ETH_HLEN + sizeof(*ip) + length)
		frame->length = ETH_HLEN + sizeof(*ip) + length;
	return ip;
}

static void put_udp(struct bench_frame *frame, __u32 from, __u16 sport, __u32 to, __u16 dport,
		    const __u8 *payload, __u32 length)
{
	__u32 udp_len = sizeof(struct udphdr) + length;
	struct iphdr *ip = put_ip(frame, IPPROTO_UDP, from, to, udp_len);
	struct udphdr *udp = (struct udphdr *)(ip + 1);

	udp->source = packet_be16(sport);
	udp->dest = packet_be16(dport);
	udp->len = packet_be16(udp_len);
	memcpy(udp + 1, payload, length);
	udp->check = csum_udp_finish(csum_pseudo4(ip->saddr, ip->daddr, udp->len) +
				     sum_words((const __u8 *)udp, udp_len));
}

static __u32 make_data(__u8 *at)
{
	int i;

	for (i = 0; i < BENCH_DATA; i++)
		at[i] = i * 7;
	return BENCH_DATA;
}

static __u32 make_channel_data(__u8 *buffer, __u16 number)
{
	__u8 *at = buffer;

	put16(&at, number);
	put16(&at, BENCH_DATA);
	return CHANNEL_HEADER + make_data(at);
}

static void put_attribute(__u8 **at, __u16 type, __u16 length)
{
	put16(at, type);
	put16(at, length);
}

/* As a client sends it, with a long-term credential. */
static __u32 make_bind(__u8 *buffer)
{
	__u8 *at = buffer;

	put16(&at, STUN_CHANNEL_BIND);
	put16(&at, 0);
	put32(&at, STUN_COOKIE);
	at += 12; /* the transaction */
	put_attribute(&at, STUN_CHANNEL_NUMBER, 4);
	put16(&at, BENCH_CHANNEL);
	put16(&at, 0);
	put_attribute(&at, STUN_XOR_PEER_ADDRESS, 8);
	put16(&at, STUN_IPV4);
	put16(&at, BENCH_PEER_PORT ^ (STUN_COOKIE >> 16));
	put32(&at, BENCH_PEER ^ STUN_COOKIE);
	put_attribute(&at, 0x0006, 8); /* USERNAME */
	at += 8;
	put_attribute(&at, 0x0014, 12); /* REALM */
	at += 12;
	put_attribute(&at, 0x0015, 16); /* NONCE */
	at += 16;
	put_attribute(&at, STUN_MESSAGE_INTEGRITY, 20);
	at += 20;
	buffer[3] = at - buffer - STUN_HEADER;
	return at - buffer;
}

static void put_arp(struct bench_frame *frame)
{
	__u8 *at = put_ethernet(frame, ETH_P_ARP);

	put16(&at, ARPHRD_ETHER);
	put16(&at, ETH_P_IP);
	*at++ = ETH_ALEN;
	*at++ = 4;
	put16(&at, ARPOP_REQUEST);
}

void bench_frame_make(struct bench_frame *frame, enum bench_kind kind)
{
	__u8 payload[512] = {};

	switch (kind) {
	case BENCH_CHANNELDATA:
		put_udp(frame, BENCH_CLIENT, BENCH_CLIENT_PORT, BENCH_SERVER, BENCH_LISTENER_PORT,
			payload, make_channel_data(payload, BENCH_CHANNEL));
		break;
	case BENCH_UNBOUND:
		put_udp(frame, BENCH_CLIENT, BENCH_CLIENT_PORT, BENCH_SERVER, BENCH_LISTENER_PORT,
			payload, make_channel_data(payload, BENCH_CHANNEL + 1));
		break;
	case BENCH_PEERDATA:
		put_udp(frame, BENCH_PEER, BENCH_PEER_PORT, BENCH_SERVER, BENCH_RELAY_PORT,
			payload, make_data(payload));
		break;
	case BENCH_OTHER_UDP:
		put_udp(frame, BENCH_PEER, 53, BENCH_SERVER, 33333, payload, make_data(payload));
		break;
	case BENCH_BIND:
		put_udp(frame, BENCH_CLIENT, BENCH_CLIENT_PORT, BENCH_SERVER, BENCH_LISTENER_PORT,
			payload, make_bind(payload));
		break;
	case BENCH_OTHER_TCP:
		put_ip(frame, IPPROTO_TCP, BENCH_PEER, BENCH_SERVER, 20);
		break;
	case BENCH_OTHER_ARP:
		put_arp(frame);
		break;
	}
}
