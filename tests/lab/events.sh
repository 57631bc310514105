# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # jq's $variables are not the shell's; ../lab/cases sets some
# Events beside the XDP programs of others, and what must hold after every one of them: TURN flows, the filter filters,
# nobody's program is lost, status tells the truth. Sourced by cases.
#
#   order_up MODE       laboratory, coturn, programs of others; all ends have called
#   story NAME          runs story_NAME, a series of events that begins on a bare device
#   event NAME CMD…     runs CMD, then looks whether all that must hold holds, and notes it in $ORDERS
#   stories_end         fails if an event has
#
# What an event changes, it says:
#   joins PRIO NAME, leaves PRIO    a program of somebody else's (PRIO -: outside a dispatcher)
#   OURS=4|0                        how many of turnctl's are there; FLOWS=kernel|server who relays now
#   TOLD=PATTERN                    what status is to complain about; none: of nothing
#   WATCHED=1                       the programs of others count; all of them are to see what nobody relays
#   FILTER=allow|deny|late|''       whether xdp-filter has its rules, and of which policy; late: it stands behind ours

# Another client, another peer, and a third that is nobody's: the filter is to stop these three
ORDER_CLIENT=10.7.1.11 ORDER_PEER=10.7.1.23 ORDER_STRANGER=10.7.1.12 ORDER_PORT=7777

# ---- the laboratory --------------------------------------------------------------------------------

order_up() {
	local node
	# 'xdp-loader clean' and xdp-filter know neither namespaces nor instances
	[[ -d /run/vm ]] || skip "only in a VM: it would take off the XDP programs of this machine"
	MODE=$1
	[[ $MODE == native ]] && OTHER_MODE=skb || OTHER_MODE=native
	KERNEL=$(uname -r | grep -o '^[0-9]*\.[0-9]*')
	LIBXDP=$(dpkg-query -W -f '${Version}' libxdp1)
	LIBXDP=${LIBXDP%-*}
	lab_up one
	# what nodes say of their own accord is not to be counted
	for node in client peer server; do
		lab_in "$node" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	done
	ip -n "$LAB_ID-client" addr add $ORDER_CLIENT/24 dev cli0
	ip -n "$LAB_ID-client" addr add $ORDER_STRANGER/24 dev cli0
	ip -n "$LAB_ID-peer" addr add $ORDER_PEER/24 dev peer0
	order_neighbour client cli0 "$LAB_CLIENT_IP" $ORDER_CLIENT $ORDER_STRANGER
	order_neighbour peer peer0 "$LAB_PEER_IP" $ORDER_PEER
	clang -g -O2 -target bpf -mcpu=v3 "-I/usr/include/$(gcc -print-multiarch)" \
		-c "$here/foreign.bpf.c" -o "$LAB_TMP/foreign.o" || fail "cannot build foreign.bpf.c"
	lab_coturn
	ends
	t peer p2 "$LAB_ID-peer" "$ORDER_PEER:$LAB_PEER_PORT"
	t peer stranger "$LAB_ID-client" "$ORDER_STRANGER:9999"
	t peer service "$LAB_ID-server" "$LAB_SERVER_IP:$ORDER_PORT"
	t client to_service "$LAB_ID-client" "$ORDER_STRANGER" "$LAB_SERVER_IP:$LAB_PORT"
	t allow to_service "$LAB_SERVER_IP:$ORDER_PORT"
	LAB_AT_EXIT+=(order_bare)
}

# Nobody needs ARP, which a filter that denies would stop.
order_neighbour() { # NODE DEV ADDR…
	local node=$1 dev=$2 mac ip
	mac=$(ip -n "$LAB_ID-$node" -j link show dev "$dev" | jq -r '.[0].address')
	for ip in "${@:3}"; do
		ip -n "$LAB_ID-server" neigh replace "$ip" lladdr "$mac" nud permanent dev srv0
	done
	ip -n "$LAB_ID-$node" neigh replace "$LAB_SERVER_IP" lladdr "$(server_mac srv0)" nud permanent dev "$dev"
}

# Whatever an event has left: nothing is attached, and nothing noted.
order_bare() {
	ctl detach --all >/dev/null 2>&1 || true
	on_server xdp-filter unload srv0 >/dev/null 2>&1 || true
	on_server xdp-loader unload srv0 --all >/dev/null 2>&1 || true
	on_server ip link set dev srv0 xdp off || true
	on_server ip link set dev srv0 xdpgeneric off || true
	rm -rf /sys/fs/bpf/xdp-filter
}

# ---- who runs --------------------------------------------------------------------------------------

declare -A GUESTS=()
joins() { GUESTS[$1]="$2 ?"; }
leaves() { unset "GUESTS[$1]"; }

# Sets RUNNING to PRIO NAME ID of what runs on srv0, in order, by xdp-loader; PRIO is - outside a dispatcher. In the
# emulator each process takes its time, so the shell reads.
running() {
	local line said
	said=$(on_server xdp-loader status srv0 2>/dev/null) || fail "xdp-loader status gives exit code $?"
	RUNNING=''
	while read -ra line; do
		case ${line[*]} in
		'=> '*) RUNNING+="${line[1]} ${line[2]} ${line[3]}"$'\n' ;;
		'srv0 <No'* | 'srv0 xdp_dispatcher '*) ;;
		'srv0 '*) RUNNING+="- ${line[1]} ${line[3]}"$'\n' ;;
		esac
	done <<<"$said"
	RUNNING=${RUNNING%$'\n'}
}
id_at() { # PRIO
	local prio name id
	running
	while read -r prio name id; do [[ $prio != "$1" ]] || echo "$id"; done <<<"$RUNNING"
}

# Those of others that were there are there still: the same, and no more.
nobody_is_lost() {
	local prio name id ours=0 guests=0
	while read -r prio name id; do
		case $name in
		'') continue ;;
		turn_*) ours=$((ours + 1)); continue ;;
		esac
		guests=$((guests + 1))
		case ${GUESTS[$prio]-nobody} in
		"$name $id" | "$name ?") GUESTS[$prio]="$name $id" ;;
		*) fail "at priority $prio runs $name $id, and it should be ${GUESTS[$prio]-nobody}" ;;
		esac
	done <<<"$RUNNING"
	((guests == ${#GUESTS[@]})) || fail "there should be ${GUESTS[*]-none}, and there is ${RUNNING:-nothing}"
	((ours == OURS)) || fail "$ours of turnctl's programs run, not $OURS: ${RUNNING:-nothing}"
}

status_tells() {
	local said code=0 lines programs
	said=$(ctl -j status --check) || code=$?
	if [[ ! $ATTACHED ]]; then
		((code == 3)) || fail "status gives exit code $code though nothing is attached: $said"
		return 0
	fi
	mapfile -t lines < <(jq -r '(.problems | join("; ")), (.devices[0] | .mode,
		(.programs | all(.ours == (.name | startswith("turn_")))),
		(.programs[] | "\(.priority // "-") \(.name) \(.id)"))' <<<"$said")
	programs=$(printf '%s\n' "${lines[@]:3}")
	[[ $programs == "$RUNNING" ]] || fail "status says '$programs', and there is '$RUNNING'"
	[[ ${lines[2]} == true ]] || fail "status does not know whose is what: $said"
	[[ $OURS == 0 || ${lines[1]} == "$ATTACHED" ]] || fail "status says ${lines[1]} mode, not $ATTACHED"
	if [[ $TOLD ]]; then
		((code == 4)) || fail "status --check gives exit code $code, not 4"
		[[ ${lines[0]} =~ $TOLD ]] || fail "status tells of '${lines[0]}', nothing like '$TOLD'"
	else
		((code == 0)) || fail "status --check gives exit code $code: ${lines[0]}"
	fi
}

# ---- what flows ------------------------------------------------------------------------------------

# All call, so that turnctl learns of it, and each direction is proven.
everyone_calls() {
	order_allocates c "$LAB_CLIENT_IP"
	t bind c 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
	t bind c 0x4001 "$ORDER_PEER:$LAB_PEER_PORT"
	order_allocates b $ORDER_CLIENT
	t bind b 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
	[[ ! $ATTACHED ]] || lab_wait 60 bound_and_proven || fail "not all is offloaded: $(ctl -j channel list | jq -c .channels)"
}
# A new client may get the port of an earlier one, whose allocation coturn still has: then another.
order_allocates() { # NAME ADDR
	local try
	for try in 1 2 3 4; do
		t client "$1" "$LAB_ID-client" "$2" "$LAB_SERVER_IP:$LAB_PORT"
		tries allocate "$1"
		[[ $A != '{"ok": true'* ]] || return 0
	done
	fail "no allocation for $1: $A"
}
bound_and_proven() {
	all_arrives 1 && ctl -j channel list |
		jq -e '[.channels[] | .to_peer.state, .to_client.state] | length == 6 and all(. == "offloaded")'
}
all_arrives() {
	arrives up c 0x4000 p "$1" && arrives down p c 0x4000 "$1" &&
		arrives up c 0x4001 p2 "$1" && arrives down p2 c 0x4001 "$1" &&
		arrives up b 0x4000 p "$1" && arrives down p b 0x4000 "$1"
}
arrives() {
	t "$@" 100
	[[ $A == *"\"got\": ${*: -1},"* && $A == *'"lost": 0, "wrong": 0'* ]]
}

# Sets UP and DOWN to how many packets the kernel has relayed to the peer and to the client.
kernel_relayed() {
	local stats
	UP='' DOWN=''
	stats=$(ctl -j stats)
	[[ ! $stats =~ '"to_peer":'[^}]*'"packets":'([0-9]+) ]] || UP=${BASH_REMATCH[1]}
	[[ ! $stats =~ '"to_client":'[^}]*'"packets":'([0-9]+) ]] || DOWN=${BASH_REMATCH[1]}
	[[ $UP && $DOWN ]] || fail "cannot read '$stats'"
}

# c and p have it both ways, and the kernel relays. A heartbeat may be due in a slow emulator.
turn_flows() {
	local up down
	[[ ! $ATTACHED ]] || kernel_relayed
	up=$UP down=$DOWN
	arrives up c 0x4000 p 2 || fail "client to peer: $A"
	arrives down p c 0x4000 2 || fail "peer to client: $A"
	[[ $ATTACHED ]] || return 0
	kernel_relayed
	if [[ $FLOWS == kernel ]]; then
		((UP > up && DOWN > down)) || fail "the kernel relays $((UP - up)) of 2 and $((DOWN - down)) of 2:" \
			"$(ctl -j channel list | jq -c .channels)"
	else
		((UP == up && DOWN == down)) || fail "the kernel relays, and should not"
	fi
}

# What it is to drop does not arrive: a port, a TURN client and a peer that we would relay.
filter_filters() {
	local had
	if [[ ! $FILTER ]]; then
		arrives up b 0x4000 p 1 || fail "the second client to the peer, without a filter: $A"
		arrives down p2 c 0x4001 1 || fail "the second peer to the client, without a filter: $A"
		t got service
		t throw stranger to_service 1 100
		lab_wait 30 came service 1 || fail "a stranger to the service, without a filter: $A"
		((!WATCHED || !${#GUESTS[@]})) || lab_wait 30 guests_see ||
			fail "not every program of others' has seen a stranger's packet: $(guests_saw)"
		return 0
	fi
	t got c
	t got p
	t got service
	filter_dropped
	had=$DROPPED
	if [[ $FILTER == late ]]; then
		arrives up b 0x4000 p 1 || fail "the second client, which the filter is not to see: $A"
		t throw stranger to_service 1 100
		lab_wait 30 filter_has_dropped $((had + 1)) || fail "the filter drops no more: $(on_server xdp-filter status)"
		return 0
	fi
	t push b 0x4000 2 100
	t throw p2 c 2 100
	t throw stranger to_service 1 100
	lab_wait 30 filter_has_dropped $((had + 5)) || fail "the filter drops no more: $(on_server xdp-filter status)"
	for had in c p service; do
		t got $had
		[[ $A == *'"packets": 0,'* ]] || fail "past the filter to $had: $A"
	done
}
# Programs of others count what they see. A stranger's packet, which nobody relays, comes to all of them.
guests_saw() {
	on_server bpftool -j map dump name foreign.bss | jq -r 'if .[0] | has("elements") then .[] | "\(.id) \([.. | numbers] | add)"
		else "\([.. | numbers] | add)" end' | sort
}
guests_see() {
	local saw
	saw=$(guests_saw)
	t throw stranger to_service 1 100
	t got service                                # after it has come, or else the next time
	(($(comm -13 <(echo "$saw") <(guests_saw) | wc -l) == ${#GUESTS[@]}))
}
came() {
	t got "$1"
	[[ $A == *"\"packets\": $2,"* ]]
}
filter_dropped() {
	[[ $(on_server xdp-filter status) =~ XDP_DROP\ +([0-9]+) ]] || fail "xdp-filter tells of no XDP_DROP"
	DROPPED=${BASH_REMATCH[1]}
}
filter_has_dropped() {
	filter_dropped
	((DROPPED >= $1))
}

# ---- events ----------------------------------------------------------------------------------------

event() {
	echo "$1" >"$LAB_TMP/event"
	echo "# $SECONDS s: $1"
	shift
	"$@"
	running
	nobody_is_lost
	status_tells
	filter_filters
	turn_flows
	order_note ok
}
order_note() {
	[[ -z ${ORDERS-} ]] ||
		printf '%s\t%s\t%s\t%s\t%s\n' "$KERNEL" "$LIBXDP" "$MODE" "$(<"$LAB_TMP/event")" "$1" >>"$ORDERS"
}

# Each in a shell of its own: what fails in one does not keep the others from being told.
story() {
	local code said
	order_bare
	said=$(cat "$output.why" 2>/dev/null || true)
	rm -f "$output.at"
	set +eE
	(
		set -eE
		trap 'echo "line $LINENO: $BASH_COMMAND" >>"$output.at"' ERR
		OURS=0 FLOWS=server TOLD='' FILTER='' ATTACHED='' UP='' DOWN='' WATCHED=0
		echo "the beginning of $1" >"$LAB_TMP/event"
		"story_$1"
	)
	code=$?
	set -eE
	((code)) || return 0
	order_note FAILED
	# a command that failed, where nothing was said of it
	[[ $(cat "$output.why" 2>/dev/null) != "$said" ]] || head -n 1 "$output.at" >>"$output.why" || true
	echo "story $1 ended at the event '$(<"$LAB_TMP/event")'" >>"$output.why"
}
stories_end() {
	[[ ! -s $output.why ]] || exit 1
}
