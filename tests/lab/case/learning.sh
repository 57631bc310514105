# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # words.sh's; jq's $variables are not the shell's
# Learning and relaying.

relays_both_ways() {
	started "$1"
	relays 60 0,1,3,4,100,1400
	counted '.up_bytes == 15080 and .down_bytes == 15080'
	holds "the channel" "$(channel)" ".origin == \"learned\" and .client == \"$CLIENT\" and
		.server == \"$LAB_SERVER_IP:$LAB_PORT\" and .channel == \"0x4000\" and
		.peer == \"$LAB_PEER_IP:$LAB_PEER_PORT\" and (.relay | startswith(\"$LAB_RELAY_IP:\")) and
		.to_peer.packets == 60 and .to_peer.bytes == 15080 and .to_client.packets == 60 and
		.to_peer.passed == 1 and .to_peer.heartbeats == 0 and .expires_in > 500 and .expires_in <= 600"
	holds "allocations" "$(ctl -j allocation list)" ".allocations | length == 1 and .[0].client == \"$CLIENT\" and
		.[0].state == \"proven\" and .[0].channels == 1 and .[0].relay == .[0].public_relay"
	gives 0 '' status --check
	# A second channel is learned beside it, of RFC 5766's range where the server has it still: RFC 8656 ends at 0x4fff.
	tries bind c 0x7fff "$LAB_PEER_IP:9"
	[[ $A != *'"error": 400'* ]] || t bind c 0x4fff "$LAB_PEER_IP:9"
	has_channels 2 || fail "$(channels) channels, not 2"
	relays 4
}
case_relays_in_layout_one() { relays_both_ways one; }
case_relays_in_layout_two() { relays_both_ways two; }
case_relays_in_layout_router() { relays_both_ways router; }

case_heartbeats_reach_the_server() {
	local ms
	started one --heartbeat 200ms
	mark
	t stream c 0x4000 p 200 10
	holds "both ways" "$A" '(.up, .down | .got == 200 and .dup == 0 and .wrong == 0)'
	ms=$(jq '[.up.last_ms, .down.last_ms] | max' <<<"$A")
	soon_counted '.stack == .heartbeats + .passed_total'
	counted ".up + .down + .heartbeats + .passed_total == 400 and .heartbeats >= 6 and
		.heartbeats <= 2 * ($ms / 150 + 2) and .up > 100 and .down > 100"
}

case_traffic_starts_before_attach() {
	lab_up one
	lab_coturn
	call
	passes 3
	attach
	mark
	passes 3                                     # a stranger's: its ChannelBind was not seen
	counted '.up == 0 and .down == 0 and .stack == 6'
	has_channels 0 || fail "a channel came from nowhere"
	t bind c 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
	passes 3                                     # nor was the Allocate, so the rebind teaches nothing
	caller c
	passes 1
	relays 5
}

case_not_served_port() {
	lab_up one
	lab_coturn --aux-server "$LAB_SERVER_IP:3479"
	attach --listen 3479
	call
	server_relays 5
	has_channels 0 || fail "learned from a listener that is not served"
	caller c 3479
	passes 1
	relays 5
	detach
	attach --listen 10.7.1.77:3478 --listen "$LAB_SERVER_IP:3479"
	holds "listeners" "$(ctl -j status)" '.listeners == ["10.7.1.77:3478", "10.7.1.2:3479"]'
	caller c 3478
	server_relays 5
	has_channels 0 || fail "learned from the right port at another address"
	caller c 3479
	passes 1
	relays 5
	detach
	attach --listen 3478 --listen 3479
	caller c 3478
	caller d 3479
	has_channels 2 || fail "two listeners, $(channels) channels"
}

external_ip() { # LAYOUT COTURN'S-OPTION ATTACH-OPTION…
	lab_up "$1"
	lab_coturn --external-ip "$2"
	attach "${@:3}"
	call
	holds "the relay address told" "$A" '.ok'
	t allow c "$(ctl -j allocation list | jq -r '.allocations[0].relay')"
	holds "allocations" "$(ctl -j allocation list)" ".allocations[0] |
		(.public_relay | startswith(\"203.0.113.5:\")) and (.relay | startswith(\"$LAB_RELAY_IP:\"))"
	passes 1
	offloaded
	relays 5
}
case_external_ip_detected() { external_ip one 203.0.113.5/10.7.1.2; }
case_external_ip_told() {
	external_ip one 203.0.113.5/10.7.1.2 --external-ip 203.0.113.5
	gives 0 '^external: 203\.0\.113\.5$' status
}
case_external_ip_told_two() {
	external_ip two 203.0.113.5/10.7.2.2 --external-ip 203.0.113.5/10.7.2.2 --external-ip 203.0.113.6
	gives 0 '^external: 203\.0\.113\.5/10\.7\.2\.2 203\.0\.113\.6$' status
	holds "status" "$(ctl status -j)" '.externals == ["203.0.113.5/10.7.2.2", "203.0.113.6"]'
}
case_external_ip_wrong_relays_nothing() {
	lab_up two
	lab_coturn --external-ip 203.0.113.5/10.7.2.2
	attach --external-ip 203.0.113.5/10.7.2.77
	call
	t allow c "10.7.2.2:$(ctl -j allocation list | jq -r '.allocations[0].relay | split(":")[1]')"
	server_relays 5
}
