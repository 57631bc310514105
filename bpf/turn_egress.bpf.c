// SPDX-License-Identifier: GPL-2.0
/*
 * turn_egress: TC egress, on every attached device. Reads what the server sends:
 *
 *   STUN from a served listener       commits, renews and ends state         answers.h
 *   ChannelData from a listener,
 *   anything from a relay address     a heartbeat's twin: confirms           twins.h
 *   our own ICMP port unreachable     nobody is at that address any more
 *
 * It changes no packet and ends no chain of filters: always TC_ACT_UNSPEC.
 */
#include <linux/pkt_cls.h>

#include "answers.h"
#include "twins.h"

/* linux/icmp.h draws in half of libc */
#define ICMP_DEST_UNREACH 3
#define ICMP_PORT_UNREACH 3

struct turn_icmp {
	__u8 type, code;
	__u16 check;
	__u32 unused;
};

/* This host has no socket for the datagram that the ICMP message quotes: its flow and the other
 * direction go back to waiting for a proof. */
static __always_inline void turn_unreachable(struct __sk_buff *skb)
{
	struct {
		struct turn_icmp icmp;
		struct iphdr ip;
		struct udphdr udp;
	} quote;
	struct turn_key4 key = {}, partner;
	struct turn_flow *rem, *cli;

	if (bpf_skb_load_bytes(skb, PACKET_UDP_OFFSET, &quote, sizeof(quote)))
		return;
	if (quote.icmp.type != ICMP_DEST_UNREACH || quote.icmp.code != ICMP_PORT_UNREACH ||
	    *(__u8 *)&quote.ip != 0x45 || quote.ip.protocol != IPPROTO_UDP ||
	    !turn_port_used(quote.udp.dest))
		return;
	key.saddr = quote.ip.saddr;
	key.daddr = quote.ip.daddr;
	key.sport = quote.udp.source;
	key.dport = quote.udp.dest;
	rem = bpf_map_lookup_elem(&turn_flows, &key);
	if (!rem || (rem->flags & TURN_STATIC))
		return;
	turn_partner_key(&key, rem, &partner);
	turn_suspend(rem, TURN_REASON_UNREACHABLE);
	cli = bpf_map_lookup_elem(&turn_flows, &partner);
	if (cli && turn_leads_to(cli, &key))
		turn_suspend(cli, TURN_REASON_UNREACHABLE);
	turn_event(TURN_EVENT_UNREACHABLE);
}

/*
 * Was it sent by a socket of this host, in this network namespace? What is bridged or forwarded
 * through must not be able to speak for the server. It has come in by some device, and has no
 * socket, unless a container's, which a veth pair leaves on it.
 */
static __always_inline int is_ours(struct __sk_buff *skb)
{
	return !skb->ingress_ifindex && bpf_get_socket_cookie(skb);
}

static __always_inline void turn_read_sent(struct __sk_buff *skb)
{
	struct turn_config *config = turn_configuration();
	struct turn_flow *flow;
	struct turn_sent sent;
	struct turn_key4 key;
	__u32 length;
	int served;

	/* a GSO packet is several datagrams under one header: not read, which costs speed only */
	if (!config || skb->gso_size ||
	    bpf_skb_load_bytes(skb, 0, &sent.eth, PACKET_UDP_OFFSET) ||
	    sent.eth.h_proto != packet_be16(ETH_P_IP) || *(__u8 *)&sent.ip != 0x45 ||
	    (sent.ip.frag_off & packet_be16(PACKET_OFFSET)))
		return;
	if (sent.ip.protocol == IPPROTO_ICMP && is_ours(skb)) {
		turn_unreachable(skb);
		return;
	}
	if (sent.ip.protocol != IPPROTO_UDP ||
	    bpf_skb_load_bytes(skb, PACKET_UDP_OFFSET, &sent.udp, sizeof(sent.udp)) ||
	    !turn_port_used(sent.udp.source) || !is_ours(skb))
		return;
	served = turn_served(config, sent.ip.saddr, sent.udp.source);
	sent.channel.number = 0;
	if (served &&
	    bpf_skb_load_bytes(skb, PACKET_HEADERS, &sent.channel, sizeof(sent.channel)))
		return;
	turn_way_back(&sent, &key);
	if (served && !channel_number_ok(packet_be16(sent.channel.number)) &&
	    turn_is_echo(skb, &key))
		return;
	if (sent.ip.frag_off & packet_be16(PACKET_FRAGMENT)) {
		flow = served ? turn_flow_of_listener(&sent, &key)
			      : turn_flow_of_relay(&sent, &key);
		if (flow)
			turn_sent_in_pieces(&sent, flow);
		return;
	}
	length = packet_be16(sent.udp.len);
	if (length < sizeof(sent.udp) || skb->len < PACKET_UDP_OFFSET + length)
		return;
	sent.payload = length - sizeof(sent.udp);

	if (!served) {
		turn_twin_to_peer(skb, &sent);
		return;
	}
	if (sent.payload < sizeof(sent.channel))
		return;
	if (channel_number_ok(packet_be16(sent.channel.number))) {
		turn_twin_to_client(skb, &sent);
		return;
	}
	turn_answer(skb, &key, config, sent.payload);
}

SEC("tc")
int turn_egress(struct __sk_buff *skb)
{
	turn_read_sent(skb);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
