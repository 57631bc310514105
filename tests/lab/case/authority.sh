# shellcheck shell=bash disable=SC2016,SC2034,SC2154  # words.sh's; jq's $variables are not the shell's
# The server is the authority.

case_refresh0_stops_relaying() {
	started one
	relays 3
	t refresh c 0
	mark
	t push c 0x4000 5 100
	t throw p c 5 100
	soon_counted '.passed_total + .stack >= 10'
	counted '.up == 0 and .down == 0'
	lab_wait 10 has_channels 0 || fail "the channel is not swept"
	holds "allocations" "$(ctl -j allocation list)" '.allocations == []'
	t got p
	t allocate c                                 # and all of it can begin again
	t bind c 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
	passes 1
	relays 3
}

case_allocation_expiry_stops_relaying() {
	lab_up one
	lab_coturn --max-allocate-lifetime=4
	attach
	ends
	t allocate c 3600
	holds "the lifetime" "$A" '.lifetime == 4'
	t bind c 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
	passes 1
	mark
	t stream c 0x4000 p 700 10
	holds "the server's lifetime" "$A" '(.up, .down) | .got > 50 and .last_ms <= 5500 and .wrong == 0 and .dup == 0'
	counted '.up > 50 and .passed_total > 0'
	lab_wait 10 has_channels 0 || fail "the channel is not swept"
}

# The server's own lifetimes are shorter than RFC 8656's, and are not told: three heartbeats show it.
server_forgets() { # COTURN'S-OPTION COMMAND…
	lab_up one
	lab_coturn "$1"
	attach --heartbeat 300ms
	call
	t "${@:2}"
	passes 1
	mark
	t stream c 0x4000 p 900 10
	holds "the server's lifetime of 3 s" "$A" '.up | .got > 50 and .last_ms <= 6500 and .wrong == 0 and .dup == 0'
	counted '.up > 50 and .passed.unconfirmed > 0'
}
case_shorter_permission_stops_relaying() { server_forgets --permission-lifetime=3 permit c 10.7.1.3; }
case_shorter_channel_stops_relaying() { server_forgets --channel-lifetime=3 ping; }

# SERVER'S END: relaying stops within one heartbeat of it
server_ends() {
	local tolerance=150
	[[ $install == --fused ]] || tolerance=1000  # an emulated CPU: the packet's way, and ours to the first packet
	started one --heartbeat 300ms
	mark
	"$1"
	t stream c 0x4000 p 150 10
	holds "once the server is gone" "$A" "(.up, .down) | .last_ms < 375 + $tolerance and .lost > 0 and .wrong == 0"
	counted '.events."socket-gone" >= 1'
	mark
	t push c 0x4000 10 100
	t throw p c 10 100
	soon_counted '.stack == 20'
	counted '.up == 0 and .down == 0'
	lab_wait 15 has_channels 0 || fail "the channel is not swept: $(channel)"
}
kill_server() {
	kill -KILL "$LAB_COTURN_PID"
	wait "$LAB_COTURN_PID" || true
	lab_forget "$LAB_COTURN_PID"
}
case_server_killed() { server_ends kill_server; }
case_server_restarted() {
	started one --heartbeat 300ms
	kill_server
	lab_coturn
	t push c 0x4000 5 100
	t throw p c 5 100
	tries refresh c 600                          # 437: the new server knows nothing of it
	holds "the new server" "$A" '.error == 437'
	t push c 0x4000 5 100
	t allocate c
	t bind c 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
	passes 1
	offloaded
}

case_server_stopped() {
	started one --heartbeat 300ms
	kill -STOP "$LAB_COTURN_PID"
	mark
	t stream c 0x4000 p 300 10
	counted '.heartbeats <= 8 and .passed.unconfirmed > 0 and .up + .down + .heartbeats + .passed_total == 600'
	is_state suspended >/dev/null || fail "not suspended: $(channel)"
	mark
	t push c 0x4000 20 100
	t throw p c 20 100
	soon_counted '.passed_total == 40'
	counted '.up == 0 and .down == 0'
	kill -CONT "$LAB_COTURN_PID"
	lab_wait 30 again || fail "relays no more: $(channel)"
}
again() {
	tries push c 0x4000 1 100
	tries throw p c 1 100
	tries got p
	tries got c
	is_state offloaded
}
