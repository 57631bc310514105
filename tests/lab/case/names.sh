# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # words.sh's; jq's $variables are not the shell's
# Where the server runs, which server it is, and what devices are called.

# ---- a container --------------------------------------------------------------------------------

# coturn in a container with host networking is to the kernel a process like another.
case_server_in_a_container() {
	local pid
	command -v crun >/dev/null || skip "needs crun"
	lab_up one
	LAB_COTURN_IN=("$here/container" "$LAB_ID" "$LAB_TMP")
	LAB_AT_EXIT+=("crun --root $LAB_TMP/crun delete --force $LAB_ID")
	lab_coturn
	pid=$(on_server ss -Hlunp "src $LAB_SERVER_IP:$LAB_PORT" | sed -n '1s/.*pid=\([0-9]*\),.*/\1/p')
	[[ $(ns_of "$pid" net) == $(stat -Lc %i "/run/netns/$LAB_ID-server") ]] || fail "it is not in the server's network namespace"
	[[ $(ns_of "$pid" mnt) != $(ns_of $$ mnt) && $(ns_of "$pid" pid) != $(ns_of $$ pid) ]] || fail "this is no container"
	attach --heartbeat 300ms
	call
	passes 1
	offloaded
	flows 60
	counted '.up > 0 and .down > 0 and .events."socket-gone" == 0'
	content
	crun --root "$LAB_TMP/crun" delete --force "$LAB_ID"
	lab_wait 30 nothing_is_left || fail "the container is stopped, and there is $(channel)"
	mark
	t push c 0x4000 5 100
	soon_counted '.stack == 5'
	counted '.up == 0'
}
ns_of() { stat -Lc %i "/proc/$1/ns/$2"; }
# sending goes on, and the kernel finds that nobody is behind it any more
nothing_is_left() {
	tries push c 0x4000 1 100
	tries throw p c 1 100
	has_channels 0
}

# ---- two servers on one machine -----------------------------------------------------------------

# Two servers, each with its own address, port, relay ports, database, process file and log, so that they have nothing in
# common but the kernel: "first" at srv0 for the clients and peers behind it, "other" at srv1.
FIRST_SERVER=10.7.1.2:3478 OTHER_SERVER=10.7.2.2:4478
two_servers_up() {
	lab_up two
	ip -n "$LAB_ID-client" addr add 10.7.1.3/24 dev cli0
	ip -n "$LAB_ID-peer" addr add 10.7.2.4/24 dev peer0
	LAB_AT_EXIT=('[[ ${BOTH_SERVED-} ]] || two_servers_tell >>"$output.why" 2>&1' "ctl_second detach --all" "ctl detach --all")
	spawn_server first "$FIRST_SERVER" 51000
	FIRST_PID=$LAB_PID
	spawn_server other "$OTHER_SERVER" 52000
	OTHER_PID=$LAB_PID
	lab_wait 60 both_listen || fail "they do not both listen"
	t peer pa "$LAB_ID-client" 10.7.1.3:3480
	t peer pb "$LAB_ID-peer" 10.7.2.4:3480
	lab_wait 60 both_answer || fail "they do not both answer: $A"
}
spawn_server() { # NAME ADDR:PORT FIRST-RELAY-PORT
	local dir=$LAB_TMP/$1
	mkdir "$dir"
	: >"$dir/turn.conf"
	lab_plain
	lab_spawn server turnserver -c "$dir/turn.conf" --userdb "$dir/turndb" --log-file "$dir/log" --simple-log \
		--pidfile "$dir/pid" --listening-ip "${2%:*}" --listening-port "${2#*:}" --relay-ip "${2%:*}" \
		--min-port "$3" --max-port $(($3 + 499)) --lt-cred-mech --user "$LAB_USER:$LAB_PASSWORD" \
		--realm "$LAB_REALM" "${LAB_PLAIN[@]}" --no-tcp --no-tcp-relay >"$dir/out" 2>&1
}
both_listen() { lab_listens server "$FIRST_SERVER" && lab_listens server "$OTHER_SERVER"; }
# A server may be there before it is ready to answer. This client is then no more.
both_answer() {
	local server
	for server in "client 10.7.1.1 $FIRST_SERVER" "peer 10.7.2.3 $OTHER_SERVER"; do
		# shellcheck disable=SC2086  # words they are
		first_try $server || return 1
	done
}
first_try() { # NODE ADDR SERVER
	tries client early "$LAB_ID-$1" "$2" "$3"
	tries allocate early
	[[ $A == '{"ok": true'* ]] || return 1
	tries refresh early 0
}
# calls a|b: a new client of the first or the other server, with a channel to the peer at its side, and the first packets
calls() {
	if [[ $1 == a ]]; then
		t client a "$LAB_ID-client" 10.7.1.1 "$FIRST_SERVER"
	else
		t client b "$LAB_ID-peer" 10.7.2.3 "$OTHER_SERVER"
	fi
	t allocate "$1"
	t bind "$1" 0x4000 "$([[ $1 == a ]] && echo 10.7.1.3 || echo 10.7.2.4):3480"
	both_ways "$1" 1
}
both_ways() { # a|b COUNT: all arrives
	t up "$1" 0x4000 "p$1" "$2" 100
	holds "$1 to its peer" "$A" ".got == $2 and .lost == 0 and .wrong == 0"
	t down "p$1" "$1" 0x4000 "$2" 100
	holds "the peer to $1" "$A" ".got == $2 and .lost == 0 and .wrong == 0"
}
# packets_of CTL [+]: what the instance has relayed, with + and its heartbeats
packets_of() { "$1" -j stats | jq --arg more "${2-}" '[.devices[] | .to_peer.packets + .to_client.packets + if $more == "" then 0 else .heartbeats end] | add'; }
# kernel_relays a|b CTL: all of it, but for a heartbeat if one is due
kernel_relays() {
	local before after
	before=$(packets_of "$2" +)
	both_ways "$1" 10
	after=$(packets_of "$2" +)
	((after - before == 20)) || fail "of 20 packets of $1, $2 has relayed $((after - before))"
}
# that_server_relays a|b CTL: of this client's the instance relays nothing
that_server_relays() {
	local before
	before=$(packets_of "$2")
	both_ways "$1" 10
	[[ $(packets_of "$2") == "$before" ]] || fail "$2 has relayed $(($(packets_of "$2") - before)) packets of $1"
}
# Everything that it takes to understand it.
two_servers_tell() {
	local what dir
	echo "last answer of turn.py: ${A-}"
	for what in "ip -br link" "ip -br addr" "ip route" "ip rule" "ip neigh" "ss -Hlunp" "cat /proc/net/snmp"; do
		echo "-- $what"
		# shellcheck disable=SC2086  # words they are
		on_server $what
	done
	for what in status "channel list" "allocation list" "stats"; do
		echo "-- turnctl $what, of both instances"
		# shellcheck disable=SC2086  # words they are
		{ ctl -j $what; ctl_second -j $what; } || true
	done
	for dir in first other; do
		echo "-- coturn $dir: pid file $(cat "$LAB_TMP/$dir/pid")"
		tail -n 30 "$LAB_TMP/$dir/log" "$LAB_TMP/$dir/out"
	done
	echo "-- the machine: $(cat /proc/loadavg)"
	ip -br addr
}

# An instance to each.
case_two_servers() {
	two_servers_up
	ctl attach srv0 --listen 3478 --heartbeat 60s "${fused[@]}"
	ctl_second attach srv1 --listen 4478 --heartbeat 60s "${fused[@]}"
	calls a
	calls b
	kernel_relays a ctl
	kernel_relays b ctl_second
	has_channels 1 || fail "the first instance has $(channels) channels"
	[[ $(ctl_second channel count) == 1 ]] || fail "the other instance has $(ctl_second channel count) channels"
	that_server_relays a ctl_second
	that_server_relays b ctl
	ctl_second detach --all
	both_ways b 10
	kernel_relays a ctl
	gives 0 '^$' status --check
	ctl_second attach srv1 --listen 4478 --heartbeat 60s "${fused[@]}"
	calls b
	kernel_relays b ctl_second
	ctl detach --all
	both_ways a 10
	kernel_relays b ctl_second
	ctl_second detach --all
	both_ways b 10
	BOTH_SERVED=1
}

# One instance for both: one server ends, and the other does not notice.
case_two_servers_of_one_instance() {
	two_servers_up
	ctl attach srv0 --listen 3478 --listen 4478 --heartbeat 300ms "${fused[@]}"
	ctl attach srv1 "${fused[@]}"
	calls a
	calls b
	has_channels 2 || fail "$(channels) channels, not 2"
	lab_wait 30 relays_some a || fail "a is not relayed by the kernel"
	lab_wait 30 relays_some b || fail "b is not relayed by the kernel"
	lab_kill "$OTHER_PID"
	lab_wait 60 forgets_other || fail "the other server has ended, and there are $(channels) channels"
	both_ways a 10
	lab_wait 30 relays_some a || fail "a is no longer relayed by the kernel"
	spawn_server again "$OTHER_SERVER" 52500
	OTHER_PID=$LAB_PID
	lab_wait 60 both_answer || fail "they do not both answer: $A"
	calls b
	lab_wait 30 relays_some b || fail "b is not relayed by the kernel again"
	ctl detach srv1
	both_ways b 10
	lab_wait 30 relays_some a || fail "a is no longer relayed by the kernel"
	BOTH_SERVED=1
}
# with heartbeats in between, so not all of it; what is lost is a failure
relays_some() {
	local before
	before=$(packets_of ctl)
	both_ways "$1" 10
	(($(packets_of ctl) > before))
}
forgets_other() {
	tries push b 0x4000 1 100
	tries throw pb b 1 100
	has_channels 1
}

# ---- names of devices ---------------------------------------------------------------------------

# Two attached devices change their names with each other: each stays what it is.
case_device_names_swapped() {
	local before
	started two
	before=$(ctl -j status | jq -c '[.devices[] | {ifindex, role}]')
	swaps_names srv0 srv1
	holds "status" "$(ctl -j status)" \
		".devices | map({ifindex, role}) == $before and (map({(.device): .role}) | add) == {srv0: \"relay\", srv1: \"client\"}"
	gives 0 '^$' status --check
	gives 0 '^srv0: relay' status srv0
	lab_wait 60 reaches_both || fail "nothing passes: $A"
	relays_or_beats 5
	ctl attach srv0 "${fused[@]}"                # as the relay device that it is
	relays_or_beats 5
	gives 0 '^srv0: relay' status srv0
	ctl detach srv0
	gives 0 '^srv1: client' status
	gives 3 'srv0 is not attached' status srv0
	passes 3
}
swaps_names() {
	local dev
	for dev in "$1 swapping" "$2 $1" "swapping $2"; do
		ip -n "$LAB_ID-server" link set "${dev% *}" down
		ip -n "$LAB_ID-server" link set "${dev% *}" name "${dev#* }"
	done
	for dev in "$@"; do ip -n "$LAB_ID-server" link set "$dev" up; done
	lab_wait 30 carriers || fail "the devices do not come up"
}

# A device that was away is well again after an attach.
case_device_moves_and_comes_back() {
	started two
	ip -n "$LAB_ID-server" link set srv1 netns "$LAB_ID-peer"
	gives 4 "^problem: srv1: the device is gone, or in another network namespace" status --check
	ip -n "$LAB_ID-peer" link set srv1 netns "$LAB_ID-server"
	ip -n "$LAB_ID-server" addr add "$LAB_RELAY_IP/24" dev srv1
	ip -n "$LAB_ID-server" link set srv1 up
	lab_wait 30 carriers || fail "the devices do not come up"
	ctl attach srv1 "${fused[@]}"
	gives 0 '^$' status --check
	lab_wait 60 reaches_both || fail "nothing passes: $A"
	caller c
	passes 1
	relays_or_beats 5
}
