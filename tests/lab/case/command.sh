# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # words.sh's; jq's $variables are not the shell's
# The command.

case_usage() {
	local what said
	lab_up one
	gives 2 "command 'nonsense' is not known" nonsense
	gives 2 "subcommand 'nonsense' is not known" channel nonsense
	gives 2 '^turnctl: the command is empty; it is one of: attach' ''
	gives 2 '^turnctl: the subcommand is empty; it is one of: list' channel ''
	gives 2 'Usage' channel
	gives 2 'which device' attach
	gives 2 'which device' detach
	gives 2 'either devices or --all' detach --all srv0
	gives 2 "one client device at a time" attach srv0 srv1
	gives 2 "mode 'x' is neither" attach srv0 --mode x
	gives 2 "prio '0' is not" attach srv0 --prio 0
	gives 2 "prio 'x' is not" attach srv0 --prio x
	gives 2 "heartbeat '1ms' is not" attach srv0 --heartbeat 1ms
	gives 2 "heartbeat '61s' is not" attach srv0 --heartbeat 61s
	gives 2 "heartbeat '2h' is not" attach srv0 --heartbeat 2h
	gives 2 "heartbeat 'nan' is not" attach srv0 --heartbeat nan
	gives 2 "max-channels '0' is not" attach srv0 --max-channels 0
	gives 2 "max-channels '-1' is not" attach srv0 --max-channels -1
	gives 2 "listen '0' is not" attach srv0 --listen 0
	gives 2 "listen '65536' is not" attach srv0 --listen 65536
	gives 2 "listen '10.7.1.2:x' is not" attach srv0 --listen 10.7.1.2:x
	gives 2 "listen 'host:3478' is not" attach srv0 --listen host:3478
	gives 2 "external-ip 'x' is not" attach srv0 --external-ip x
	gives 2 "external-ip '1.2.3.4/' is not" attach srv0 --external-ip 1.2.3.4/
	gives 2 "external-ip '0.0.0.0' is not" attach srv0 --external-ip 0.0.0.0
	gives 2 "external-ip '1.2.3.4/0.0.0.0' is not" attach srv0 --external-ip 1.2.3.4/0.0.0.0
	gives 2 'unrecognized option' attach srv0 --nonsense
	gives 2 '^turnctl: unrecognized option' --nonsense status
	gives 2 '^turnctl channel list: unrecognized option' channel list --nonsense
	gives 2 'cannot name an instance' --instance 'a/b' status
	gives 2 'cannot name an instance' --instance '' status
	gives 2 '^turnctl status: .*cannot name an instance' status -i 'a/b'
	gives 2 'channel' channel flush --nonsense
	[[ ! -e /sys/fs/bpf/turnctl/$instance ]] || fail "pins were made"
	gives 0 'turnctl [0-9]' version
	gives 0 '"layout":' -j version
	gives 0 '^\{.*"layout":' version -j
	gives 0 '^  "layout":' version --pretty
	gives 0 'Usage' --help
	gives 0 'Usage' attach --help
	for what in attach detach status channel 'channel list' 'channel add' 'allocation show' stats help version; do
		# shellcheck disable=SC2086  # words they are
		gives 0 '-j, --json' $what --help
	done
	for what in version --help 'channel --help' 'status --help'; do
		# shellcheck disable=SC2086
		! said=$(ctl $what 2>&1 >/dev/full) || fail "'turnctl $what' is content with a full disk"
		[[ $said == 'turnctl: cannot write the output: No space left on device' ]] || fail "'turnctl $what' says '$said'"
	done
}

case_not_attached() {
	local said
	lab_up one
	gives 3 'nothing is attached' status
	gives 3 'nothing is attached' status --check
	gives 3 'nothing is attached' -j status
	gives 3 'attached' status srv0
	gives 3 'attached' detach --all
	gives 3 'attached' detach srv0
	gives 3 'attached' stats
	gives 3 'attached' channel list
	gives 3 'attached' channel count
	gives 3 'attached' channel flush
	gives 3 'attached' channel show 10.7.1.1:1 10.7.1.2:2 0x4000
	gives 3 'attached' channel del 10.7.1.1:1 10.7.1.2:2 0x4000
	gives 3 'attached' channel add 10.7.1.1:1 10.7.1.2:2 0x4000 10.7.1.2:3 10.7.1.3:4
	gives 3 'attached' allocation list
	[[ ! -e /sys/fs/bpf/turnctl/$instance ]] || fail "pins were made"
	attach
	gives 3 'srv9 is not attached' status srv9
	gives 3 'srv9 is not attached' detach srv9
	gives 0 'listeners: \*:3478' statu
	gives 0 'CLIENT' chan l                      # prefixes
	gives 0 'CLIENT' alloc li
	gives 0 'DEVICE' stats
	gives 2 "'sta' is ambiguous; it is one of: status stats" sta
	gives 0 '^srv0: client' status srv0
	gives 0 '^srv0: client'                      # status is what no command means
	gives 0 "\"instance\":\"$instance\"" status -j
	gives 3 "nothing is attached as instance '$instance-not'" status -i "$instance-not"
	said=$(on_server "$TURNCTL" status srv0 -i "$instance" -j) || fail "'turnctl status -i $instance' fails"
	holds "status" "$said" '.devices[0].device == "srv0" and .heartbeat_seconds == 60 and .externals == []'
	gives 0 '^heartbeats: every 60 s a direction' status
	! ctl status | grep -n ' $' || fail "status ends lines with blanks"
}

case_attach_refusals() {
	lab_up two
	attach_refused 1 'srv9' srv9
	attach_refused 1 'lo is not an Ethernet device' lo
	attach_refused 1 'srv0 is named twice' srv0 --relay srv0
	attach_refused 1 'srv9' srv0 --relay srv9
	ip -n "$LAB_ID-server" link set srv1 down
	attach_refused 1 "srv1 is down; bring it up with 'ip link set srv1 up'" srv0 --relay srv1
	ip -n "$LAB_ID-server" link set srv1 up
	if ip -n "$LAB_ID-server" link add br9 type bridge; then
		ip -n "$LAB_ID-server" link set br9 up
		attach_refused 1 'br9 is a bridge device.*--mode skb' br9
	fi
	if ip -n "$LAB_ID-server" link add link srv0 name srv0.5 type vlan id 5; then
		ip -n "$LAB_ID-server" link set srv0.5 up
		attach_refused 1 'srv0.5 is a vlan device.*--mode skb' srv0.5
		ip -n "$LAB_ID-server" link del srv0.5
	fi
	if ip -n "$LAB_ID-server" link add dum9 type dummy; then
		ip -n "$LAB_ID-server" link set dum9 up
		attach_refused 1 'dum9.*--mode skb' dum9
	fi
	if [[ $install == --fused ]] && ! on_server bpftool feature probe kernel | grep -q 'program_type ext is available'; then
		gives 1 'refuses freplace.*--fused' attach srv0
		[[ ! -e /sys/fs/bpf/turnctl/$instance ]] || fail "a refused chain left pins"
	fi
	attach
	gives 1 "runs in native mode.*use --mode native, or name all of them" attach srv0 --mode skb
	gives 0 '' status --check
	holds "status" "$(ctl -j status)" '.devices | length == 2'
}

# In native mode such a veth loses all that is redirected to it, and no counter tells.
loses_without_gro() { # NODE FAR-END DEVICE
	local before after
	before=$(picture)
	lab_in "$1" ethtool -K "$2" gro off
	attach_refused 1 "$3 would lose every relayed frame.*gro on.*--mode skb" srv0 --relay srv1
	after=$(picture)
	[[ $before == "$after" ]] || fail "$3 was refused: $(diff <(echo "$before") <(echo "$after"))"
}
case_veth_that_loses_frames_is_refused() {
	started two                                  # and libxdp has made its directory, which stays
	detach
	loses_without_gro peer peer0 srv1
	attach --mode skb
	relays_anew
	detach
	t foreign passes_all "/sys/fs/bpf/$instance-far"
	LAB_AT_EXIT+=("rm -f /sys/fs/bpf/$instance-far")
	lab_in peer ip link set dev peer0 xdpdrv pinned "/sys/fs/bpf/$instance-far"
	attach                                       # a program at the far end does as well
	detach
	lab_in peer ip link set dev peer0 xdp off
	lab_in peer ethtool -K peer0 gro on
	loses_without_gro client cli0 srv0
	lab_in client ethtool -K cli0 gro on
	attach
	relays_anew
}
relays_anew() {
	caller c
	passes 1
	relays 3
}

# XDP does not see a tag that is beside the frame, and would relay what is for the VLAN device.
case_vlan_devices_are_refused() {
	local before mode id
	lab_up two
	vlan_above server srv0 10 || skip "needs a kernel with VLAN devices (8021q)"
	lab_wait 20 carriers || fail "the devices do not come up"
	before=$(picture)
	for mode in native skb; do
		vlan_refused '\(srv0\.10\)' srv0 --relay srv1 --mode $mode
		vlan_refused '\(srv0\.10\)' srv1 --relay srv0 --mode $mode
	done
	vlan_refused '\(srv0\.10\)' srv0 --relay srv1 --dry-run
	[[ $(picture) == "$before" ]] || fail "srv0 was refused: $(diff <(echo "$before") <(picture))"
	for id in 11 12 13 14; do vlan_above server srv0 $id; done
	vlan_refused '\((srv0\.1[0-4], ){2}srv0\.1[0-4] and 2 more\)' srv0
	for id in 10 11 12 13 14; do ip -n "$LAB_ID-server" link del srv0.$id; done
	# nor does one count whose device, with the index that srv0 has here, is in another namespace
	vlan_above client cli0 10
	ip -n "$LAB_ID-client" link set cli0.10 netns "$LAB_ID-server"
	holds "the same index" "$(on_server ip -j link)" \
		'map({(.ifname): .}) | add | .srv0.ifindex == ."cli0.10".link_index'
	# but one above the bond or bridge that srv0 is a port of does
	if ip -n "$LAB_ID-server" link add br9 type bridge; then
		ip -n "$LAB_ID-server" link set srv0 master br9
		vlan_above server br9 10
		vlan_refused '\(br9\.10\)' srv0
		ip -n "$LAB_ID-server" link del br9
	fi
	lab_coturn
	attach
	call
	passes 1
	offloaded
	relays 3
	gives 0 '^$' status --check
	vlan_above server srv0 10
	gives 4 'srv0: it carries VLAN devices now \(srv0\.10\)' status --check
}
vlan_above() { # NODE DEVICE ID
	ip -n "$LAB_ID-$1" link add link "$2" name "$2.$3" type vlan id "$3"
}
vlan_refused() { # PATTERN ARG…
	attach_refused 1 "srv0 carries VLAN devices $1, .*; attach to the VLAN devices with --mode skb" "${@:2}"
}
# as the refusal advises
case_vlan_devices_in_skb_mode() {
	local end
	lab_up two
	vlan_above server srv0 10 || skip "needs a kernel with VLAN devices (8021q)"
	vlan_above client cli0 10
	for end in "server srv0 $LAB_SERVER_IP" "client cli0 $LAB_CLIENT_IP"; do
		# shellcheck disable=SC2086  # words they are
		vlan_moves_in $end
	done
	LAB_DEVICES[0]=srv0.10
	lab_coturn
	attach_refused 1 'srv0\.10 is a vlan device' srv0.10 --relay srv1
	attach --mode skb
	call
	passes 1
	offloaded
	relays 12 0,1,3,4,100,1400
}
vlan_moves_in() { # NODE DEVICE ADDRESS
	ip -n "$LAB_ID-$1" addr flush dev "$2"
	ip -n "$LAB_ID-$1" addr add "$3/24" dev "$2.10"
	ip -n "$LAB_ID-$1" link set "$2.10" up
}

# A device's index means another device there.
case_another_network_namespace() {
	local what attached
	started two
	attached=$(picture)
	for what in status stats 'channel list' 'channel flush' 'allocation list' 'detach --all' 'detach peer0' \
		"attach peer0 ${fused[*]}" "attach peer0 --dry-run ${fused[*]}" \
		"channel add 10.7.2.2:40000 10.7.2.3:3478 0x4001 10.7.2.3:50000 10.7.2.2:6000"; do
		# shellcheck disable=SC2086  # words they are
		from_peer 1 "instance '$instance' belongs to another network namespace" $what
	done
	[[ $(picture) == "$attached" ]] || fail "$(diff <(echo "$attached") <(picture))"
	relays 3
	# and when that namespace is gone, only pins are left, which anybody's root may clear
	lab_kill "${LAB_PIDS[@]}"
	ip netns del "$LAB_ID-server"
	lab_wait 60 "$TURNCTL" -i "$instance" detach --all || fail "the pins cannot be cleared: $(
		"$TURNCTL" -i "$instance" detach --all 2>&1)"
	LAB_AT_EXIT=() LAB_NODES=(client peer)
}
from_peer() { # CODE PATTERN ARG…
	local said got=0
	said=$(lab_in peer "$TURNCTL" -i "$instance" "${@:3}" 2>&1) || got=$?
	((got == $1)) || fail "'turnctl ${*:3}' in another namespace gives exit code $got: $said"
	grep -Eq -- "$2" <<<"$said" || fail "'turnctl ${*:3}' in another namespace says '$said'"
}

# Whoever is not root leaves nothing behind that root would trip over.
case_only_root() {
	local what
	lab_up two
	cp "$TURNCTL" "$LAB_TMP/turnctl"
	chmod 755 "$LAB_TMP"
	for what in "attach srv0 ${fused[*]}" "attach srv0 --dry-run ${fused[*]}"; do
		# shellcheck disable=SC2086
		as_nobody 1 'only root may change what is attached' $what
	done
	attach
	# shellcheck disable=SC2086
	for what in 'detach --all' 'channel flush' "attach srv1 ${fused[*]}"; do
		as_nobody 1 'only root may change what is attached' $what
	done
	as_nobody 1 'be root' status
	gives 0 '' status
}
as_nobody() { # CODE PATTERN ARG…
	local said got=0
	said=$(on_server setpriv --reuid 65534 --regid 65534 --clear-groups "$LAB_TMP/turnctl" -i "$instance" \
		"${@:3}" 2>&1) || got=$?
	((got == $1)) || fail "'turnctl ${*:3}' as nobody gives exit code $got: $said"
	grep -Eq -- "$2" <<<"$said" || fail "'turnctl ${*:3}' as nobody says '$said'"
}

# The next attach begins anew: what a killed one wanted is not what the operator wants now.
case_killed_attach_is_forgotten() {
	local before after at
	lab_up one
	lab_wait 20 carriers || fail "the device does not come up"
	attach && detach                             # libxdp has made its directory, which stays
	before=$(install='' picture)
	for at in 20 60 100 140; do
		! on_server timeout 120 strace -f -qq -o "$LAB_TMP/strace" -e trace=bpf \
			-e inject=bpf:signal=KILL:when=$at "$TURNCTL" -i "$instance" attach srv0 --listen 5000 \
			--max-channels 100 --heartbeat 10s --mode skb "${fused[@]}" || fail "not killed at call $at"
		gives 0 "^make instance '$instance' for 200 channels" attach srv0 --max-channels 200 "${fused[@]}" --dry-run
		gives 0 "^srv0: turn_.*, native mode" attach srv0 "${fused[@]}" --dry-run
		attach
		holds "status after a kill at call $at" "$(ctl -j status)" '.listeners == ["*:3478"] and
			.max_channels == 16384 and .heartbeat_seconds == 60 and (.devices[0].mode == "native")'
		detach
	done
	after=$(install='' picture)
	[[ $before == "$after" ]] || fail "$(diff <(echo "$before") <(echo "$after"))"
}

# A detach that is told nothing of a device does not take it for gone.
case_detach_believes_no_error() {
	lab_up one
	attach
	! on_server strace -f -qq -o "$LAB_TMP/strace" -e trace=recvmsg -e inject=recvmsg:error=ENOBUFS:when=1 \
		"$TURNCTL" -i "$instance" detach --all || fail "detach is content"
	gives 0 '^$' status --check
	detach
}

# As in many containers. What could not be set must not be in the way of detach either.
case_read_only_sysctls() {
	local read_only=(unshare -m bash -c 'mount -o bind,ro /proc/sys /proc/sys; "$@"' - timeout 60 "$TURNCTL" -i "$instance")
	lab_up one
	attach
	! on_server "${read_only[@]}" channel add 10.7.1.1:5000 10.7.1.2:3478 0x4000 10.7.1.2:40000 10.7.1.3:3480 ||
		fail "channel add is content"
	no_static "a refused channel add"
	on_server "${read_only[@]}" detach --all || fail "detach --all fails"
	LAB_AT_EXIT=("${LAB_AT_EXIT[@]:1}")
}

case_dry_run_changes_nothing() {
	local before after
	lab_up two
	lab_wait 20 carriers || fail "the devices do not come up"
	before=$(picture)
	gives 0 'srv0: turn_egress at TC egress' attach srv0 --relay srv1 --dry-run \
		"${fused[@]}"
	after=$(picture)
	[[ $before == "$after" ]] || fail "$(diff <(echo "$before") <(echo "$after"))"
}

# All that turnctl might change on the server. Counters of seconds are left out.
picture() {
	find /sys/fs/bpf/turnctl -path "*/$instance*" 2>/dev/null || true
	[[ $install != --chain ]] || find /sys/fs/bpf
	on_server tc qdisc show
	for dev in "${LAB_DEVICES[@]}"; do
		on_server tc filter show dev "$dev" egress
		on_server tc filter show dev "$dev" ingress
	done 2>/dev/null
	on_server ip -d link
	on_server sysctl -a -r '^net\.ipv[46]' 2>/dev/null | sort
	on_server ip neigh show | sed 's/ [A-Z]* *$//' | sort
}
carriers() { (($(on_server ip link show up | grep -c 'srv.*state UP') == ${#LAB_DEVICES[@]})); }
case_detach_leaves_no_trace() {
	local before after
	lab_up two
	on_server tc qdisc add dev srv0 clsact
	on_server tc filter add dev srv0 egress pref 10 protocol ip u32 match u32 0 0 classid 1:1
	on_server tc filter add dev srv0 ingress pref 10 protocol ip u32 match u32 0 0 classid 1:1
	lab_coturn
	call
	passes 1
	lab_wait 20 carriers || fail "the devices do not come up"
	before=$(picture)
	attach
	relays_anew
	ctl channel add 10.7.1.1:1 10.7.1.2:3478 0x4000 10.7.2.2:40000 10.7.2.3:3480
	[[ $(picture) != "$before" ]] || fail "the picture shows nothing"
	detach
	after=$(picture)
	[[ $before == "$after" ]] || fail "$(diff <(echo "$before") <(echo "$after"))"
	passes 10                                    # the server goes on with the same channel
	if [[ $install == --chain ]]; then
		lab_wait 30 no_programs || fail "programs left: $(bpftool prog list | grep turn_)"
	fi
	attach                                       # and all of it again
	gives 0 '' status --check
	detach
	after=$(picture)
	[[ $before == "$after" ]] || fail "the second time: $(diff <(echo "$before") <(echo "$after"))"
}
no_programs() { ! bpftool prog list | grep -q 'name turn_'; }

case_detach_one_device_of_two() {
	started two
	ctl detach srv1
	holds "status" "$(ctl -j status)" '.devices | length == 1 and .[0].device == "srv0"'
	mark
	passes 5
	counted '.up == 0 and .down == 0'
	gives 3 'srv1 is not attached' detach srv1
	ctl detach srv0
	gives 3 'nothing is attached' status
	passes 3
}

case_device_goes_away() {
	started two
	ip -n "$LAB_ID-server" link del srv1
	gives 4 'srv1: the device is gone' status --check
	mark
	t push c 0x4000 5 100
	soon_counted '.stack == 5'
	ctl detach srv1
	gives 0 '' status --check
	ctl detach --all
	gives 3 'nothing is attached' status
}

case_degraded_and_well_again() {
	started one
	gives 0 '^$' status --check
	on_server ip link set dev srv0 xdp off
	gives 4 "srv0: 0 of [14] XDP programs are in place; 'turnctl -i $instance attach srv0' puts" status --check
	gives 0 'problem: srv0' status
	holds "status" "$(ctl -j status)" '.problems | length >= 1'
	server_relays 3
	ctl attach srv0
	gives 0 '^$' status --check
	ip -n "$LAB_ID-server" link set srv0 address 02:00:00:00:00:55
	gives 4 "srv0: its MAC address has changed.*'turnctl -i $instance attach srv0'" status --check
	ctl attach srv0
	gives 0 '^$' status --check
}

case_two_instances() {
	local second=$instance-b
	started one
	LAB_AT_EXIT+=("lab_in peer timeout 60 $TURNCTL --instance $second detach --all")
	gives 1 'srv0 already runs turn_.* of another instance' --instance "$second" attach srv0 "${fused[@]}"
	[[ ! -e /sys/fs/bpf/turnctl/$second ]] || fail "the refused instance left pins"
	lab_in peer "$TURNCTL" --instance "$second" attach peer0 "${fused[@]}"
	relays 5
	gives 1 'belongs to another network namespace' --instance "$second" detach --all
	holds "the second instance" "$(lab_in peer "$TURNCTL" --instance "$second" -j stats)" \
		'.devices[0] | .to_peer.packets == 0 and .to_client.packets == 0 and .passed_total == 0'
	lab_in peer "$TURNCTL" --instance "$second" detach --all
	relays 5
	gives 0 '' status --check
}

case_foreign_program_in_the_way() {
	lab_up one
	t foreign legacy_one "/sys/fs/bpf/$instance-legacy"
	LAB_AT_EXIT+=("rm -f /sys/fs/bpf/$instance-legacy")
	on_server ip link set dev srv0 xdpdrv pinned "/sys/fs/bpf/$instance-legacy"
	attach_refused 1 "srv0 already runs XDP program 'legacy_one'" srv0
	attach_refused 1 "srv0 already runs XDP program 'legacy_one'" srv0 --dry-run
	on_server ip -d link show dev srv0 | grep -q 'name legacy_one\|prog/xdp' || fail "it has gone"
	on_server ip link set dev srv0 xdp off
	attach
	gives 0 '' status --check
}

case_skb_mode() {
	started one --mode skb
	relays 12 0,1,3,4,100,1400
	holds "status" "$(ctl -j status)" '.devices[0].mode == "skb"'
}

# Of the kernel's release, not of what it lacks first: attach says one sentence, and leaves nothing.
case_kernel_too_old() {
	local major minor install
	IFS=.- read -r major minor _ < <(uname -r)
	((major < 6 || (major == 6 && minor < 1))) || skip "needs a kernel before Linux 6.1"
	lab_up one
	for install in --chain --fused --dry-run; do
		gives 1 "^turnctl: turnctl needs Linux 6\.1 or newer, and this is Linux $major\.${minor}[^;]*; boot a newer kernel$" \
			attach srv0 "$install"
		[[ $(ctl attach srv0 "$install" 2>&1 | wc -l) == 1 ]] || fail "attach $install says more than that"
	done
	[[ ! -e /sys/fs/bpf/turnctl/$instance ]] || fail "pins are left"
	[[ $(on_server ip -d link show dev srv0) != *prog/xdp* ]] || fail "a program is left"
	gives 1 '^problem +kernel: turnctl needs Linux 6\.1 or newer' doctor srv0
	# what asks for nothing of the kernel works
	gives 3 'nothing is attached' status
	gives 3 'nothing is attached' detach --all
	gives 0 '^turnctl ' version
}
