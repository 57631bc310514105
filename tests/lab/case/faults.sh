# shellcheck shell=bash disable=SC2016,SC2034,SC2154  # words.sh's; jq's $variables are not the shell's
# The network around changes. Heartbeats are 300 ms apart, 375 ms at the most, and each end sends a packet every 10 ms.

# fault COMMAND COUNT [OPTION…]: COUNT packets each way, and after 50 of them the shell runs COMMAND
fault() {
	mark
	t stream c 0x4000 p "$2" 10 at=50 "run='$1'" "${@:3}"
	echo "$1: $A"
	holds "nothing comes twice or changed" "$A" '(.up, .down) | .wrong == 0 and .dup == 0'
}
# flows COUNT [OPTION…]: likewise, and nothing happens
flows() {
	mark
	t stream c 0x4000 p "$1" 10 "${@:2}"
	holds "all is well" "$A" '(.up, .down) | .lost == 0 and .wrong == 0 and .dup == 0'
}
# lost FAULT HEARTBEATS: of the last stream, no more than what was sent in so many heartbeats (0: nothing)
lost() {
	local most tolerance=15
	[[ $install == --fused ]] || tolerance=100   # an emulated CPU: the command, and the packet's way
	most=$(($2 * 375 / 10 + ($2 ? tolerance : 0)))
	holds "$1" "$A" "(.up, .down) | .lost <= $most and .wrong == 0 and .dup == 0"
	survived "$1" "$(jq '.up.lost + .down.lost' <<<"$A")" "$(jq '.up.wrong + .down.wrong' <<<"$A")" \
		"$(jq '[.up.lost_ms, .down.lost_ms] | max' <<<"$A") ms"
}
# content: there is no problem. troubled PATTERN: there is one
content() { gives 0 '^$' status --check; }
troubled() { gives 4 "^problem: $1" status --check; }
NEW_MAC=02:00:00:00:00:77
srv() { echo "ip -n $LAB_ID-server $*;"; }
peer() { echo "ip -n $LAB_ID-peer $*;"; }

# ---- tables -------------------------------------------------------------------------------------

case_full_table() {
	lab_up one
	lab_coturn
	attach --max-channels 3
	call
	t client d "$LAB_ID-client" "$LAB_CLIENT_IP" "$LAB_SERVER_IP:$LAB_PORT"
	t allocate d
	t bind c 0x4001 "$LAB_PEER_IP:9"
	t bind d 0x4000 "$LAB_PEER_IP:9"
	passes 1
	t peer q "$LAB_ID-peer" "$LAB_PEER_IP:4000"
	mark
	t bind c 0x4002 "$LAB_PEER_IP:4000"
	soon_counted '.events."full-channels" == 1'
	has_channels 3 || fail "$(channels) channels, not 3"
	troubled '3 of 3 channels are in use; more are left to the server$'
	mark
	t up c 0x4002 q 20 100
	holds "the surplus, to the peer" "$A" '.got == 20 and .wrong == 0'
	t down q c 0x4002 20 100
	holds "the surplus, to the client" "$A" '.got == 20 and .wrong == 0'
	counted '.up == 0 and .down == 0 and .stack == 40'
	survived "the table of channels is full" "$LOST" "$WRONG" "-"
	relays 20                                    # and what is in the table is relayed as ever
	t client e "$LAB_ID-client" "$LAB_CLIENT_IP" "$LAB_SERVER_IP:$LAB_PORT"
	t client f "$LAB_ID-client" "$LAB_CLIENT_IP" "$LAB_SERVER_IP:$LAB_PORT"
	t allocate e
	mark
	t allocate f
	soon_counted '.events."full-allocations" == 1'
	t bind f 0x4000 "$LAB_PEER_IP:4000"
	t up f 0x4000 q 20 100
	holds "a client too many" "$A" '.got == 20 and .wrong == 0'
	counted '.up == 0 and .down == 0'
	survived "the table of allocations is full" "$LOST" "$WRONG" "-"
	relays 20
	t refresh d 0
	lab_wait 20 has_channels 2 || fail "$(channels) channels, not 2"
	t bind c 0x4002 "$LAB_PEER_IP:4000"
	t up c 0x4002 q 1 100
	mark
	t up c 0x4002 q 20 100
	counted '.up == 20 and .stack == 0'
}

# ---- the next hop -------------------------------------------------------------------------------

case_route_moves() {
	started paths --heartbeat 300ms
	fault "$(srv route add "$LAB_PEER_IP" via 10.7.4.3)" 150
	lost "the route moves to another device" 1
	holds "the channel" "$(channel)" '.to_peer.state == "offloaded" and .to_peer.device == "srv2"'
	counted '.up > 100 and .down > 100'
	content
	fault "$(srv link set srv2 down)" 150
	lost "the device fails, and the route moves" 1
	holds "the channel" "$(channel)" '.to_peer.state == "offloaded" and .to_peer.device == "srv1"'
	counted '.up > 90 and .down > 100'
	troubled 'srv2: the device is down$'
}

# Nothing sees what leaves by a device that is not attached.
case_route_moves_out_of_sight() {
	local slow=1
	[[ $install == --fused ]] || slow=8          # an emulated CPU
	lab_up paths
	LAB_DEVICES=(srv0 srv1)
	lab_coturn
	attach --heartbeat 300ms
	call
	passes 1
	offloaded
	fault "$(peer route add "$LAB_RELAY_IP" via 10.7.4.2) $(srv route add "$LAB_PEER_IP" via 10.7.4.3) $(srv link set srv1 down)" 250
	lost "the link fails, and the route moves to a device that is not attached" 3
	holds "the channel" "$(channel)" '.to_peer | .state == "suspended" and .reason == "unconfirmed"'
	ip -n "$LAB_ID-server" link set srv1 up
	flows 50
	counted '.up == 0 and .passed.unconfirmed >= 50'
	tell stream c 0x4000 p "$((150 * slow))" 10  # status tells of what has traffic now
	troubled "1 channel has traffic, .*: is the device .* attached\? 'turnctl -i $instance attach DEV' adds"
	hear
	holds "the server relays all of it" "$A" '(.up, .down) | .lost == 0 and .wrong == 0'
	ctl attach srv2 "${fused[@]}"
	relays_again
	content
}
# the kernel takes the channel up again, and nothing is lost
relays_again() {
	flows 150
	offloaded
	counted '.up > 0 and .down > 0'
}

case_neighbour_changes() {
	started two --heartbeat 300ms
	fault "$(srv neigh flush dev srv1)" 100
	lost "the neighbour entry is deleted" 0
	counted '.up > 70 and .down > 70'
	fault "$(peer link set peer0 address "$NEW_MAC") $(srv neigh replace "$LAB_PEER_IP" lladdr "$NEW_MAC" dev srv1)" 150
	lost "the neighbour has a new MAC" 1
	holds "the channel" "$(channel)" ".to_peer.next_hop == \"$NEW_MAC\""
	counted '.up > 90 and .down > 100'
}

# ---- devices ------------------------------------------------------------------------------------

case_link_fails() {
	started two --heartbeat 300ms
	fault "$(peer link set peer0 down) $(peer link set peer0 up)" 150
	lost "the far end of a link goes down and up" 1
	offloaded
	fault "$(peer link set peer0 down)" 250
	holds "the channel" "$(channel)" '.to_peer | .state == "suspended" and .reason == "unconfirmed"'
	troubled 'srv1: no carrier$'
	ip -n "$LAB_ID-peer" link set peer0 up
	lab_wait 20 carriers || fail "no carrier"
	t stream c 0x4000 p 100 10
	lost "the far end of a link is up again after 2 s" 0
	offloaded
	content
}

# Another way out is there, since coturn ends an allocation when it cannot send.
case_device_goes_down_and_up() {
	local way dev net by
	started two --heartbeat 300ms
	for way in "srv1 10.7.2.0/24 $LAB_CLIENT_IP" "srv0 10.7.1.0/24 $LAB_PEER_IP"; do
		read -r dev net by <<<"$way"
		ip -n "$LAB_ID-server" route add "$net" via "$by" metric 9
		fault "$(srv link set "$dev" down) $(srv link set "$dev" up)" 150
		lost "$dev goes down and up" 1
		offloaded
		ip -n "$LAB_ID-server" route replace "$net" via "$by" metric 9
		fault "$(srv link set "$dev" down)" 200
		troubled "$dev: the device is down$"
		ip -n "$LAB_ID-server" link set "$dev" up
		t stream c 0x4000 p 150 10
		lost "$dev is up again after 1.5 s" 1
		offloaded
		content
	done
}

# coturn gives the allocation up, and with it goes what the kernel had of it.
case_device_down_and_no_other_way() {
	started two --heartbeat 300ms
	fault "$(srv link set srv0 down)" 150
	ip -n "$LAB_ID-server" link set srv0 up
	lab_wait 20 server_forgets_client || fail "coturn has still the allocation: $A"
	t push c 0x4000 5 100
	t throw p c 5 100
	lab_wait 20 has_channels 0 || fail "$(channel)"
	t allocate c
	t bind c 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
	passes 1
	relays_again
	content
}
server_forgets_client() { tries refresh c 600; [[ $A == *437* ]]; }

case_mtu_changes() {
	started two --heartbeat 300ms
	fault "$(peer link set peer0 mtu 1000) $(srv link set srv1 mtu 1000)" 150 size=1300
	lost "the MTU of the way out is lowered" 1
	flows 50 size=1300
	counted '.up == 0'
	relays_again                                 # what fits
	ip -n "$LAB_ID-peer" link set peer0 mtu 1500
	ip -n "$LAB_ID-server" link set srv1 mtu 1500
	flows 100 size=1300                          # one of them shows the server's way, and the kernel takes up the rest
	counted '.up > 90 and .down > 90'
}

# A router tells the server's kernel of its narrow link, which fragments from then on, until it forgets and tries again.
case_path_mtu_is_learned_and_forgotten() {
	started router --heartbeat 300ms
	ip -n "$LAB_ID-hub" link set hc mtu 1000
	ip -n "$LAB_ID-client" link set cli0 mtu 1000
	on_server python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 10, 2)           # IP_MTU_DISCOVER, IP_PMTUDISC_DO: with DF
s.sendto(bytes(1400), (sys.argv[1], 9))' "$LAB_CLIENT_IP"
	lab_wait 20 kernel_knows_path || fail "the server's kernel does not know the path"
	lab_wait 20 channel_knows_path || fail "not learned: $(channel)"
	flows 20 size=1300 only=down
	counted '.down == 0'
	flows 20 only=down                           # what fits
	counted '.down > 15'
	fault "$(srv route flush cache)" 100 size=1300 only=down   # as with time, net.ipv4.route.mtu_expires: 600 s
	lost "the kernel forgets a path's MTU that is as it was" 1
	holds "the server's first packet, with DF, is what is lost" "$A" '.down.lost <= 1'
	lab_wait 20 channel_knows_path || fail "not learned again: $(channel)"
	ip -n "$LAB_ID-hub" link set hc mtu 1500
	ip -n "$LAB_ID-client" link set cli0 mtu 1500
	on_server ip route flush cache
	flows 50 size=1300 only=down
	counted '.down > 40'
}
kernel_knows_path() { on_server ip route get "$LAB_CLIENT_IP" | grep -q 'mtu 1000'; }
channel_knows_path() {
	tries down p c 0x4000 1 1300
	channel | jq -e '.to_client.mtu <= 1000'
}

case_device_renamed() {
	started two --heartbeat 300ms
	ip -n "$LAB_ID-server" route add 10.7.2.0/24 via "$LAB_CLIENT_IP" metric 9   # as above
	fault "$(srv link set srv1 down) $(srv link set srv1 name wan0) $(srv link set wan0 up)" 150
	lost "a device is renamed" 1
	offloaded
	holds "the channel" "$(channel)" '.to_peer.device == "wan0"'
	content
	gives 0 '^wan0: relay' status wan0
	gives 3 'srv1 is not attached' status srv1
	gives 3 'srv1 is not attached' detach srv1
	ctl detach wan0
	holds "status" "$(ctl -j status)" '.devices | length == 1 and .[0].device == "srv0"'
	passes 5
}

# Another way out is there, and the relay address stays: coturn ends an allocation when it cannot send.
case_device_made_anew() {
	started two --heartbeat 300ms
	ip -n "$LAB_ID-server" addr add "$LAB_RELAY_IP/32" dev lo
	ip -n "$LAB_ID-server" route add 10.7.2.0/24 via "$LAB_CLIENT_IP" metric 9
	fault "$(srv link del srv1)" 100
	troubled "srv1: the device is gone, or in another network namespace; .turnctl -i $instance detach srv1. forgets it"
	lab_veth "peer:peer0=$LAB_PEER_IP/24" "server:srv1=$LAB_RELAY_IP/24"
	troubled "srv1: the device was removed and has come back; .turnctl -i $instance attach srv1. puts"
	t stream c 0x4000 p 100 10
	lost "a device is removed and made anew, and is with the server" 1
	ctl attach srv1 "${fused[@]}"
	relays_again
	content
	holds "status" "$(ctl -j status)" '.devices | map(.device) == ["srv0", "srv1"]'
}

case_device_moves_to_another_namespace() {
	local mac tolerance=150
	[[ $install == --fused ]] || tolerance=1000
	started two --heartbeat 300ms
	mac=$(server_mac srv1)
	ip -n "$LAB_ID-server" link set srv1 netns "$LAB_ID-client"
	ip -n "$LAB_ID-client" link set srv1 up
	ip -n "$LAB_ID-peer" neigh replace "$LAB_RELAY_IP" lladdr "$mac" dev peer0
	troubled "srv1: the device is gone, or in another network namespace; .turnctl -i $instance detach srv1. forgets it"
	t stream c 0x4000 p 150 10 only=down
	holds "its programs see no socket there" "$A" ".down | .last_ms < 375 + $tolerance"
	ctl detach srv1
	content
	ctl detach --all
	LAB_AT_EXIT=("${LAB_AT_EXIT[@]:1}")
	lab_in client ip link set dev srv1 xdp off   # as the manual says
}

# ---- surroundings -------------------------------------------------------------------------------

case_no_bpffs() {
	local said code what
	lab_up one
	for what in status 'attach srv0' 'attach srv0 --dry-run' 'detach --all' 'channel list'; do
		code=0
		# shellcheck disable=SC2086  # words they are
		said=$(on_server unshare -m sh -c 'umount /sys/fs/bpf && exec "$@"' - timeout 60 "$TURNCTL" -i "$instance" \
			$what 2>&1) || code=$?
		[[ $code == 1 && $said == 'turnctl: no BPF file system at /sys/fs/bpf; mount one with '* ]] ||
			fail "'turnctl $what' without a BPF file system gives $code and says '$said'"
	done
}

# How coturn comes by its addresses: it binds each relay socket to one, whatever it is told. With a device's name,
# only what comes in by that device finds the socket.
coturn_binds() { # COTURN'S-OPTION…
	LAB_COTURN_IPS=("$@")
	lab_coturn
	t client c "$LAB_ID-client" "$LAB_CLIENT_IP" "$LAB_SERVER_IP:$LAB_PORT"
	CLIENT=$(jq -r .client <<<"$A")
	t allocate c
	t bind c 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
	t allow c "$(ctl -j allocation list | jq -r ".allocations[] | select(.client == \"$CLIENT\").relay")"
	passes 1
	offloaded
	flows 60
	counted '.up > 40 and .down > 40 and .events."socket-gone" == 0 and .passed.ended == 0'
}
# coturn_dies FAULT HEARTBEATS [OPTION]: and relaying ends in time
coturn_dies() {
	local tolerance=150
	[[ $install == --fused ]] || tolerance=1000
	fault "kill -KILL $LAB_COTURN_PID" $((100 + 40 * $2)) "${@:3}"
	kill_server
	holds "$1" "$A" "(.up, .down) | .last_ms < 500 + $2 * 375 + $tolerance"
	survived "$1" "-" "$WRONG" "$(jq '[.up.last_ms, .down.last_ms] | max - 500' <<<"$A") ms"
}
case_coturn_on_any_address() {
	lab_up one
	attach --heartbeat 300ms
	t peer p "$LAB_ID-peer" "$LAB_PEER_IP:$LAB_PEER_PORT"
	coturn_binds --listening-ip 0.0.0.0 --relay-ip 0.0.0.0
	coturn_dies "coturn on any address is killed" 1
	lab_wait 20 has_channels 0 || fail "$(channel)"
	coturn_binds
	coturn_dies "coturn that finds its addresses itself is killed" 1
	lab_wait 20 has_channels 0 || fail "$(channel)"
	coturn_binds --listening-ip 0.0.0.0 --external-ip 203.0.113.5
}
case_coturn_bound_to_a_device() {
	lab_up two
	attach --heartbeat 300ms
	t peer p "$LAB_ID-peer" "$LAB_PEER_IP:$LAB_PEER_PORT"
	coturn_binds "${LAB_COTURN_IPS[@]}" --relay-device srv1
	coturn_dies "coturn with relay-device is killed" 1
	lab_wait 20 has_channels 0 || fail "$(channel)"
	coturn_binds --listening-ip "$LAB_SERVER_IP" --relay-ip "$LAB_RELAY_IP" --listening-device srv0 --relay-device srv1
	coturn_dies "coturn with relay-device is killed, and only the client sends" 3 only=up
}
