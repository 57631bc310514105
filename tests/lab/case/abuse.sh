# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # words.sh's; jq's $variables are not the shell's
# What somebody with bad intentions may try.

# ---- a denied peer ----

# Two requests of which the server is to read one and the kernel the other, or one request that they are to read
# differently; see smuggle.py.
SMUGGLES=(both-valid both-valid-denied-last denied-unsigned denied-unsigned-last allowed-unsigned allowed-unsigned-last
	two-peers two-peers-denied-last two-numbers behind-integrity behind-integrity-denied
	trailing-bytes trailing-bytes-allowed evicted wrong-udp-checksum wrong-ip-checksum
	fragments fragments+last fragments+wrong-udp-checksum tiny-fragments tiny-fragments+last ip-options ip-options+last
	broadcast-frame broadcast-frame+last priority-tag priority-tag+last other-device other-device+last jumbo jumbo+last)

# Few processes: each takes its time, and there are many ways.
case_denied_peer_is_not_reached() {
	local denied=10.7.2.4 how number=0 bad='' said reached mac
	turn=smuggle.py
	lab_up two
	ip -n "$LAB_ID-peer" addr add $denied/24 dev peer0
	ip -n "$LAB_ID-client" link set cli0 mtu 3000
	ip -n "$LAB_ID-server" link set srv0 mtu 3000
	lab_coturn --denied-peer-ip=$denied --allowed-peer-ip="$LAB_PEER_IP"
	attach
	mac=$(server_mac srv0)
	t peer p "$LAB_ID-peer" "$LAB_PEER_IP:$LAB_PEER_PORT"
	t peer q "$LAB_ID-peer" "$LAB_PEER_IP:4000"
	t peer d "$LAB_ID-peer" "$denied:$LAB_PEER_PORT"
	t wire other p peer0 "$(server_mac srv1)"
	t watch denied p peer0 $denied "$LAB_RELAY_IP"
	for how in "${SMUGGLES[@]}"; do
		number=$((number + 1))
		t client "c$number" "$LAB_ID-client" "$LAB_CLIENT_IP" "$LAB_SERVER_IP:$LAB_PORT"
		t wire "c$number" "c$number" cli0 "$mac"
		t allocate "c$number"
		t permit "c$number" "$LAB_PEER_IP"
		t smuggle "c$number" "$how" 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT" "$denied:$LAB_PEER_PORT" \
			"$LAB_COTURN_PID"
		said=$A
		t mistake "c$number" 0x4000 p d
		reached=${A#*stray}
		t watched denied
		reached+=${A#*packets}
		echo "$how: the server said ${said#*said}, client and denied peer got $reached"
		[[ $reached == '": 0}": 0}' ]] || bad+=" $how"
		t bind "c$number" 0x4100 "$LAB_PEER_IP:4000"
		t up "c$number" 0x4100 q 3 100
		[[ $A == *'"got": 3, "lost": 0, "wrong": 0'* ]] || fail "$how: to the allowed peer: $A"
		t down q "c$number" 0x4100 3 100
		[[ $A == *'"got": 3, "lost": 0, "wrong": 0'* ]] || fail "$how: from the allowed peer: $A"
	done
	[[ -z $bad ]] || fail "reached:$bad"
	holds "the channels" "$(ctl -j channel list)" ".channels |
		all(.[]; (.peer | startswith(\"$denied:\") | not) or .to_peer.packets + .to_client.packets == 0) and
		(map(select(.channel == \"0x4100\" and .to_peer.packets == 2 and .to_client.packets == 2)) | length) == $number"
	survived "$number ways to have a denied peer's channel in the kernel" "$LOST" "$(ctl -j channel list | jq "[
		.channels[] | select(.peer | startswith(\"$denied:\")) | .to_peer.packets + .to_client.packets] | add // 0")" "-"
}

# ---- an echo service at a port that is taken for a TURN server's ----

# How its requests come, and the answers that it is to echo; see attack.py.
PRETENDS=(plain wrong-udp-checksum wrong-ip-checksum overflow cut plain+fragments wrong-udp-checksum+fragments
	wrong-ip-checksum+ip-options wrong-udp-checksum+broadcast-frame wrong-ip-checksum+priority-tag cut+fragments
	overflow+fragments overflow+tiny-fragments overflow+ip-options overflow+broadcast-frame overflow+priority-tag
	overflow+other-device overflow+priority-tags)

echo_service() { # ADDR:PORT HOW…
	local denied=10.7.2.4 how number=0 bad='' had=0 mac
	turn=attack.py
	lab_up two
	ip -n "$LAB_ID-peer" addr add $denied/24 dev peer0
	attach --listen 3478 --listen 3479
	t echo service "$LAB_ID-server" "$1"
	t echo relay "$LAB_ID-server" 10.7.2.2:51000
	t peer d "$LAB_ID-peer" "$denied:$LAB_PEER_PORT"
	t wire other d peer0 "$(server_mac srv1)"
	mac=$(server_mac srv0)
	mark
	for how in "${@:2}"; do
		number=$((number + 1))
		t client "c$number" "$LAB_ID-client" "$LAB_CLIENT_IP" "$1"
		t wire "c$number" "c$number" cli0 "$mac"
		t pretend "c$number" "$how" service relay "$denied:$((4000 + number))"
		has_channels "$had" || { bad+=" $how"; had=$(channels); }
	done
	echo "counted: $(since | jq -c '.events | with_entries(select(.value > 0))')"
	[[ -z $bad ]] || fail "forged:$bad; $(ctl channel list)"
	counted '.up == 0 and .down == 0'
	holds "allocations" "$(ctl -j allocation list)" '.allocations == []'
	survived "$number ways to have an echo service at $1 forge a channel" "-" "$(relayed)" "-"
}
case_echo_at_served_port() {
	echo_service 10.7.1.2:3479 "${PRETENDS[@]}"
	counted '.events.echoed >= 16 and .events.doubted >= 10 and .events.unsound >= 10'
}
case_echo_at_other_port() { echo_service 10.7.1.2:7 "${PRETENDS[@]}"; }

# ---- forged by somebody on the network ----

# A laboratory with attackers: the client's own node, and the peer's, which spoofs; between them and the server a bridge.
attacked() { # ATTACH-OPTION…
	turn=attack.py
	started one "$@"
	t wire own c cli0 "$(server_mac srv0)"
	t wire forged p peer0 "$(server_mac srv0)"
	SERVER=$LAB_SERVER_IP:$LAB_PORT RELAY=$(ctl -j allocation list | jq -r '.allocations[0].relay')
}
# Nothing of what was done since `mark` was relayed, and the channel is as it was: the kernel relays all of it.
unharmed() { # WHAT
	local wrong
	counted '.up == 0 and .down == 0 and .heartbeats == 0'
	t got p
	holds "$1: the peer" "$A" '.packets == 0'
	t got c
	wrong=$(relayed)
	relays 10
	survived "$1" "$LOST" "$((WRONG + wrong))" "-"
}

# No success that comes from the network is the server's, whoever it says that it is from.
case_forged_answers_teach_nothing() {
	local method
	attacked
	mark
	for method in allocate bind refresh permit; do
		t forge forged "$CLIENT" "$SERVER" ask:$method    # 401, and remembered
		t forge forged "$SERVER" "$CLIENT" granted:$method gone:$method
		t forge forged "$CLIENT" "$SERVER" granted:$method gone:$method
		t forge forged "$SERVER" "$SERVER" granted:$method gone:$method
		t forge own "$CLIENT" "$SERVER" granted:$method gone:$method
	done
	t said c 4
	holds "the answers" "$A" '.said == [401, 401, 401, 437]'
	counted '.events.echoed >= 12'
	counted '.events | .allocated + ."bound-channel" + ."rebound-channel" + .refreshed + .released + .mismatch == 0'
	has_channels 1 || fail "$(channels) channels, not 1"
	unharmed "forged answers, from four sources"
}

case_replayed_transactions_teach_nothing() {
	attacked
	t keep c 0x4001 "$LAB_PEER_IP:4001"
	has_channels 2 || fail "$(channels) channels, not 2"
	t refresh c 0
	lab_wait 10 has_channels 0 || fail "the channels are not swept"
	mark
	t forge forged "$CLIENT" "$SERVER" kept:request
	t said c 1
	t forge forged "$CLIENT" "$SERVER" kept:response
	t forge forged "$SERVER" "$CLIENT" kept:response
	t allocate c                                 # the same 5-tuple has an allocation again
	t forge forged "$CLIENT" "$SERVER" kept:request
	t said c 1
	t forge forged "$CLIENT" "$SERVER" kept:response
	t forge forged "$SERVER" "$CLIENT" kept:response
	t push c 0x4001 5 100
	soon_counted '.stack >= 10'
	counted '.up == 0 and .events."bound-channel" == 0 and .events.allocated == 1'
	has_channels 0 || fail "$(channels) channels, not 0"
	survived "a ChannelBind and its success, sent again after the channel's end" "-" "$(relayed)" "-"
}

# Requests that nobody granted push out nothing but each other.
case_flood_of_requests_blinds_nobody() {
	local part
	attacked
	mark
	tell flood forged 10.7.1.200 "$SERVER" 25000
	hear
	for part in 1 2 3; do
		t flood forged 10.7.1.200 "$SERVER" 25000
		passes 10
	done
	counted '.up == 30 and .down == 30 and .passed_total == 0 and .heartbeats == 0'
	t client b "$LAB_ID-client" "$LAB_CLIENT_IP" "$SERVER"
	t allocate b
	t bind b 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
	t up b 0x4000 p 1 100
	t down p b 0x4000 1 100
	mark
	t up b 0x4000 p 10 100
	t down p b 0x4000 10 100
	counted '.up == 10 and .down == 10 and .passed_total == 0'
	survived "100,000 Allocate requests" "$LOST" "$WRONG" "-"
}

# More channels than there is room for: the first have it, the others are the server's.
case_binds_past_the_limit() {
	attacked --max-channels 16
	mark
	t fill c 1000 "$LAB_PEER_IP"
	holds "the server" "$A" '.granted >= 998'    # 0x4000 is another peer's
	counted '.events."bound-channel" + .events."full-channels" + .events."full-permissions" == 998 or
		.events."bound-channel" + .events."full-channels" + .events."full-permissions" == 999'
	counted '.events."bound-channel" == 15 and .events."full-channels" > 900'
	has_channels 16 || fail "$(channels) channels, not 16"
	relays 10
	t peer q "$LAB_ID-peer" "$LAB_PEER_IP:10900"
	mark
	t up c "$((0x4000 + 900))" q 5 100           # one that had no room
	holds "by the server" "$A" '.got == 5 and .wrong == 0'
	counted '.up == 0 and .stack == 5'
	survived "1,000 ChannelBinds where there is room for 16" "$LOST" "$((WRONG + $(relayed)))" "-"
}

# Another client's number, another client's address, an address that is not ours.
case_others_channels_are_not_for_the_taking() {
	attacked
	t client b "$LAB_ID-client" "$LAB_CLIENT_IP" "$SERVER"
	t allocate b
	t bind b 0x4002 "$LAB_PEER_IP:$LAB_PEER_PORT"
	mark
	t push b 0x4000 5 100                        # A's number, from B
	t forge forged "$CLIENT" "$SERVER" data:0x4001 data:0x4002 data:0x7fff data:0x3fff data:0x8000
	t forge forged 10.7.1.99:4000 "$SERVER" data:0x4000
	t forge forged "${CLIENT%:*}:1" "$SERVER" data:0x4000
	t forge own 10.7.1.3:9 "$RELAY" data:0x4000  # another port of the peer, at the relay address
	t forge own 10.7.1.99:3480 "$RELAY" data:0x4000
	soon_counted '.stack == 14'
	# not to an address of this host, though it reaches the device
	t forge own "$CLIENT" "10.7.1.77:$LAB_PORT" data:0x4000 request:allocate request:bind
	t forge forged "$LAB_PEER_IP:$LAB_PEER_PORT" "10.7.1.77:${RELAY#*:}" data:0x4000
	counted '.passed_total == 0 and .events."bound-channel" == 0'
	unharmed "channel numbers and addresses of others"
	t up b 0x4002 p 1 100
	mark
	t up b 0x4002 p 5 100
	counted '.up == 5 and .passed_total == 0'
}

# What the stack drops is no heartbeat that the server has missed.
case_wrong_checksums_suspend_nothing() {
	attacked --heartbeat 200ms
	passes 1
	mark
	t stain c 0x4000 p forged own 2
	holds "the sound ones" "$A" '.rounds > 20 and .got == 2 * .rounds'
	counted '.events.suspended == 0 and .passed.unconfirmed == 0 and .events.confirmed == .heartbeats and
		.heartbeats > 8 and .up > 5 * .heartbeats'
	survived "data with wrong checksums from the client's and the peer's address" "$LOST" "$WRONG" "-"
}

# What one client's channels do not get from the server says nothing about the server: heartbeats are set farther apart
# for all, and with them what the server no longer relays is noticed later.
case_one_client_stretches_no_heartbeats() {
	local mac
	turn=attack.py
	lab_up two
	# shellcheck disable=SC2119
	lab_coturn
	attach --heartbeat 300ms
	mac=$(server_mac srv0)
	ends
	t wire own c cli0 "$mac"
	t allocate c
	t binds c 0x4000 200 p
	t each c 0x4000 p
	holds "the channels" "$A" '.up == 200 and .down == 200'
	t lag c p 60 own 6
	holds "the heartbeats" "$(ctl -j status)" '.heartbeat_stretch == 1'
	survived "a client with 140 channels whose heartbeats never come back" "$LOST" "$WRONG" "-"
}
