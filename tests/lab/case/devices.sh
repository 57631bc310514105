# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # words.sh's; jq's $variables are not the shell's
# Kinds of devices, each as far as it goes: relayed by the kernel, or refused with the reason.

# Packets both ways, all of which arrive, and the kernel relays every one that is not a heartbeat: one each way may be due,
# since a case may take long.
relays_or_beats() { # COUNT [SIZES]
	mark
	passes "$1" "${2-100}"
	counted ".up + .down + .heartbeats == 2 * $1 and .heartbeats <= 2 and .passed_total == 0 and .stack == .heartbeats"
}
# The kernel relays, at least in part, as with short heartbeats. For lab_wait; what is lost is a failure.
relays_in_part() {
	mark
	passes 5
	is_counted '.up > 0 and .down > 0'
}
# relays_there [OPTION…]: the devices are attached, and the kernel relays a new channel's packets, all of them
relays_there() {
	attach "$@"
	caller c
	passes 1
	offloaded
	relays_or_beats 12 0,1,3,4,100,1400
	gives 0 '^$' status --check
}
# The server alone relays.
without_turnctl() {
	lab_coturn
	call
	passes 3
}
# only_in_skb PATTERN: native mode is refused with this sentence, and TURN flows by the server; skb mode relays
only_in_skb() {
	local dev more=()
	for dev in "${LAB_DEVICES[@]:1}"; do more+=(--relay "$dev"); done
	attach_refused 1 "$1" "${LAB_DEVICES[0]}" "${more[@]}"
	without_turnctl
	relays_there --mode skb
}
srv_link() { ip -n "$LAB_ID-server" link "$@"; }
# srv_add NAME WORD…: a device of the server's, if the kernel has such
srv_add() {
	local said
	said=$(srv_link add "$1" "${@:2}" 2>&1) || skip "needs a kernel with such devices: ${*:2} (${said//$'\n'/ })"
}
# The server's address is on DEV now, and DEV is what is attached. Whoever asks for it is not to be answered with the MAC
# address of srv0, too.
moves_to() {
	on_server sysctl -qw net.ipv4.conf.all.arp_ignore=1
	ip -n "$LAB_ID-server" addr flush dev srv0
	ip -n "$LAB_ID-server" addr add "$LAB_SERVER_IP/24" dev "$1"
	srv_link set "$1" up
	LAB_DEVICES=("$1")
	lab_wait 30 has_carrier "$1" || fail "$1 does not come up: $(srv_link show "$1")"
}
has_carrier() { srv_link show "$1" | grep -q LOWER_UP; }
# what the laboratory's far ends send carries a full checksum, as on a wire, and so does what the server sends
full_checksums() { # NODE DEVICE
	lab_in "$1" ethtool -K "$2" tx off >/dev/null 2>&1 || true
}
since_linux() { printf '%s\n%s\n' "$1" "$(uname -r)" | sort -CV; }

# ---- bridges ------------------------------------------------------------------------------------

on_a_bridge() {
	lab_up one
	srv_add br9 type bridge stp_state 0
	srv_link set br9 address 02:00:00:00:00:99
	srv_link set srv0 master br9
	moves_to br9
	lab_wait 30 br9_forwards || fail "the bridge does not forward"
}
br9_forwards() { on_server bridge link show dev srv0 | grep -q 'state forwarding'; }
case_bridge() {
	on_a_bridge
	# known before anything is tried
	! since_linux 6.3 || attach_refused 1 'br9 is a bridge device, and has no native XDP' br9 --dry-run
	only_in_skb 'br9 is a bridge device, and has no native XDP: .* would be lost; use --mode skb, or attach to its ports'
}
# What is for this host comes with the bridge's MAC address.
case_bridge_port() {
	on_a_bridge
	LAB_DEVICES=(srv0)
	lab_coturn
	ends
	relays_there
	holds "the channel" "$(channel)" '.to_peer.device == "srv0" and .to_peer.state == "offloaded"'
	srv_link set br9 address 02:00:00:00:00:9a
	gives 4 "srv0: its MAC address has changed, .*'turnctl -i $instance attach srv0' takes the new one" status --check
	ctl attach srv0 "${fused[@]}"
	gives 0 '^$' status --check
	ip -n "$LAB_ID-client" neigh flush dev cli0
	ip -n "$LAB_ID-peer" neigh flush dev peer0
	lab_wait 30 reaches_bridge || fail "nothing passes: $A"
	relays_or_beats 3
	detach
	relays_there --mode skb
}
reaches_bridge() {
	tries icmp c "$LAB_SERVER_IP"
	tries icmp p "$LAB_SERVER_IP"
	reaches_both
}

# ---- devices above another ----------------------------------------------------------------------

# Its MAC address is not that of the device below, which therefore leaves all to the server.
case_macvlan() {
	lab_up one
	srv_add mv0 link srv0 type macvlan mode bridge
	moves_to mv0
	only_in_skb 'mv0 is a macvlan device, and has no native XDP: .* would be lost; use --mode skb$'
	detach
	LAB_DEVICES=(srv0)
	attach
	caller c
	server_relays 3
	has_channels 0 || fail "learned what is not for it: $(channel)"
}
# It has the MAC address of the device below, which therefore relays for it.
case_ipvlan() {
	lab_up one
	srv_add ipv0 link srv0 type ipvlan mode l2
	moves_to ipv0
	only_in_skb 'ipv0 is a ipvlan device, and has no native XDP: .*; use --mode skb, or attach to the device below it'
	detach
	LAB_DEVICES=(srv0)
	relays_there
}

# ---- devices that lead to others ----------------------------------------------------------------

case_vrf() {
	lab_up one
	srv_add vrf0 type vrf table 77
	srv_link set vrf0 up
	srv_link set srv0 master vrf0
	attach_refused 1 'vrf0 is a VRF, whose frames no XDP program sees there; attach to its ports' vrf0
	attach_refused 1 'vrf0 is a VRF, whose frames no XDP program sees there; attach to its ports' vrf0 --mode skb
	LAB_COTURN_IPS+=(--listening-device vrf0 --relay-device vrf0)
	without_turnctl
	relays_there
	detach
	relays_there --mode skb
}

case_team() {
	lab_up one
	command -v teamnl >/dev/null || skip "needs teamnl (libteam-utils)"
	srv_add team0 type team
	on_server teamnl team0 setoption mode roundrobin 2>"$LAB_TMP/team" || skip "needs a kernel with team_mode_roundrobin: $(<"$LAB_TMP/team")"
	srv_link set srv0 down
	srv_link set srv0 master team0
	srv_link set srv0 up
	moves_to team0
	only_in_skb 'team0 is a team device, and has no native XDP: .*; use --mode skb, or attach to its ports'
	detach
	LAB_DEVICES=(srv0)
	relays_there
}

# on_a_bond MODE [PORT…]: the server reaches the hub's bridge by a bond of these
on_a_bond() {
	local mode=$1 port; shift
	lab_up one
	srv_add bnd0 type bond mode "$mode" miimon 100
	for port in "$@"; do
		[[ $port == srv0 ]] || {
			lab_veth "server:$port" "hub:h$port"
			ip -n "$LAB_ID-hub" link set "h$port" master br0
		}
		srv_link set "$port" down
		srv_link set "$port" master bnd0
		srv_link set "$port" up
	done
	moves_to bnd0
	lab_wait 30 ports_are_up "$@" || fail "not all ports are up: $(on_server cat /proc/net/bonding/bnd0)"
}
ports_are_up() { (($(on_server sed -n '/^Slave Interface/,$p' /proc/net/bonding/bnd0 | grep -c 'MII Status: up') == $#)); }
active_port() { on_server sed -n 's/^Currently Active Slave: //p' /proc/net/bonding/bnd0; }
active_is() { [[ $(active_port) == "$1" ]]; }
# the active port fails, and the other one takes its place
fails_over() {
	local failed other
	failed=$(active_port)
	other=srv1
	[[ $failed == srv0 ]] || other=srv0
	ip -n "$LAB_ID-hub" link set "$(far_port "$failed")" down
	lab_wait 30 active_is "$other" || fail "the bond does not take $other: $(on_server cat /proc/net/bonding/bnd0)"
}
far_port() { [[ $1 == srv0 ]] && echo hs || echo "h$1"; }

case_bond() {
	on_a_bond active-backup srv0 srv1
	lab_in hub ethtool -K hsrv1 gro off          # of the port that is out of use now
	attach_refused 1 'bnd0 would lose every relayed frame by its port srv1, .*gro on.*--mode skb' bnd0
	lab_in hub ethtool -K hsrv1 gro on
	without_turnctl
	relays_there
	fails_over
	lab_wait 30 reaches_bridge || fail "nothing passes: $A"
	relays_or_beats 5
	on_server tc qdisc add dev srv0 root tbf rate 100mbit burst 100k latency 10ms
	doctor_says 4
	doctor_has warning qdisc srv0 tbf            # a port's, past which the bond sends
	detach
	relays_there --mode skb
	doctor_says 0
}
# Each port by itself: after a failure the next heartbeat shows the new way.
case_bond_ports() {
	on_a_bond active-backup srv0 srv1
	LAB_DEVICES=(srv0)
	lab_coturn
	ends
	attach --heartbeat 300ms
	ctl attach srv1 "${fused[@]}"
	caller c
	passes 1
	lab_wait 60 relays_in_part || fail "the kernel does not relay: $(channel)"
	fails_over
	lab_wait 60 relays_by_other || fail "not by the other port: $(channel)"
	gives 4 "no carrier" status --check
}
relays_by_other() {
	local dev
	dev=$(active_port)
	tries up c 0x4000 p 2 100
	[[ $A == *'"got": 2'* ]] || return 1
	tries down p c 0x4000 2 100
	[[ $A == *'"got": 2'* ]] || return 1
	channel | jq -e --arg dev "$dev" '[.to_peer, .to_client] | all(.state == "offloaded" and .device == $dev)'
}
case_bond_that_cannot() {
	on_a_bond balance-alb srv0
	# not every 6.1 has words for it, and from 6.3 on it is known before
	only_in_skb 'bnd0: ".*current bonding mode"; choose another .*attach to its ports, .*--mode skb|bnd0 is a bond device, and has no native XDP: .*--mode skb, attach to its ports, .*another bonding mode'
}

# ---- tap and veth -------------------------------------------------------------------------------

# The server's device is a tap, and a program is its far end, as QEMU would be.
lab_layout_tap() {
	[[ -c /dev/net/tun ]] || skip "needs a kernel with tap devices"
	lab_hub tap_to_hub
}
tap_to_hub() {
	"$here/tap.py" "$LAB_ID-server:srv0" "$LAB_ID-hub:hs" &
	LAB_PIDS+=("$!")
	lab_wait 30 ip -n "$LAB_ID-hub" link show hs || skip "needs a kernel with tap devices"
	ip -n "$LAB_ID-server" addr add "$LAB_SERVER_IP/24" dev srv0
	srv_link set srv0 up
}
case_tap() {
	modprobe -q tun || true
	lab_up tap
	without_turnctl
	relays_there
	detach
	relays_there --mode skb
}

case_veth_with_a_large_mtu() {
	lab_up one
	ip -n "$LAB_ID-hub" link set hs mtu 9000
	only_in_skb 'the kernel refuses XDP in native mode on srv0: ".*Peer MTU is too large to set XDP"; lower it .*use --mode skb'
	ip -n "$LAB_ID-hub" link set hs mtu 1500
	detach
	relays_there
}

# Nothing but the device itself tells that it has begun to lose what is redirected to it.
case_veth_begins_to_lose_frames() {
	since_linux 6.3 || skip "needs a kernel that tells what drivers can do (Linux 6.3)"
	started two
	gives 0 '^$' status --check
	lab_in peer ethtool -K peer0 gro off
	gives 4 "srv1 loses every relayed frame, .*'ethtool -K FAR-END gro on'" status --check
	lab_in peer ethtool -K peer0 gro on
	gives 0 '^$' status --check
	relays_or_beats 3
}

# ---- network cards, in a VM ---------------------------------------------------------------------

# The far and near ends of the wires that tests/vm/run --wire has laid, by their MAC addresses; see there. On no machine
# but such a VM is a network card even looked for: it might be the one that the machine is reached by.
in_a_vm_with_wires() {
	[[ ${LAB_WIRES-} =~ ^[1-9][0-9]*$ && $(cat /sys/class/dmi/id/sys_vendor 2>/dev/null) == QEMU ]]
}
# wire_card NUMBER END: its name, when it is here, and not still in a namespace that is being removed
wire_card() {
	ip -j link show | jq -er --arg mac "$(printf '02:54:4c:00:%02x:%02x' "$1" "$2")" \
		'.[] | select(.address == $mac).ifname'
}
wires_are_here() {
	local n
	for ((n = 0; n < LAB_WIRES; n++)); do wire_card "$n" 1 && wire_card "$n" 2 || return 1; done
}
# find_wires DRIVER COUNT [MODEL]: WIRES are the numbers of the first COUNT with that driver's card at the near end. MODEL:
# offloads (the default) or fixed, whether virtio lets the guest turn off what the host does for it
find_wires() {
	local driver=$1 count=$2 model=${3-offloads} n card
	in_a_vm_with_wires || skip "needs network cards of $driver (tests/vm/run --wire)"
	lab_wait 60 wires_are_here || fail "not all of the $LAB_WIRES wires' cards are here: $(ip -br link)"
	WIRES=()
	for ((n = 0; n < LAB_WIRES && ${#WIRES[@]} < count; n++)); do
		card=/sys/class/net/$(wire_card "$n" 1)/device
		[[ $(basename "$(readlink -f "$card/driver")") == "$driver" ]] || continue
		[[ $driver != virtio_net || $model == "$(card_model "$card")" ]] || continue
		WIRES+=("$n")
	done
	((${#WIRES[@]} == count)) || skip "needs $count network cards of $driver, $model (tests/vm/run --wire)"
}
# by VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, bit 2
card_model() { [[ $(cut -c3 "$1/features") == 1 ]] && echo offloads || echo fixed; }
# plug_card NUMBER END NODE:DEV[=ADDR/LEN]: that end of the wire is this device of the node
plug_card() {
	local card addr=${3#*=} node=${3%%:*} dev=${3#*:}
	dev=${dev%%=*}
	card=$(wire_card "$1" "$2")
	ip link set "$card" down netns "$LAB_ID-$node"
	ip -n "$LAB_ID-$node" link set "$card" name "$dev"
	LAB_AT_EXIT+=("unplug_card $node $dev $card")
	[[ $addr == "$3" ]] || ip -n "$LAB_ID-$node" addr add "$addr" dev "$dev"
	[[ $node == server ]] || full_checksums "$node" "$dev"
	ip -n "$LAB_ID-$node" link set "$dev" up
}
# It comes back by itself, but later, and with the name that it had there, which the next laboratory cannot give then.
unplug_card() { # NODE DEV NAME
	ip -n "$LAB_ID-$1" link set "$2" down
	ip -n "$LAB_ID-$1" link set "$2" name "$3"
	ip -n "$LAB_ID-$1" link set "$3" netns $$
}
lab_layout_cards_one() { lab_hub card_to_hub; }
card_to_hub() {
	plug_card "${WIRES[0]}" 1 server:srv0="$LAB_SERVER_IP/24"
	plug_card "${WIRES[0]}" 2 hub:hs
}
lab_layout_cards_two() {
	LAB_SERVER_IP=10.7.1.2 LAB_RELAY_IP=10.7.2.2 LAB_CLIENT_IP=10.7.1.1 LAB_PEER_IP=10.7.2.3
	plug_card "${WIRES[0]}" 1 server:srv0=$LAB_SERVER_IP/24
	plug_card "${WIRES[0]}" 2 client:cli0=$LAB_CLIENT_IP/24
	plug_card "${WIRES[1]}" 1 server:srv1=$LAB_RELAY_IP/24
	plug_card "${WIRES[1]}" 2 peer:peer0=$LAB_PEER_IP/24
	LAB_DEVICES=(srv0 srv1)
}
cards_are_up() {
	local dev
	for dev in "${LAB_DEVICES[@]}"; do has_carrier "$dev" || return 1; done
}
# on_cards LAYOUT DRIVER COUNT [MODEL]
on_cards() {
	find_wires "${@:2}"
	lab_up "$1"
	lab_wait 60 cards_are_up || fail "the cards do not come up: $(srv_link)"
}
card_queues() { # how many DEV may have
	on_server ethtool -l "$1" | sed -n '/^Pre-set/,/^Current/s/^Combined:[[:space:]]*//p'
}

# From one card to another, with one queue, as many as CPUs, and as many as there are.
case_virtio_two_nics() {
	local n dev most
	on_cards cards_two virtio_net 2
	most=$(card_queues srv0)
	without_turnctl
	for n in 1 "$(nproc)"; do
		((n <= most)) || break
		for dev in srv0 srv1; do in_use "$dev" "$n"; done
		relays_there
		detach
	done
	[[ $install == --fused ]] || behind_a_filter
	# virtio_net would take queues for XDP that it does not have, and the kernel crash
	if ((most > $(nproc) && most < 2 * $(nproc) + 1)); then
		in_use srv1 "$most"
		queues_refused
		on_server xdp-filter load srv1 --mode native
		queues_refused
		on_server xdp-filter unload srv1
	fi
	relays_there --mode skb
}
queues_refused() {
	attach_refused 1 "srv1 has $most of at most $most queues in use, .*'ethtool -L srv1 combined $(nproc)'" srv0 --relay srv1
}
# whose program has been given queues already
behind_a_filter() {
	on_server xdp-filter load srv1 --mode native
	relays_there
	detach
	on_server xdp-filter unload srv1
}
# "combined" is left unchanged with an error, if it is that already
in_use() { on_server ethtool -L "$1" combined "$2" || [[ $(on_server ethtool -l "$1" | sed -n '/^Current/,$s/^Combined:[[:space:]]*//p') == "$2" ]]; }
# From a card to itself.
case_virtio_one_nic() {
	on_cards cards_one virtio_net 1
	without_turnctl
	relays_there
	detach
	relays_there --mode skb
}
# The host offloads what XDP cannot have, and does not let the guest turn it off.
case_virtio_that_refuses() {
	on_cards cards_one virtio_net 1 fixed
	only_in_skb 'the kernel refuses XDP in native mode on srv0: ".*GRO_HW/CSUM.*"; .*ethtool -K srv0 .*use --mode skb'
}
case_nic_without_native_xdp() {
	on_cards cards_one e1000e 1
	only_in_skb 'the driver of srv0 has no native XDP; --mode skb works with any driver, more slowly$'
}
