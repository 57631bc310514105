# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # jq's $variables are not the shell's; ../lab/cases sets some
# The words in which the cases are told. Sourced by cases.

fail() {
	echo "$*" >>"$output.why"
	exit 1
}
skip() {
	echo "$*" >"$output.skip"
	exit 0
}
# survived FAULT LOST WRONG TIME: a line for the table of tests/check; all of it measured, never typed in
survived() { [[ -z ${SURVIVED-} ]] || printf '%s\t%s\t%s\t%s\n' "$@" >>"$SURVIVED"; }
on_chain() { [[ $install == --chain ]] || skip "needs a kernel with freplace"; }

# turnctl and others, on the server; never for ever
ctl() { lab_in server timeout 120 "$TURNCTL" --instance "$instance" "$@"; }
on_server() { lab_in server "$@"; }

# gives CODE PATTERN ARG…: turnctl ARG… exits with CODE and says what the extended regular expression matches
gives() {
	local code=$1 pattern=$2 said got=0; shift 2
	said=$(ctl "$@" 2>&1) || got=$?
	((got == code)) || fail "'turnctl $*' gives exit code $got, not $code: $said"
	grep -Eq -- "$pattern" <<<"$said" || fail "'turnctl $*' says '$said', nothing like '$pattern'"
}

# holds SENTENCE JSON FILTER: the jq filter is true of the document, in all of its results if it has several
holds() {
	jq -e "[$3] | length > 0 and all" >/dev/null <<<"$2" || fail "$1: not $3, but $(jq -c . <<<"$2")"
}

# t COMMAND…: one command to turn.py; its answer is in $A. tries: likewise, and it may fail. tell: it is under way, and
# `hear` waits for the answer.
tell() {
	[[ ${TURN_IN-} ]] || t_start
	printf '%s\n' "$*" >&"$TURN_IN"
}
hear() {
	local rest
	IFS= read -r -t 120 -u "$TURN_OUT" A || fail "$turn does not answer${1+ "'$*'"}"
	rest=$A
	while [[ $rest =~ '"'(lost|wrong)'": '([0-9]+)(.*) ]]; do
		if [[ ${BASH_REMATCH[1]} == lost ]]; then LOST=$((LOST + BASH_REMATCH[2])); else WRONG=$((WRONG + BASH_REMATCH[2])); fi
		rest=${BASH_REMATCH[3]}
	done
}
tries() {
	tell "$@"
	hear "$@"
}
t() {
	tries "$@"
	[[ $A == '{"ok": true'* ]] || fail "$turn $*: $A"
}
t_start() {
	local pid
	mkfifo "$LAB_TMP/turn.in" "$LAB_TMP/turn.out"
	LAB_PATIENCE=$([[ $install == --chain ]] && echo 10 || echo 3) \
		LAB_USER=$LAB_USER LAB_PASSWORD=$LAB_PASSWORD "$here/$turn" <"$LAB_TMP/turn.in" >"$LAB_TMP/turn.out" &
	pid=$!
	LAB_PIDS+=("$pid")
	exec {TURN_IN}>"$LAB_TMP/turn.in" {TURN_OUT}<"$LAB_TMP/turn.out"
}

# What the ends have missed, and what came to them that should not, in the case so far: for `survived`
LOST=0 WRONG=0

# The counters of all devices since `mark`, as one object. Besides turnctl's, stack: UDP packets that got past XDP on the
# server, delivered or not. Few processes: in the emulator each takes its time.
SINCE='def sum(f): map(f) | add;
	def all(f): map(f | to_entries) | flatten | group_by(.key) | map({(.[0].key): sum(.value)}) | add;
	def totals($stack): .devices | {
		up: sum(.to_peer.packets), up_bytes: sum(.to_peer.bytes),
		down: sum(.to_client.packets), down_bytes: sum(.to_client.bytes), heartbeats: sum(.heartbeats),
		passed_total: sum(.passed_total), passed: all(.passed), events: all(.events), stack: $stack };
	(.[0] | totals($a)) as $a | (.[1] | totals($b)) as $b |
	reduce ($b | paths(numbers)) as $p ({}; setpath($p; ($b | getpath($p)) - ($a | getpath($p))))'
stack() {
	local line
	on_server cat /proc/net/snmp | while read -ra line; do
		[[ ${line[0]} != Udp: || ${line[1]} == *[!0-9]* ]] || echo $((line[1] + line[2] + line[3]))
	done
}
mark() { MARK=$(ctl -j stats) MARK_STACK=$(stack); }
since() {
	jq -sc --argjson a "$MARK_STACK" --argjson b "$(stack)" "$SINCE${1+ | if $1 then halt else . end}" \
		<<<"$MARK$(ctl -j stats)"
}
# counted FILTER: it is true of what was counted since `mark`; soon_counted waits until it is
counted() {
	local is
	is=$(since "$1") || fail "cannot tell whether $1"
	[[ -z $is ]] || fail "since then not $1, but $is"
}
is_counted() {
	local is
	is=$(since "$1") && [[ -z $is ]]
}
# how many packets the kernel has relayed since `mark`
relayed() { since | jq '.up + .down'; }
soon_counted() { lab_wait 30 is_counted "$1" || counted "$1"; }

channel() { ctl -j channel list | jq -c '.channels[0]'; }
channels() { ctl channel count; }
has_channels() { [[ $(channels) == "$1" ]]; }
offloaded() {
	holds "the channel" "$(channel)" '.to_peer.state == "offloaded" and .to_client.state == "offloaded"'
}
is_state() { channel | jq -e ".to_peer.state == \"$1\" and .to_client.state == \"$1\""; }

# attach [OPTION…]: the laboratory's devices. Heartbeats are far apart unless said otherwise, so that counts are exact
attach() {
	local dev options=(--heartbeat 60s "$@")
	[[ $* != *--heartbeat* ]] || options=("$@")
	for dev in "${LAB_DEVICES[@]:1}"; do options+=(--relay "$dev"); done
	options+=("${fused[@]}")
	LAB_AT_EXIT=("ctl detach --all" "${LAB_AT_EXIT[@]}")
	ctl attach "${LAB_DEVICES[0]}" "${options[@]}"
}
# A case that attaches is to detach itself, if it looks at what is left. Once is enough.
detach() {
	ctl detach --all
	LAB_AT_EXIT=("${LAB_AT_EXIT[@]:1}")
}
attach_refused() { # CODE PATTERN ARG…
	gives "$1" "$2" attach "${@:3}" "${fused[@]}"
	[[ ! -e /sys/fs/bpf/turnctl/$instance ]] || fail "'attach ${*:3}' was refused, but left pins"
}

ends() {
	t client c "$LAB_ID-client" "$LAB_CLIENT_IP" "$LAB_SERVER_IP:$LAB_PORT"
	CLIENT=$(jq -r .client <<<"$A")
	t peer p "$LAB_ID-peer" "$LAB_PEER_IP:$LAB_PEER_PORT"
}
# caller NAME [PORT]: a new client, of the listener at PORT, with channel 0x4000 to the peer
caller() {
	t client "$1" "$LAB_ID-client" "$LAB_CLIENT_IP" "$LAB_SERVER_IP:${2-$LAB_PORT}"
	t allocate "$1"
	t bind "$1" 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
}
# both ends, and a channel between them
call() {
	ends
	t allocate c
	t bind c 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
}
# packets both ways, all of which arrive
passes() {
	t up c 0x4000 p "$1" "${2-100}"
	holds "client to peer" "$A" ".got == $1 and .lost == 0 and .wrong == 0"
	t down p c 0x4000 "$1" "${2-100}"
	holds "peer to client" "$A" ".got == $1 and .lost == 0 and .wrong == 0"
}
# one packet both ways arrives; to be waited for
reaches_both() {
	tries up c 0x4000 p 1 100
	[[ $A == *'"got": 1'* ]] || return 1
	tries down p c 0x4000 1 100
	[[ $A == *'"got": 1'* ]]
}
# as `passes`, and the kernel relays every one
relays() {
	mark
	passes "$1" "${2-100}"
	counted ".up == $1 and .down == $1 and .heartbeats == 0 and .passed_total == 0 and .stack == 0"
}
# likewise, and the server relays every one
server_relays() {
	mark
	passes "$1"
	counted ".up == 0 and .down == 0 and .stack == 2 * $1"
}
# the usual beginning: laboratory, server, turnctl, a channel that is offloaded
started() {
	lab_up "$1"
	lab_coturn
	attach "${@:2}"
	call
	passes 1
	offloaded
}

server_mac() { ip -n "$LAB_ID-server" -j link show dev "$1" | jq -r '.[0].address'; }
managed() { on_server ip neigh show | grep -w managed || true; }
lo_forwarding() { on_server sysctl -n net.ipv4.conf.lo.forwarding; }
