# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # words.sh's; jq's $variables are not the shell's
# Channels by the operator's word.

case_channel_del_withdraws_until_rebind() {
	started one
	relays 3
	ctl channel del "$CLIENT" "$LAB_SERVER_IP:$LAB_PORT" 0x4000
	holds "the channel" "$(channel)" '(.to_peer, .to_client) | .reason == "withdrawn"'
	server_relays 5
	counted '.passed.withdrawn == 10'
	t refresh c 600
	server_relays 3
	t bind c 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
	passes 1
	relays 3
	gives 0 '^1\b' channel flush
	server_relays 3
	gives 1 "no channel 0x4001.*'turnctl -i $instance channel list' shows all" channel del "$CLIENT" "$LAB_SERVER_IP:$LAB_PORT" 0x4001
}

case_channel_list_show_count() {
	lab_up one
	lab_coturn
	attach
	gives 0 '^0$' channel count
	gives 0 '"channels":' -j channel count
	call
	t bind c 0x4001 "$LAB_PEER_IP:9"
	gives 0 '^2$' channel count
	gives 0 '^2$' channel count --state bound
	gives 0 '^0$' channel count --static
	gives 0 '^2$' channel count --learned
	passes 1
	gives 0 '^1$' channel count --state offloaded
	holds "offloaded" "$(ctl -j channel list --state offloaded)" '.channels | length == 1 and .[0].channel == "0x4000"'
	gives 0 'CLIENT.*SERVER.*CHANNEL' channel list
	gives 0 "$CLIENT.*0x4001" channel list
	holds "the option behind the words" "$(ctl channel list -j --state bound)" '.channels[0].channel == "0x4001"'
	holds "the option between them" "$(ctl channel -j count --learned)" '.channels == 2'
	gives 0 '^  confirmed_seconds_ago +[0-9.]+$' channel show "$CLIENT" "$LAB_SERVER_IP:$LAB_PORT" 0x4000
	gives 0 '^  state {17}offloaded$' channel show "$CLIENT" "$LAB_SERVER_IP:$LAB_PORT" 0x4000
	gives 0 'state +offloaded' channel show "$CLIENT" "$LAB_SERVER_IP:$LAB_PORT" 0x4000
	gives 0 'state +bound' channel show "$CLIENT" "$LAB_SERVER_IP:$LAB_PORT" 16385
	holds "show" "$(ctl -j channel show "$CLIENT" "$LAB_SERVER_IP:$LAB_PORT" 0x4001)" '.channel.peer == "10.7.1.3:9"'
	gives 1 'no channel 0x4002.*channel list' channel show "$CLIENT" "$LAB_SERVER_IP:$LAB_PORT" 0x4002
	gives 0 "$CLIENT" allocation show "$CLIENT"
	gives 1 'no allocation of client 10.7.1.1:1' allocation show 10.7.1.1:1
	gives 2 "client 'x' is not ADDR:PORT .IPv4, port 1 to 65535." allocation show x
	gives 2 "state 'x' is none" channel count --state x
}

# what a channel added by hand has left, if anything
no_static() {
	has_channels 0 || fail "$1: $(channels) channels"
	[[ -z $(managed) ]] || fail "$1: managed neighbour left: $(managed)"
	[[ $(lo_forwarding) == 0 ]] || fail "$1: lo.forwarding is $(lo_forwarding)"
}
bad_add() { # CODE PATTERN WORD…
	gives "$1" "$2" channel add "${@:3}"
	no_static "channel add ${*:3}"
}
case_static_bad_words() {
	local c=10.7.1.1:5000 s=10.7.1.2:3478 r=10.7.1.2:40000 p=10.7.1.3:3480 word
	lab_up one
	attach
	bad_add 2 'takes CLIENT SERVER CHANNEL RELAY PEER'
	bad_add 2 'takes CLIENT SERVER CHANNEL RELAY PEER' $c $s 0x4000 $r
	bad_add 2 'takes CLIENT SERVER CHANNEL RELAY PEER' $c $s 0x4000 $r $p more
	for word in x 10.7.1.1 10.7.1.1: 10.7.1.1:0 10.7.1.1:65536 10.7.1.1:-1 10.7.1:1 10.7.1.256:1 :1 '10.7.1.1:1 '; do
		bad_add 2 "client '$word' is not ADDR:PORT .IPv4, port 1 to 65535." "$word" $s 0x4000 $r $p
	done
	bad_add 2 "server 'x' is not ADDR:PORT" $c x 0x4000 $r $p
	bad_add 2 "relay 'x' is not ADDR:PORT" $c $s 0x4000 x $p
	bad_add 2 "peer 'x' is not ADDR:PORT" $c $s 0x4000 $r x
	for word in x '' 0x 4000x 65536 0x10000; do
		bad_add 2 "channel number '$word' is not a number from 0 to 65535" $c $s "$word" $r $p
	done
	for word in 0 0x3fff 0x8000 65535; do bad_add 1 'channel number .* out of range' $c $s $word $r $p; done
	bad_add 1 'server address 10.7.1.77 is not an address of this host' $c 10.7.1.77:3478 0x4000 $r $p
	bad_add 1 'relay address 10.7.1.77 is not an address of this host' $c $s 0x4000 10.7.1.77:40000 $p
	bad_add 1 'peer 10.7.1.2 is an address of this host' $c $s 0x4000 $r 10.7.1.2:3480
	bad_add 1 'client 10.7.1.2 is an address of this host' 10.7.1.2:1 $s 0x4000 $r $p
	for word in 224.0.0.5 10.7.1.255 255.255.255.255 0.0.0.0 127.0.0.1; do
		bad_add 1 "$word" $c $s 0x4000 $r $word:3480
	done
	bad_add 1 '203.0.113.1' $c $s 0x4000 $r 203.0.113.1:3480
	bad_add 1 '10.7.1.99' $c $s 0x4000 $r 10.7.1.99:3480
	bad_add 1 '10.7.1.99' 10.7.1.99:5000 $s 0x4000 $r $p
	bad_add 1 'no route to 10.7.1.1 from 127.0.0.1' $c 127.0.0.1:3478 0x4000 $r $p
	on_server ip route add 10.9.9.0/24 via inet6 fe80::77 dev srv0
	bad_add 1 'the route to peer 10.9.9.1 has an IPv6 gateway' $c $s 0x4000 $r 10.9.9.1:3480
	ctl channel add $c $s 0x4000 $r $p
	gives 1 'channel 0x4000 of client 10.7.1.1:5000 exists already .static' channel add $c $s 0x4000 10.7.1.2:40001 $p
	gives 1 'belong to another channel already' channel add 10.7.1.1:5001 $s 0x4000 $r $p
	has_channels 1 || fail "$(channels) channels, not 1"
	[[ $(managed | wc -l) == 2 ]] || fail "a refused double took a neighbour: $(managed)"
	ctl channel del $c $s 0x4000
	no_static "channel del"
	gives 1 'no channel.*channel list' channel del $c $s 0x4000
}

case_static_relays_without_server() {
	local before neigh
	lab_up one
	attach --heartbeat 100ms
	neigh=$(on_server ip neigh show nud permanent)
	ends
	t allow c "$LAB_RELAY_IP:40000"
	ctl channel add "$CLIENT" "$LAB_SERVER_IP:$LAB_PORT" 0x4000 "$LAB_RELAY_IP:40000" "$LAB_PEER_IP:$LAB_PEER_PORT"
	[[ $(lo_forwarding) == 1 ]] || fail "lo.forwarding is $(lo_forwarding)"
	[[ $(on_server sysctl -n net.ipv4.ip_forward) == 0 ]] || fail "ip_forward was switched on"
	[[ $(managed | wc -l) == 2 ]] || fail "not two managed neighbours: $(managed)"
	holds "the channel" "$(channel)" '.origin == "static" and (.to_peer, .to_client | .state == "static")'
	mark
	passes 30 0,1,3,4,100,1400
	t stream c 0x4000 p 100 10                   # several times over what would be heartbeats
	holds "both ways" "$A" '(.up, .down) | .got == 100 and .dup == 0 and .wrong == 0'
	counted '.up == 130 and .down == 130 and .heartbeats == 0 and .passed_total == 0 and .stack == 0'
	t client d "$LAB_ID-client" "$LAB_CLIENT_IP" "$LAB_SERVER_IP:$LAB_PORT"
	mark
	t push d 0x4000 5 100                        # another port of the client: a stranger's
	soon_counted '.stack == 5'
	counted '.up == 0'
	# a second one by the same neighbours, and the first goes: they stay managed
	ctl channel add 10.7.1.1:1 "$LAB_SERVER_IP:$LAB_PORT" 0x4000 "$LAB_RELAY_IP:40001" "$LAB_PEER_IP:$LAB_PEER_PORT"
	ctl channel del "$CLIENT" "$LAB_SERVER_IP:$LAB_PORT" 0x4000
	[[ $(managed | wc -l) == 2 ]] || fail "neighbours that are in use are not managed: $(managed)"
	mark
	t push c 0x4000 5 100
	soon_counted '.stack == 5'
	counted '.up == 0'
	ctl channel del 10.7.1.1:1 "$LAB_SERVER_IP:$LAB_PORT" 0x4000
	no_static "both deleted"
	[[ $(on_server ip neigh show nud permanent) == "$neigh" ]] || fail "permanent neighbours left"
	ctl channel add "$CLIENT" "$LAB_SERVER_IP:$LAB_PORT" 0x4000 "$LAB_RELAY_IP:40000" "$LAB_PEER_IP:$LAB_PEER_PORT"
	relays 5
	detach
	[[ $(lo_forwarding) == 0 ]] || fail "detach leaves lo.forwarding $(lo_forwarding)"
	[[ -z $(managed) ]] || fail "detach leaves a managed neighbour: $(managed)"
	# what the operator had set stays set
	on_server sysctl -qw net.ipv4.conf.lo.forwarding=1
	on_server ip neigh replace "$LAB_PEER_IP" dev srv0 managed
	attach
	ctl channel add "$CLIENT" "$LAB_SERVER_IP:$LAB_PORT" 0x4000 "$LAB_RELAY_IP:40000" "$LAB_PEER_IP:$LAB_PEER_PORT"
	ctl channel flush
	[[ $(lo_forwarding) == 1 ]] || fail "the operator's lo.forwarding was reset"
	[[ $(managed) == "$LAB_PEER_IP "* ]] || fail "the operator's managed neighbour is gone: $(managed)"
}

case_static_follows_mac_change() {
	lab_up one
	attach --heartbeat 100ms
	ends
	t allow c "$LAB_RELAY_IP:40000"
	ctl channel add "$CLIENT" "$LAB_SERVER_IP:$LAB_PORT" 0x4000 "$LAB_RELAY_IP:40000" "$LAB_PEER_IP:$LAB_PEER_PORT"
	passes 5
	ip -n "$LAB_ID-peer" link set dev peer0 address 02:00:00:00:00:77
	lab_wait 30 reaches_new_mac || fail "still the old one: $(channel)"
	mark
	passes 5
	counted '.up == 5 and .down == 5 and .stack == 0'
	holds "the channel" "$(channel)" '.to_peer.next_hop == "02:00:00:00:00:77"'
}
reaches_new_mac() {
	tries arp p peer0
	tries push c 0x4000 1 100
	tries up c 0x4000 p 1 100
	[[ $A == *'"got": 1'* ]]
}

case_learned_follows_mac_change() {
	started one --heartbeat 200ms
	ip -n "$LAB_ID-peer" link set dev peer0 address 02:00:00:00:00:77
	lab_wait 30 reaches_new_mac || fail "still the old one: $(channel)"
	passes 5
	holds "the channel" "$(channel)" '.to_peer.next_hop == "02:00:00:00:00:77"'
}

case_static_needs_attached_devices() {
	local add=(channel add 10.7.1.1:5000 10.7.1.2:3478 0x4000 10.7.2.2:40000 10.7.2.3:3480)
	lab_up two
	LAB_DEVICES=(srv0)
	attach
	bad_add 1 "leaves by srv1, which is not attached; .turnctl -i $instance attach srv1. adds it" "${add[@]:2}"
	detach
	LAB_DEVICES=(srv0 srv1)
	attach
	ends
	t allow c 10.7.2.2:40000
	ctl channel add "$CLIENT" "${add[@]:3}"
	relays 10 0,1,3,4,1400
}

# The device by which the server's packets leave was forgotten, and is added.
case_missing_device_is_told() {
	lab_up two
	lab_coturn
	LAB_DEVICES=(srv0)
	attach
	call
	passes 20
	lab_wait 20 has_problem || fail "not told: $(ctl status)"
	gives 4 "^problem: 1 channel has traffic, .*: is the device .* attached\? 'turnctl -i $instance attach DEV' adds" \
		status --check
	is_state bound >/dev/null || fail "not bound: $(channel)"
	ctl attach srv0 --relay srv1 "${fused[@]}"
	passes 1
	relays 5
	gives 0 '^$' status --check
}
has_problem() {
	local code=0
	ctl status --check || code=$?
	((code == 4))
}

static_channel() { # adds it to the instance of the laboratory
	ends
	t allow c "$LAB_RELAY_IP:40000"
	ctl channel add "$CLIENT" "$LAB_SERVER_IP:$LAB_PORT" 0x4000 "$LAB_RELAY_IP:40000" "$LAB_PEER_IP:$LAB_PEER_PORT"
}
# The kernel deletes managed neighbour entries with the carrier. Nobody but the channel's own packets is there then.
case_static_link_fails() {
	local gone="until ! ip -n $LAB_ID-server neigh show dev srv1 | grep -q lladdr; do :; done;"
	lab_up two
	attach --heartbeat 300ms
	static_channel
	passes 1
	fault "$(peer link set peer0 down) $gone $(peer link set peer0 up)" 200 only=up
	lost "the link of a static channel goes down and up" 1
	fault "$(srv link set srv1 down) $(srv link set srv1 up)" 150 only=up
	lost "the device of a static channel goes down and up" 1
	flows 50
	counted '.up == 50 and .down == 50 and .stack == 0'
}

# The kernel deletes managed neighbour entries when the device goes down, and others toggle ip_forward.
case_static_upkeep_lapses() {
	lab_up two
	attach --heartbeat 300ms
	static_channel
	flows 20
	content
	ip -n "$LAB_ID-server" link set srv1 down
	ip -n "$LAB_ID-server" link set srv1 up
	lab_wait 20 carriers || fail "no carrier"
	troubled "srv1: the kernel does not keep the MAC address of $LAB_PEER_IP for static channels"
	ctl attach srv1 "${fused[@]}"
	content
	[[ $(managed | wc -l) == 2 ]] || fail "not two managed neighbours: $(managed)"
	flows 20
	on_server sysctl -qw net.ipv4.ip_forward=1 net.ipv4.ip_forward=0
	troubled 'net.ipv4.conf.lo.forwarding was reset, '
	flows 20
	ctl attach srv1 "${fused[@]}"
	content
	detach
	[[ -z $(managed) && $(lo_forwarding) == 0 ]] || fail "left: $(managed), lo.forwarding $(lo_forwarding)"
}

# The route moves to another device, and back: what the kernel keeps for the channels moves when a command comes by.
case_static_route_moves() {
	local keys move
	lab_up paths
	keys=("$LAB_SERVER_IP:$LAB_PORT" 0x4000)
	move=$(srv route add "$LAB_PEER_IP" via 10.7.4.3)
	attach --heartbeat 300ms
	static_channel
	passes 1
	are_managed "$LAB_CLIENT_IP srv0" "$LAB_PEER_IP srv1"
	on_server ip neigh replace 10.7.4.3 dev srv2 nud none use
	lab_wait 20 knows_other_way || fail "no MAC address: $(on_server ip neigh)"
	fault "$move" 150
	lost "the route of a static channel moves to another device" 1
	holds "the channel" "$(channel)" '.to_peer.device == "srv2"'
	troubled "srv2: the kernel does not keep the MAC address of 10.7.4.3 for static channels"
	ctl attach srv2 "${fused[@]}"
	content
	are_managed "$LAB_CLIENT_IP srv0" "10.7.4.3 srv2"
	ctl channel add 10.7.1.1:1 "${keys[@]}" "$LAB_RELAY_IP:40001" "$LAB_PEER_IP:$LAB_PEER_PORT"
	ip -n "$LAB_ID-server" route del "$LAB_PEER_IP"
	flows 50
	ctl channel del "$CLIENT" "${keys[@]}"       # the other one was added by that way, and by it still has its note
	are_managed "$LAB_CLIENT_IP srv0" "10.7.4.3 srv2"
	ctl attach srv0 "${fused[@]}"
	are_managed "$LAB_CLIENT_IP srv0" "$LAB_PEER_IP srv1"
	ctl channel add "$CLIENT" "${keys[@]}" "$LAB_RELAY_IP:40000" "$LAB_PEER_IP:$LAB_PEER_PORT"
	eval "$move"
	flows 50
	ctl channel del "$CLIENT" "${keys[@]}"
	are_managed "$LAB_CLIENT_IP srv0" "$LAB_PEER_IP srv1"
	ctl channel del 10.7.1.1:1 "${keys[@]}"
	no_static "both deleted"
	ip -n "$LAB_ID-server" route del "$LAB_PEER_IP"
	ctl channel add "$CLIENT" "${keys[@]}" "$LAB_RELAY_IP:40000" "$LAB_PEER_IP:$LAB_PEER_PORT"
	on_server ip neigh del 10.7.4.3 dev srv2     # and nobody has it resolved: a channel's packets do not
	eval "$move"
	lab_wait 20 is_lost || fail "not suspended: $(channel)"
	troubled "srv2: the kernel does not keep the MAC address of 10.7.4.3 for static channels"
	ctl attach srv2 "${fused[@]}"
	lab_wait 20 knows_other_way || fail "no MAC address: $(on_server ip neigh)"
	flows 50
	ctl detach srv2
	troubled "srv2: the routes of static channels lead there, and it is not attached"
	detach
	[[ -z $(managed) ]] || fail "detach leaves a managed neighbour: $(managed)"
}
is_lost() {
	t push c 0x4000 1 100
	channel | jq -e '.to_peer | .state == "suspended" and .reason == "no-neighbour"'
}
knows_other_way() { on_server ip neigh show 10.7.4.3 dev srv2 | grep -q lladdr; }
are_managed() { # what, and nothing else
	local are
	are=$(on_server ip neigh show | sed -n '/\<managed\>/s/ dev \([^ ]*\) .*/ \1/p' | sort)
	[[ $are == "$(printf '%s\n' "$@" | sort)" ]] || fail "managed are ${are//$'\n'/, }, not $*"
}

# The sysctl is the network namespace's: the last instance to need it resets it.
case_static_channels_of_two_instances() {
	local one=(10.7.1.1:5000 10.7.1.2:3478 0x4000) two=(10.7.2.3:5000 10.7.2.2:3479 0x4000)
	lab_up two
	ip -n "$LAB_ID-client" addr add 10.7.1.3/24 dev cli0
	ip -n "$LAB_ID-peer" addr add 10.7.2.4/24 dev peer0
	LAB_AT_EXIT=("ctl_second detach --all" "ctl detach --all")
	ctl attach srv0 --heartbeat 300ms "${fused[@]}"
	ctl_second attach srv1 --listen 3479 --heartbeat 300ms "${fused[@]}"
	content
	ctl channel add "${one[@]}" 10.7.1.2:40000 10.7.1.3:5000
	ctl_second channel add "${two[@]}" 10.7.2.2:40000 10.7.2.4:5000
	ctl channel del "${one[@]}"
	still 1 "the first instance's last channel"
	ctl channel add "${one[@]}" 10.7.1.2:40000 10.7.1.3:5000
	ctl_second detach --all
	still 1 "the second instance"
	ctl_second attach srv1 --listen 3479 --heartbeat 300ms "${fused[@]}"
	ctl_second channel add "${two[@]}" 10.7.2.2:40000 10.7.2.4:5000
	ctl detach --all
	still 1 "the first instance"
	ctl_second channel del "${two[@]}"
	still 0 "the last channel of all"
	on_server sysctl -qw net.ipv4.conf.lo.forwarding=1   # the operator's is nobody's to reset
	ctl attach srv0 --heartbeat 300ms "${fused[@]}"
	ctl channel add "${one[@]}" 10.7.1.2:40000 10.7.1.3:5000
	ctl_second channel add "${two[@]}" 10.7.2.2:40000 10.7.2.4:5000
	ctl_second detach --all
	ctl detach --all
	still 1 "the operator has set it, and all"
	LAB_AT_EXIT=()
}
ctl_second() { on_server timeout 120 "$TURNCTL" -i "$instance-b" "$@"; }
still() { [[ $(lo_forwarding) == "$1" ]] || fail "$2 has gone, and lo.forwarding is $(lo_forwarding), not $1"; }
