# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # words.sh's; jq's $variables are not the shell's
# kill -9 of a command at every system call that changes something, and many commands at once.

CHANGES='bpf,sendto,sendmsg,mkdir,rename,unlink,rmdir,write'
CHANGE='BPF_(OBJ_PIN|MAP_UPDATE_ELEM|MAP_DELETE_ELEM|LINK_CREATE|LINK_UPDATE|LINK_DETACH|PROG_TEST_RUN)
	RTM_(NEW|DEL|SET)[A-Z]*,
	(mkdir|rename|unlink|rmdir)\(
	write\([0-9]+</proc/sys'
# changes ARG…: runs 'turnctl ARG…', and lists the calls by which it changes something: NAME and which one of that name.
# A command that strace kills is killed as it enters the call, so that call has not been made.
changes() {
	on_server timeout 120 strace -f -qq -y -o "$LAB_TMP/strace" -e "trace=$CHANGES" "$TURNCTL" -i "$instance" "$@"
	awk -v change="${CHANGE//$'\n\t'/|}" '{
		name = $2; sub(/\(.*/, "", name); number[name]++
		if ($0 ~ change) print name, number[name]
	}' "$LAB_TMP/strace"
}
# killed NAME NUMBER ARG…: 'turnctl ARG…' is killed at that call, if it comes to it: it may ask the kernel less often than
# the time before
killed() {
	local code=0
	{ on_server timeout 120 strace -f -qq -o "$LAB_TMP/strace" -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" \
		"$TURNCTL" -i "$instance" "${@:3}" || code=$?; } 2>/dev/null
	AT="'turnctl ${*:3}' killed at $1 number $2 ($(tail -n 2 "$LAB_TMP/strace" | sed -n '1s/^[0-9]* *//p' | cut -c 1-60))"
	((code == 137 || code == 0)) || fail "$AT: not killed, but exit code $code"
	BOUNDARIES=$((BOUNDARIES + (code == 137))) ENDED=$((ENDED + (code == 0)))
}
# what holds after any kill: the traffic flows, and status has a word for it
bears() {
	local said code=0
	t up c 0x4000 p 2 100
	holds "$AT: client to peer" "$A" '.got == 2 and .lost == 0 and .wrong == 0'
	t down p c 0x4000 2 100
	holds "$AT: peer to client" "$A" '.got == 2 and .lost == 0 and .wrong == 0'
	said=$(ctl status --check 2>&1) || code=$?
	case $code in
	0) [[ -z $said ]] || fail "$AT: status is content, but says '$said'" ;;
	3) [[ $said == *'nothing is attached'* ]] || fail "$AT: status says '$said'" ;;
	4) [[ $said == *"turnctl -i $instance "* ]] || fail "$AT: status has no advice: '$said'" ;;
	*) fail "$AT: status gives exit code $code: $said" ;;
	esac
}
cleans() {
	local code=0 said
	said=$(ctl detach --all 2>&1) || code=$?
	((code == 0 || code == 3)) || fail "$AT, then 'detach --all' gives exit code $code: $said"
	as_before || fail "$AT, then detach: $(diff <(echo "$BEFORE") <(picture))"
}
repairs() {
	ctl attach "${ATTACH[@]}" || fail "$AT, then attach fails"
	gives 0 '^$' status --check
}
static=(10.7.1.1:1 10.7.1.2:3478 0x4000)
ATTACH=()
kills_begin() {
	local dev
	[[ $install == --fused ]] || skip "strace is too slow here; see killed_at_any_time"
	lab_up "$1"
	lab_coturn
	call
	passes 1
	lab_wait 20 carriers || fail "the devices do not come up"
	static=(10.7.1.1:1 10.7.1.2:3478 0x4000 "$LAB_RELAY_IP:40000" "$LAB_PEER_IP:9")
	ATTACH=(srv0 --heartbeat 60s "${fused[@]}")
	for dev in "${LAB_DEVICES[@]:1}"; do ATTACH+=(--relay "$dev"); done
	LAB_AT_EXIT=("ctl detach --all" "${LAB_AT_EXIT[@]}")
	ctl attach "${ATTACH[@]}"
	ctl detach --all
	BEFORE=$(picture)
	BOUNDARIES=0 ENDED=0
}
# at_every_change STATE AFTER ARG…: STATE is a function that makes the state before each, AFTER the one that looks
# at the repair. A third of them, another one each time; ALL=1: all
at_every_change() {
	local state=$1 after=$2 i part=$((RANDOM % 3)) list; shift 2
	$state
	mapfile -t list < <(changes "$@")
	((${#list[@]} > 2)) || fail "'turnctl $*' changes nothing: ${list[*]}"
	for i in "${!list[@]}"; do
		[[ ${ALL-} ]] || ((i % 3 == part)) || continue
		$state
		# shellcheck disable=SC2086  # two words
		killed ${list[i]} "$@"
		bears
		$after "$i"
	done
	((ENDED * 4 <= BOUNDARIES)) || fail "of $((BOUNDARIES + ENDED)) times 'turnctl $*' was not killed $ENDED times"
}

is_detached() { ctl detach --all >/dev/null 2>&1 || true; }
is_attached() {
	! { ctl status --check >/dev/null 2>&1 && is_relaying; } || return 0
	is_detached
	ctl attach "${ATTACH[@]}"
	relays_anew
}
is_relaying() { channel | jq -e '.to_peer.state == "offloaded" and .to_client.state == "offloaded"' >/dev/null; }
has_no_static() { is_attached; ctl channel del "${static[@]:0:3}" >/dev/null 2>&1 || true; }
has_static() { is_attached; ctl channel add "${static[@]}" >/dev/null 2>&1 || true; }

# either the next attach repairs, or the next detach cleans up
repaired_anew() {
	if (($1 % 2)); then
		repairs
		relays_anew
	fi
	cleans
}
repaired_as_it_was() {
	repairs
	relays 2                                     # by the same channel
	(($1 % 2)) || cleans
}
static_repaired() {
	if (($1 % 2)); then
		ctl channel del "${static[@]:0:3}" >/dev/null 2>&1 || true
		no_static_left
	else
		cleans
	fi
}
no_static_left() {
	[[ $(ctl channel count --static) == 0 ]] || fail "$AT: a static channel is left"
	[[ -z $(managed) ]] || fail "$AT: a managed neighbour is left: $(managed)"
}
bore() { survived "kill -9 of $1, at $BOUNDARIES system calls that change something" "$LOST" "$WRONG" "the next command"; }
case_killed_attach() {
	kills_begin one
	at_every_change is_detached repaired_anew attach "${ATTACH[@]}"
	bore attach
}
case_killed_attach_again() {
	kills_begin one
	at_every_change is_attached repaired_as_it_was attach srv0
	bore "attach over an attached device"
}
case_killed_attach_of_two() {
	[[ ${ALL-} ]] || skip "long: only with ALL=1"
	kills_begin two
	at_every_change is_detached repaired_anew attach "${ATTACH[@]}"
	at_every_change is_attached repaired_as_it_was attach srv0 --relay srv1
	at_every_change is_attached repaired_anew detach --all
}
case_killed_detach() {
	kills_begin one
	at_every_change is_attached repaired_anew detach --all
	bore detach
}
case_killed_channel_add_or_del() {
	kills_begin one
	at_every_change has_no_static static_repaired channel add "${static[@]}"
	at_every_change has_static static_repaired channel del "${static[@]:0:3}"
	bore "channel add or del"
}

# Where strace is too slow: a few moments spread over the time that the command takes.
case_killed_at_any_time() {
	local began took i moments=1 state=is_detached what after
	[[ $install == --chain ]] || skip "see killed_attach and the others"
	install=--fused kills_begin one              # which skips otherwise
	ATTACH=(srv0 --heartbeat 60s)
	is_attached                                  # libxdp has made its directory, which stays
	is_detached
	BEFORE=$(picture)
	for what in "is_detached repaired_anew attach ${ATTACH[*]}" "is_attached repaired_as_it_was attach srv0" \
		"is_attached repaired_anew detach --all"; do
		# shellcheck disable=SC2086  # words they are
		set -- $what
		state=$1 after=$2; shift 2
		$state
		began=${EPOCHREALTIME/./}
		ctl "$@"
		took=$((${EPOCHREALTIME/./} - began))
		for ((i = 1; i <= moments; i++)); do
			$state
			on_server timeout -s KILL "$((took * i / (moments + 1)))e-6" "$TURNCTL" -i "$instance" "$@" || true
			AT="'turnctl $*' killed after $((took * i / (moments + 1))) of $took us"
			bears
			$after "$i"
			BOUNDARIES=$((BOUNDARIES + 1))
		done
	done
	survived "kill -9 of attach and detach at $BOUNDARIES moments (chain)" "$LOST" "$WRONG" "the next command"
}

# Many at once: none hangs, none crashes, and what they leave is a state like any other.
case_fifty_commands_at_once() {
	local i code pids=() said n=50
	[[ $install == --fused ]] || n=16
	lab_up one
	lab_coturn
	call
	passes 1
	lab_wait 20 carriers || fail "the device does not come up"
	attach && detach
	BEFORE=$(picture)
	LAB_AT_EXIT=("ctl detach --all" "${LAB_AT_EXIT[@]}")
	for ((i = 0; i < n; i++)); do
		case $((RANDOM % 10)) in
		0 | 1 | 2) set -- attach srv0 "${fused[@]}" --heartbeat "$((i % 5 + 1))s" ;;
		3 | 4) set -- detach --all ;;
		5) set -- detach srv0 ;;
		6) set -- channel add 10.7.1.1:$((i + 1)) 10.7.1.2:3478 0x4000 10.7.1.2:$((40000 + i)) 10.7.1.3:9 ;;
		7) set -- channel flush ;;
		8) set -- channel list ;;
		9) set -- status --check ;;
		esac
		(code=0; ctl "$@" >"$LAB_TMP/said.$i" 2>&1 || code=$?; echo "$code $*" >"$LAB_TMP/code.$i") &
		pids+=($!)
	done
	t stream c 0x4000 p 300 2                    # it is new to none of the instances: the server relays it
	holds "packets meanwhile" "$A" '(.up, .down) | .lost == 0 and .dup == 0 and .wrong == 0'
	wait "${pids[@]}"
	for ((i = 0; i < n; i++)); do
		read -r code said <"$LAB_TMP/code.$i"
		case $code in
		0 | 3 | 4) ;;
		*) fail "'$said' gives exit code $code: $(<"$LAB_TMP/said.$i")" ;;
		esac
	done
	ctl attach srv0 "${fused[@]}" --heartbeat 60s
	relays_anew
	ctl detach --all
	as_before || fail "$(diff <(echo "$BEFORE") <(picture))"
	survived "$n commands at once" "$LOST" "$WRONG" "-"
}
