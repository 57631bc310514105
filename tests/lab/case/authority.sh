# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # words.sh's; jq's $variables are not the shell's
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
	survived "the server's $1 told to nobody" 0 "$(jq '.up.wrong + .down.wrong' <<<"$A")" \
		"$(($(jq .up.last_ms <<<"$A") - 3000)) ms"
}
case_shorter_permission_stops_relaying() { server_forgets --permission-lifetime=3 permit c 10.7.1.3; }
case_shorter_channel_stops_relaying() { server_forgets --channel-lifetime=3 ping; }

# What the kernel may take to notice something in that many heartbeats of 300 ms
within() { # HEARTBEATS
	[[ $install == --fused ]] && echo $(($1 * 375 + 150)) ||
		echo $(($1 * 375 + 1000))    # an emulated CPU: the packet's way, and ours to the first packet
}
# A server that hangs does not take them, so that the stack does not count them.
nothing_is_relayed() {
	mark
	t push c 0x4000 10 100
	t throw p c 10 100
	soon_counted '.stack == 20 or .passed_total == 20'
	counted '.up == 0 and .down == 0'
}
# How long after the time AT ($EPOCHREALTIME) did the last packet of the stream arrive, ms? 0: it was before.
last_after() { # AT
	jq --arg at "$1" '([.up.last_ms, .down.last_ms] | max) + (.began_at - ($at | tonumber)) * 1000 |
		round | if . > 0 then . else 0 end' <<<"$A"
}
# A stream, in the midst of which COMMAND is the server's end; it sets ENDED. What arrives then, the kernel relays.
stops_within() { # HEARTBEATS FAULT COMMAND
	local ms slow=1
	[[ $install == --fused ]] || slow=5          # an emulated CPU: until we have looked, and acted
	mark
	tell stream c 0x4000 p "$(((100 + $1 * 60) * slow))" 10
	soon_counted '.up > 10 and .down > 10'
	mark
	ENDED=$EPOCHREALTIME
	"$3"
	hear
	holds "$2" "$A" '(.up, .down) | .lost > 0 and .wrong == 0 and .dup == 0'
	ms=$(last_after "$ENDED")
	((ms < $(within "$1"))) || fail "$2: relayed for $ms ms"
	survived "$2: $(since | jq '.up + .down') packets relayed in that time" - 0 "$ms ms"
	nothing_is_relayed
}

# SERVER'S END: relaying stops within one heartbeat of it
server_ends() { # COMMAND FAULT [COTURN'S-OPTION]…
	lab_up one
	lab_coturn "${@:3}"
	attach --heartbeat 300ms
	call
	passes 1
	offloaded
	stops_within 1 "$2" "$1"
	jq -e '[.devices[].events."socket-gone"] | add >= 1' <<<"$MARK" || fail "counted otherwise: $MARK"
	lab_wait 15 has_channels 0 || fail "the channel is not swept: $(channel)"
}
kill_server() {
	kill -KILL "$LAB_COTURN_PID" 2>/dev/null || true     # unless a stream has done it
	wait "$LAB_COTURN_PID" || true
	lab_forget "$LAB_COTURN_PID"
}
case_server_killed() { server_ends kill_server "coturn is killed (kill -9)"; }
case_session_cancelled() {
	server_ends cancel_session "the administrator cancels the session (coturn's CLI)" --cli-password=secret
}
# The only session, and waits until its socket is closed.
cancel_session() {
	local relay
	relay=$(ctl -j allocation list | jq -r '.allocations[0].relay')
	on_server bash -c 'exec 3<>/dev/tcp/127.0.0.1/5766
		prompt() { IFS= read -r -t 10 -d "$1" said <&3; }
		prompt :; echo secret >&3           # "Enter password:"
		prompt ">"; echo ps >&3
		prompt "<"; [[ $said =~ id=([0-9]+) ]]
		prompt ":"; echo "cs ${BASH_REMATCH[1]}" >&3' || fail "coturn's CLI does not do it"
	lab_wait 15 is_closed "$relay" || fail "coturn keeps $relay open"
}
is_closed() {
	ENDED=$EPOCHREALTIME                         # it was open a moment before
	! lab_listens server "$1"
}

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

# The new server gives the port to another client, and the peer goes on sending to it.
case_port_given_to_another() {
	LAB_RELAY_PORTS=(51000 51000)
	started one --heartbeat 300ms
	kill_server
	lab_coturn
	t client b "$LAB_ID-client" "$LAB_CLIENT_IP" "$LAB_SERVER_IP:$LAB_PORT"
	t allocate b
	holds "the other client's relay address" "$A" ".relay == \"$LAB_RELAY_IP:51000\""
	t permit b "$LAB_PEER_IP"
	mark
	t stream c 0x4000 p 200 10
	holds "what the kernel relays for the client that was is soon over" "$A" \
		"(.up, .down) | .last_ms < $(within 3) and .lost > 0 and .wrong == 0"
	survived "coturn restarts, and gives the port to another client: $(since | jq '.up + .down') packets relayed" \
		- 0 "$(jq '[.up.last_ms, .down.last_ms] | max' <<<"$A") ms"
	t got b
	nothing_is_relayed
	t got c
	holds "the client that was" "$A" '.packets == 0'
	t got b                                      # Data indications
	holds "the client that is" "$A" '.packets >= 10'
	t bind b 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
	t up b 0x4000 p 1 100
	t down p b 0x4000 1 100
	mark
	t up b 0x4000 p 5 100
	holds "client to peer" "$A" '.got == 5 and .wrong == 0'
	t down p b 0x4000 5 100
	holds "peer to client" "$A" '.got == 5 and .wrong == 0'
	# (a proof lasts four intervals, which a slow machine may need from one command to the next)
	counted '.up + .down + .heartbeats + .passed.unconfirmed == 10 and .up + .down >= 6'
	mark
	t push c 0x4000 10 100                       # and not for the one that was
	soon_counted '.stack == 10'
	counted '.up == 0'
}

# RFC 8016: the session goes on, from another address of the client.
case_session_moved() {
	local ticket relay
	lab_up one
	lab_coturn --mobility
	attach --heartbeat 300ms
	ends
	t request c allocate 0x0019=11000000 0x8030=
	ticket=$(jq -r .ticket <<<"$A") relay=$(jq -r .relay <<<"$A")
	t bind c 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
	passes 1
	offloaded
	t client d "$LAB_ID-client" "$LAB_CLIENT_IP" "$LAB_SERVER_IP:$LAB_PORT"
	t stream c 0x4000 p 40 10                    # what is proven has just been so
	t request d refresh "0x8030=$ticket"
	t allow d "$relay"
	mark
	t stream d 0x4000 p 220 10
	holds "what the kernel sends to where the client was is soon over" "$A" \
		".up.lost == 0 and .down.lost * 10 < $(within 3) and .down.wrong == 0"
	survived "a session moves to another address of the client (mobility ticket)" "$(jq .down.lost <<<"$A")" 0 \
		"$(($(jq .down.lost <<<"$A") * 10)) ms"
	t got c
	mark
	t down p d 0x4000 10 100
	holds "to where the client is" "$A" '.got == 10 and .wrong == 0'
	t push c 0x4000 10 100                       # no longer the server's client
	soon_counted '.stack == 20'
	counted '.up == 0 and .down == 0'
	t got c
	holds "to where it was" "$A" '.packets == 0'
	t got p
	holds "from where it was" "$A" '.packets == 0'
}

# Errors that anyone can draw onto a client by a forged request, or a client by a request of its own.
case_errors_switch_nothing_off() {
	local from kind method
	turn=attack.py
	started one
	t bind c 0x4001 "$LAB_PEER_IP:9"
	t wire own c cli0 "$(server_mac srv0)"
	t wire forged p peer0 "$(server_mac srv0)"
	mark
	for from in own forged; do
		for kind in request stale malformed; do
			for method in bind refresh permit allocate; do
				t forge $from "$CLIENT" "$LAB_SERVER_IP:$LAB_PORT" $kind:$method
			done
		done
		t said c 12
		holds "the errors, $from" "$A" '.said == [400, 400, 400, 401, 401, 401, 437, 437, 437, 438, 438, 438]'
	done
	tries bind c 0x4000 "$LAB_PEER_IP:9"
	holds "a channel for another peer" "$A" '.error == 400'
	tries bind c 0x4002 "$LAB_PEER_IP:$LAB_PEER_PORT"
	holds "another channel for the peer" "$A" '.error == 400'
	tries bind c 0x4001 "$LAB_PEER_IP:$LAB_PEER_PORT"
	holds "another peer's channel" "$A" '.error == 400'
	passes 20
	counted '.up == 20 and .down == 20 and .heartbeats == 0 and .passed_total == 0 and .events.mismatch == 0'
	has_channels 2 || fail "$(channels) channels, not 2"
	survived "24 answers 400, 401, 437, 438 that forged requests drew, and 3 binds refused" "$LOST" "$WRONG" "-"
}

case_server_stopped() {
	started one --heartbeat 300ms
	stops_within 3 "coturn hangs (kill -STOP)" stop_server
	counted '.passed.unconfirmed == 20 and .heartbeats == 0'
	is_state suspended >/dev/null || fail "not suspended: $(channel)"
	kill -CONT "$LAB_COTURN_PID"
	lab_wait 30 again || fail "relays no more: $(channel)"
}
stop_server() { kill -STOP "$LAB_COTURN_PID"; }
again() {
	tries push c 0x4000 1 100
	tries throw p c 1 100
	tries got p
	tries got c
	is_state offloaded
}
