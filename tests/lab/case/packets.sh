# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # words.sh's; jq's $variables are not the shell's
# Packets that are not for the kernel.

case_odd_packets_go_to_the_server() {
	local mac peer_mac
	started two                                  # a bridge may drop what has a wrong IP checksum
	mac=$(server_mac srv0) peer_mac=$(server_mac srv1)
	mark
	t raw c cli0 "$mac" 3 100 channel=0x4000
	soon_counted '.up == 3'                      # the sender itself is sound
	t got p
	holds "at the peer" "$A" '.packets == 3'

	mark
	t raw c cli0 "$mac" 3 100 channel=0x4000 fragment
	soon_counted '.stack == 3'
	t raw p peer0 "$peer_mac" 3 100 relay=c fragment
	soon_counted '.stack == 6'
	counted '.up == 0 and .down == 0'

	mark
	t raw c cli0 "$mac" 3 100 channel=0x4000 options
	t raw p peer0 "$peer_mac" 3 100 relay=c options
	soon_counted '.stack == 6'
	counted '.up == 0 and .down == 0'

	mark
	t raw c cli0 "$mac" 3 100 channel=0x4000 ttl=1
	t raw p peer0 "$peer_mac" 3 100 relay=c ttl=1
	soon_counted '.stack == 6'
	counted '.up == 0 and .down == 0 and .passed.ttl == 6 and .passed_total == 6'
	mark
	t raw c cli0 "$mac" 3 100 channel=0x4000 ttl=2
	soon_counted '.up == 3'

	mark
	t raw c cli0 "$mac" 3 100 channel=0x4000 bad=ip
	t raw p peer0 "$peer_mac" 3 100 relay=c bad=ip
	soon_counted '.passed."ip-checksum" == 6'
	counted '.up == 0 and .down == 0 and .passed_total == 6'

	mark                                         # a wrong UDP checksum is relayed, and stays wrong
	lab_wait 10 quiet p || fail "the peer still receives"
	t raw c cli0 "$mac" 3 100 channel=0x4000 bad=udp
	soon_counted '.up + .passed_total == 3'
	lab_wait 10 peer_rejects 3 || fail "$(lab_in peer cat /proc/net/snmp)"
	relays 5
}
quiet() { tries got "$1"; [[ $A == *'"packets": 0'* ]]; }
# counted when the socket is read
peer_rejects() {
	tries got p
	[[ $A == *'"packets": 0'* ]] || fail "a wrong checksum was made good: $A"
	peer_rejected "$1"
}
peer_rejected() { lab_in peer awk -v n="$1" '$1 == "Udp:" && $2 ~ /[0-9]/ { exit $4 < n }' /proc/net/snmp; }

case_padding() {
	local mac surplus
	started one
	mac=$(server_mac srv0)
	for surplus in 1 2 3; do
		mark
		t raw c cli0 "$mac" 1 9 channel=0x4000 surplus=$surplus
		soon_counted '.up == 1'
		t raw c cli0 "$mac" 1 12 channel=0x4000 surplus=$surplus
		soon_counted '.up == 2'
		t got p
		holds "the padding is gone, the checksum right" "$A" '.packets == 2 and (.hex | length == 24)'
	done
	mark
	t raw c cli0 "$mac" 1 8 channel=0x4000 surplus=5
	soon_counted '.passed."channel-length" == 1 and .stack == 1'
	t raw c cli0 "$mac" 1 0 channel=0x4000 surplus=1
	soon_counted '.passed."channel-length" == 2 and .stack == 2'
	counted '.up == 0'
}

case_other_traffic_is_left_alone() {
	started one
	t icmp c "$LAB_SERVER_IP"
	t icmp p "$LAB_SERVER_IP"
	t icmp c "$LAB_PEER_IP"
	mark
	t indicate c p 5 100                         # Send indications need the server
	holds "at the peer" "$A" '.got == 5 and .wrong == 0'
	counted '.up == 0 and .down == 0 and .passed_total == 0 and .stack == 5'
	t permit c "$LAB_PEER_IP"
	t peer q "$LAB_ID-peer" "$LAB_PEER_IP:4000"
	mark
	t throw q c 5 100                            # from a peer's port without channel: a Data indication
	soon_counted '.stack == 5'
	counted '.down == 0 and .passed_total == 0'
	lab_wait 10 got_indication || fail "no Data indication: $A"
	mark
	t push c 0x4001 5 100                        # a channel that is not bound
	soon_counted '.stack == 5'
	counted '.up == 0'
	relays 3
}
got_indication() { tries got c; [[ $A == *'"hex": "0017'* ]]; }

case_too_large_goes_to_the_server() {
	started one
	relays 4 1468                                # 1500 bytes from the server to the client
	mark
	t down p c 0x4000 4 1469,1472
	holds "with 4 bytes more it does not fit, and the server fragments it" "$A" '.got == 4'
	counted '.down == 0 and .passed.mtu == 4 and .stack == 4'
	relays 4 1468
}

# Behind a router whose link takes less than ours. It fragments, since DF is clear.
case_narrow_path_loses_nothing() {
	started router
	ip -n "$LAB_ID-hub" link set hc mtu 1000
	ip -n "$LAB_ID-client" link set cli0 mtu 1000
	mark
	t down p c 0x4000 20 100,1300
	holds "peer to client" "$A" '.got == 20 and .lost == 0 and .wrong == 0'
	counted '.down == 20 and .passed_total == 0'
}
