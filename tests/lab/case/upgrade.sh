# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # words.sh's; jq's $variables are not the shell's
# Attaching over an attached device: upgrade, change and repair.

pins=/sys/fs/bpf/turnctl

# ids DEVICE: of our XDP programs there, as the kernel tells, and not turnctl
ids() {
	if [[ $install == --chain ]]; then
		on_server xdp-loader status "$1" | awk '/turn_/ { print $4 + 0 }' | sort | xargs
	else
		ip -n "$LAB_ID-server" -j -d link show dev "$1" | jq -r '.[0].xdp.prog.id // empty'
	fi
}
# what the server runs in XDP, all devices
generation() {
	local dev
	for dev in "${LAB_DEVICES[@]}"; do ids "$dev"; done | xargs
}
# NAME ID of all programs of the instance: those that use its maps, and the exits'
programs() {
	local dir=$pins/$instance/abi-$LAYOUT id
	id=$(bpftool -j map show pinned "$dir/turn_ports" | jq .id)
	bpftool -j prog list | jq -r --argjson id "$id" '.[] | select(.map_ids // [] | index($id)) | "\(.name) \(.id)"'
	on_server bpftool -j map dump pinned "$dir/turn_exits" |
		jq -r '.[].value | if type == "array" then "turn_shift \(.[4:])" else "turn_shift \(.bpf_prog.id)" end'
}
# Every change of what runs on the first device, one line each, until the file is gone; and a last look then.
watch_generations() {
	local last=none now ended=''
	until [[ $ended ]]; do
		[[ -e $LAB_TMP/watch ]] || ended=1
		now=$(ids "${LAB_DEVICES[0]}")
		[[ $now == "$last" ]] || echo "${now:-none}"
		last=$now
	done >"$LAB_TMP/generations"
}

# streams_while COMMAND…: a packet each way every few ms as long as it runs, and after it; all arrive, once. SENT is how
# many each way
STREAM='(.up, .down) | .lost == 0 and .dup == 0 and .wrong == 0'
streams_while() {
	local pid gap=1 count=100 code=0 last=''
	[[ $install == --fused ]] || gap=10
	[[ ${TURN_IN-} ]] || t_start
	SENT=0
	"$@" &
	pid=$!
	until [[ $last ]]; do
		! lab_is_gone $pid || last=1
		t stream c 0x4000 p $count $gap
		holds "packets while '$*'" "$A" "$STREAM"
		SENT=$((SENT + count))
	done
	wait $pid || code=$?
	((code == 0)) || fail "'$*' gives exit code $code"
}

# The channel that was bound before is relayed by the kernel still. In a slow emulator it may have become time for a heartbeat.
still_relays() {
	mark
	passes 3
	counted '.up >= 2 and .down >= 2 and .up + .down + .heartbeats == 6 and .passed_total == 0 and .stack == .heartbeats'
}

case_upgrade_under_load() {
	local old i watcher
	LAYOUT=$("$TURNCTL" -j version | jq .layout)
	started two
	old=$(programs)
	holds "before" "$(ctl -j status)" '.devices | length == 2'
	: >"$LAB_TMP/watch"
	watch_generations &
	watcher=$!
	mark
	streams_while upgrades
	rm "$LAB_TMP/watch"
	wait $watcher
	# nothing old is in use but what an allocation's timer holds, and all of it has a successor
	[[ $(programs | grep -Fxv "$old" | cut -d ' ' -f 1 | sort) == "$(cut -d ' ' -f 1 <<<"$old" | sort)" ]] ||
		fail "there was $old, and now there is $(programs)"
	for i in $(generation); do ! grep -q " $i$" <<<"$old" || fail "program $i is still attached"; done
	if [[ $install == --fused ]]; then
		counted ".up == $SENT and .down == $SENT and .passed_total == 0 and .stack == 0"   # replaced in one step
	else
		counted ".up > 0 and .down > 0 and .up + .down + .passed_total + .stack >= 2 * $SENT"
	fi
	still_relays
	gives 0 '^$' status --check
	one_generation
	survived "the programs replaced under load (attach over an attached device)" "$LOST" "$WRONG" "-"
}
upgrades() {
	ctl attach srv0 --relay srv1
	[[ $install == --chain ]] || ctl attach srv0 --relay srv1
}
# no program was seen together with one of another generation
one_generation() {
	local seen='' line id stages=1
	[[ $install == --fused ]] || stages=4
	while read -r line; do
		if [[ $line == none ]]; then
			[[ $install != --fused ]] || fail "for a time nothing ran: $(xargs <"$LAB_TMP/generations")"
			continue
		fi
		[[ $(wc -w <<<"$line") == "$stages" ]] || fail "$line ran at one time"
		for id in $line; do
			[[ " $seen " != *" $id "* ]] || fail "$id ran with others before: $(xargs -d '\n' <"$LAB_TMP/generations")"
		done
		seen+=" $line"
	done <"$LAB_TMP/generations"
	(($(wc -w <<<"$seen") >= 2 * stages)) || fail "no generations: $(xargs -d '\n' <"$LAB_TMP/generations")"
}

# What is not said again stays.
case_attach_again_keeps_what_it_is_not_told() {
	local before
	lab_up two
	lab_coturn
	attach --listen 3478 --listen 5349 --external-ip 203.0.113.7/10.7.1.2 --heartbeat 30s --max-channels 64 \
		--prio 40 --mode skb
	before=$(settings)
	ctl attach srv1
	[[ $(settings) == "$before" ]] || fail "$(diff <(echo "$before") <(settings))"
	ctl attach srv0
	[[ $(settings) == "$before" ]] || fail "$(diff <(echo "$before") <(settings))"
	gives 1 "has room for 64 channels already.*'turnctl -i $instance detach --all' first" attach srv0 --max-channels 65
	gives 1 'has room for 64 channels already' attach srv0 --max-channels 65 --dry-run
	gives 1 "runs in skb mode.*use --mode skb, or name all of them" attach srv1 --mode native
	[[ $(settings) == "$before" ]] || fail "refused, but $(diff <(echo "$before") <(settings))"
	gives 0 '^$' status --check
	# and what is said is added or changed
	ctl attach srv0 --relay srv1 --mode native --heartbeat 60s --listen 5350
	holds "status" "$(ctl -j status)" '.heartbeat_seconds == 60 and .max_channels == 64 and
		.listeners == ["*:3478", "*:5349", "*:5350"] and ([.devices[].mode] | unique == ["native"])'
	call
	passes 1
	still_relays
	ctl attach srv1 --relay srv0                 # the roles change places
	holds "the roles" "$(ctl -j status)" '[.devices[] | .role] == ["relay", "client"]'
	gives 0 '^$' status --check
	ctl attach srv0 --relay srv1
	still_relays
	[[ $install == --chain ]] || return 0
	ctl attach srv0 --relay srv1 --fused
	holds "fused" "$(ctl -j status)" '[.devices[].install] == ["fused", "fused"]'
	still_relays
	ctl attach srv0                              # stays it
	holds "fused" "$(ctl -j status)" '[.devices[].install] == ["fused", "fused"]'
	ctl attach srv0 --chain --prio 30
	holds "mixed" "$(ctl -j status)" '.devices[0].programs[0].priority == 30 and .devices[1].install == "fused"'
	still_relays
	gives 0 '^$' status --check
}
settings() {
	ctl -j status | jq -S 'del(.problems, .allocations, .channels, .offloaded, .heartbeats_per_second) |
		del(.devices[].programs[].id)'
}

case_attach_again_dry_run() {
	local before
	started two
	before=$(generation; picture)
	if [[ $install == --fused ]]; then
		gives 0 '^srv0: turn_fused \(id [0-9]+\) is replaced in one step$' attach srv0 --dry-run
		gives 0 '^srv1: turn_fused \(id [0-9]+\) comes off first$' attach srv0 --relay srv1 --mode skb --dry-run
	else
		gives 0 '^srv0: turn_cli2rem \(id [0-9]+\) comes off first$' attach srv0 --dry-run
	fi
	gives 0 '^srv1: turn_egress at TC egress' attach srv1 --dry-run
	[[ $(generation; picture) == "$before" ]] || fail "$(diff <(echo "$before") <(generation; picture))"
	still_relays
}

# The new programs cannot be attached, once the old are off: nothing is lost but speed.
case_attach_again_that_fails_keeps_the_state() {
	started one --mode skb
	lab_in hub ethtool -K hs gro off
	gives 1 "srv0 would lose every relayed frame.*; srv0 stays attached without XDP programs.*'turnctl -i $instance attach srv0'" \
		attach srv0 --mode native
	gives 4 "srv0: 0 of [14] XDP programs are in place" status --check
	server_relays 3
	has_channels 1 || fail "the channel is gone"
	ctl attach srv0                              # as it was
	still_relays
	holds "the mode" "$(ctl -j status)" '.devices[0].mode == "skb"'
	lab_in hub ethtool -K hs gro on
	ctl attach srv0 --mode native
	still_relays
	gives 0 '^$' status --check
}

# ---- what others do to it --------------------------------------------------------------------------

# faulted NAME PATTERN COMMAND…: nothing is lost by it or after it, status tells, the next attach repairs it, and
# what was learned is still known
faulted() {
	local name=$1 pattern=$2; shift 2
	streams_while "$@"
	gives 4 "$pattern" status --check
	ctl attach srv0
	gives 0 '^$' status --check
	still_relays
	survived "$name" "$LOST" "$WRONG" "the next status --check"
}
on_clsact() { ctl -j status | jq -e '.devices[0].egress == "clsact"' >/dev/null; }
delete_exit() { # MAP
	local key=("$(on_server bpftool -j map dump pinned "$pins/$instance/abi-$LAYOUT/$1" | jq -r '.[0].key | if type == "array" then join(" ") else . end')")
	# shellcheck disable=SC2068
	on_server bpftool map delete pinned "$pins/$instance/abi-$LAYOUT/$1" key ${key[@]}
}
case_others_take_parts_off() {
	local before
	lab_up one
	lab_coturn
	LAYOUT=$("$TURNCTL" -j version | jq .layout)
	call
	passes 1                                     # the neighbours are known
	lab_wait 20 carriers || fail "the device does not come up"
	attach && detach                             # libxdp has made its directory, which stays
	before=$(picture)
	attach
	relays_anew
	if [[ $install == --fused ]]; then
		faulted "'ip link set DEV xdp off'" 'srv0: 0 of 1 XDP programs' on_server ip link set dev srv0 xdp off
	else
		faulted "'xdp-loader unload DEV --all'" 'srv0: 0 of 4 XDP programs' on_server xdp-loader unload srv0 --all
		faulted "'ip link set DEV xdp off'" 'srv0: 0 of 4 XDP programs' on_server ip link set dev srv0 xdp off
	fi
	faulted "$(on_clsact && echo "'tc qdisc del dev DEV clsact'" || echo "the tcx link's pin removed")" \
		'srv0: turn_egress is not at TC egress' take_egress_off
	faulted "the exits removed (turn_exits)" 'srv0: it is missing in turn_exits' delete_exit turn_exits
	[[ $install == --chain ]] ||
		faulted "the exits removed (turn_plain)" 'srv0: it is missing in .*turn_plain' delete_exit turn_plain
	on_server ip link set dev srv0 xdp off
	detach
	[[ $(picture) == "$before" ]] || fail "$(diff <(echo "$before") <(picture))"
}

take_egress_off() {
	if on_clsact; then
		on_server tc qdisc del dev srv0 clsact
	else
		rm "$pins/$instance/abi-$LAYOUT/egress_$(ip -n "$LAB_ID-server" -j link show dev srv0 | jq '.[0].ifindex')"
	fi
}

# What the server sends is not seen then, so nothing stays offloaded for long.
case_egress_taken_off() {
	LAYOUT=$("$TURNCTL" -j version | jq .layout)
	started one --heartbeat 300ms
	take_egress_off
	troubled 'srv0: turn_egress is not at TC egress'
	lab_wait 30 goes_back_to_server || fail "without sight of the server it is offloaded still: $(channel)"
	mark
	passes 20
	counted '.up == 0 and .down == 0'
	ctl attach srv0 "${fused[@]}"
	lab_wait 30 is_offloaded_again || fail "it is not offloaded again: $(channel)"
	content
}
goes_back_to_server() {
	passes 1
	channel | jq -e '[.to_peer, .to_client] | all(.state == "suspended" and .reason == "unconfirmed")'
}
is_offloaded_again() {
	passes 1
	is_state offloaded
}

case_device_comes_back_under_another_index() {
	started two --heartbeat 300ms
	t stream c 0x4000 p 10 1
	has_counted srv1
	ip -n "$LAB_ID-server" link del srv1
	gives 4 "srv1: the device is gone, .*'turnctl -i $instance detach srv1' forgets it" status --check
	lab_veth "peer:peer0=$LAB_PEER_IP/24" "server:srv1=$LAB_RELAY_IP/24"
	lab_wait 20 carriers || fail "the device does not come up"
	gives 4 "srv1: the device was removed and has come back; 'turnctl -i $instance attach srv1' puts" status --check
	passes 3
	ctl attach srv1
	gives 0 '^$' status --check
	holds "the devices" "$(ctl -j status)" '[.devices[] | .device, .role] == ["srv0", "client", "srv1", "relay"]'
	lab_wait 30 again || fail "relays no more: $(channel)"  # the next heartbeat shows the new way
	has_counted srv1                         # what it counted before is still there
}

has_counted() {
	holds "the counters of $1" "$(ctl -j stats)" ".devices[] | select(.device == \"$1\") | .to_client.packets > 0"
}

# ---- what cannot be used any more --------------------------------------------------------------------

# An instance of another layout, as after an upgrade that changed it: the old turnctl is gone.
other_layout() { mv "$pins/$instance/abi-$LAYOUT" "$pins/$instance/abi-1"; }
statics() {
	ctl channel add 10.7.1.1:1 10.7.1.2:3478 0x4000 "$LAB_RELAY_IP:40000" "$LAB_PEER_IP:9"
	[[ $(lo_forwarding) == 1 && $(managed) ]] || fail "a static channel changes nothing"
}
begins() {
	lab_up two
	LAYOUT=$("$TURNCTL" -j version | jq .layout)
	lab_coturn
	call
	passes 1                                     # the neighbours are known
	lab_wait 20 carriers || fail "the devices do not come up"
	attach && detach                             # libxdp has made its directory, which stays
	BEFORE=$(picture)
	attach
	relays_anew
	statics
}
no_trace() {
	local after
	lab_wait 10 as_before || { after=$(picture); fail "$1: $(diff <(echo "$BEFORE") <(echo "$after"))"; }
}
as_before() { [[ $(picture) == "$BEFORE" ]]; }
case_other_layout() {
	local way="instance '$instance' is of a turnctl with map layout 1, and this one has [0-9]+: .*'turnctl -i $instance detach --all' takes it off"
	begins
	other_layout
	gives 1 "$way" attach srv0 "${fused[@]}"
	gives 4 "$way" status --check
	gives 0 "$way" status
	gives 1 "$way" stats
	passes 3
	[[ $(generation) ]] || fail "the programs have gone"
	lab_in peer "$TURNCTL" -i "$instance" detach --all 2>"$LAB_TMP/said" && fail "another namespace's was taken off"
	grep -q 'network namespace' "$LAB_TMP/said" || fail "$(<"$LAB_TMP/said")"
	ctl detach srv1                              # one by one
	[[ $(ids srv0) && -z $(ids srv1) ]] || fail "not srv1 only"
	ctl detach srv0
	no_trace "detached one by one"
	attach
	relays_anew
	statics
	other_layout
	ctl detach --all
	no_trace "detach --all"
	gives 3 'nothing is attached' detach --all
	passes 3
	[[ $install == --fused ]] || return 0        # the rest is the same on the chain, where it takes long
	attach
	relays_anew
	other_layout
	# a configuration that we cannot read is not misread
	rm "$pins/$instance/abi-1/turn_config"
	on_server bpftool map create "$pins/$instance/abi-1/turn_config" type array key 4 value 8 entries 1 name turn_config
	detach
	no_trace "unknown sizes"
}

# would PATTERN…: the same attach with --dry-run says each of these, and changes nothing
AGAIN=(attach srv0 --relay srv1 --heartbeat 60s)
would() {
	local before after said pattern
	before=$(generation; picture)
	said=$(ctl "${AGAIN[@]}" "${fused[@]}" --dry-run 2>&1) || fail "'${AGAIN[*]} --dry-run' fails: $said"
	for pattern in "$@" '^srv0: turn_.*, native mode$' '^srv1: turn_.*, native mode$'; do
		grep -Eq -- "$pattern" <<<"$said" || fail "'${AGAIN[*]} --dry-run' says '$said', nothing like '$pattern'"
	done
	after=$(generation; picture)
	[[ $after == "$before" ]] || fail "'${AGAIN[*]} --dry-run' changes $(diff <(echo "$before") <(echo "$after"))"
}
# The pins are gone, the programs run on.
case_pins_removed() {
	local what
	begins
	rm -r "${pins:?}/$instance"
	gives 4 "srv0: it runs programs of turnctl's whose pins are gone; 'turnctl -i $instance detach srv0' takes them off, and so does 'turnctl -i $instance attach srv0'\$" status --check
	gives 0 'srv1: it runs programs' status
	would '^srv0: programs that have lost their pins come off first$' \
		'^srv1: programs that have lost their pins come off first$'
	passes 3
	ctl detach --all
	no_trace "detach --all after rm -r"
	gives 3 'nothing is attached' status --check
	attach
	relays_anew
	statics
	rm -r "${pins:?}/$instance"
	ctl "${AGAIN[@]}" "${fused[@]}"              # begins anew
	gives 0 '^$' status --check
	passes 3
	relays_anew
	ctl detach --all
	no_trace "attach and detach after rm -r"
	[[ $install == --fused ]] || return 0        # the rest is the same on the chain, where it takes long
	for what in turn_flows turn_ports turn_devices; do
		attach >/dev/null
		relays_anew
		statics
		rm "$pins/$instance/abi-$LAYOUT/$what"
		gives 4 "instance '$instance' is not whole, since .*$what is missing" status --check
		passes 2
		would "^remove instance '$instance', which is not whole, and its programs$"
		ctl "${AGAIN[@]}" "${fused[@]}"
		gives 0 '^$' status --check
		relays_anew
		detach
		no_trace "without $what"
	done
	survived "pins removed by hand (rm -r, or one of three)" "$LOST" "$WRONG" "the next status --check"
}

# Another instance's programs are not taken for strays, and its own are, when its pins go.
case_pins_removed_of_one_instance() {
	local second=$instance-b
	lab_up two
	lab_coturn
	LAB_DEVICES=(srv0)
	attach
	LAB_AT_EXIT+=("ctl detach --all --instance $second")
	ctl attach srv1 --instance "$second" "${fused[@]}"
	rm -r "${pins:?}/$second"
	gives 4 'srv1: it runs programs' status --check
	gives 4 "'turnctl -i $second detach srv1' takes them off" status --check --instance "$second"
	ctl detach --all --instance "$second"
	[[ -z $(ids srv1) && $(ids srv0) ]] || fail "not srv1 only"
	gives 0 '^$' status --check
	gives 3 'nothing is attached' status --check --instance "$second"
}

# Strays are here, and the instance that is asked for lives in another namespace: what is here goes, what lives stays.
strays_at_peer() {
	lab_in peer "$TURNCTL" -i "$instance-b" attach peer0 "${fused[@]}"
	rm -r "${pins:?}/$instance-b"
	[[ $(peers_ids peer0) ]] || fail "no strays"
}
peers_ids() { ip -n "$LAB_ID-peer" -j -d link show dev "$1" | jq -r '.[0].xdp.prog.id // empty'; }
case_strays_beside_another_network_namespace() {
	local stray="peer0: it runs programs of turnctl's whose pins are gone; 'turnctl -i $instance detach peer0' takes them off"
	local elsewhere="instance '$instance' belongs to another network namespace"
	started two
	LAYOUT=$("$TURNCTL" -j version | jq .layout)
	LAB_AT_EXIT=("lab_in peer timeout 60 $TURNCTL -i $instance-b detach --all" "${LAB_AT_EXIT[@]}")
	strays_at_peer
	from_peer 4 "$stray\$" status --check
	from_peer 4 "$elsewhere" status --check
	from_peer 1 "$elsewhere" detach srv0         # that name is there, and not here
	[[ $(peers_ids peer0) ]] || fail "the strays of another device were taken off"
	from_peer 0 '^$' detach peer0
	[[ -z $(peers_ids peer0) ]] || fail "the strays are still there"
	from_peer 1 "$elsewhere" status --check
	from_peer 1 "$elsewhere" detach peer0
	strays_at_peer
	from_peer 1 "$elsewhere" detach --all
	[[ -z $(peers_ids peer0) ]] || fail "'detach --all' leaves strays"
	relays 3
	gives 0 '^$' status --check
	# of another layout, or with pins missing, it is there all the same
	other_layout
	strays_at_peer
	from_peer 0 '^$' detach peer0
	[[ -z $(peers_ids peer0) && $(ids srv0) ]] || fail "not peer0 only"
	mv "$pins/$instance/abi-1" "$pins/$instance/abi-$LAYOUT"
	# a device that has moved here with programs of the living
	ip -n "$LAB_ID-server" link set srv1 netns "$LAB_ID-peer"
	[[ $(peers_ids srv1) ]] || fail "the programs did not go along"
	from_peer 1 "srv1 runs programs of instance '$instance', which belongs to another network namespace" detach srv1
	[[ $(peers_ids srv1) ]] || fail "programs of the living were taken off"
}
