# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # words.sh's; jq's $variables are not the shell's
# The order of events: beside stock xdp-filter, xdp-loader and xdpdump. The words are in ../events.sh.

# limit: 900
case_order_native() { order_stories native; }
# limit: 900
case_order_skb() { order_stories skb; }

# STORIES="guests full" in the environment: only these
order_stories() {
	local name
	on_chain
	order_up "$1"
	for name in ${STORIES-filter_first turnctl_first guests full blind outside modes losses}; do story "$name"; done
	stories_end
}

# ---- what is done ----------------------------------------------------------------------------------

turnctl_attaches() { # MODE [OPTION…]
	ATTACHED=$1
	ctl attach srv0 --heartbeat 60s --mode "$@"
	OURS=4 FLOWS=kernel TOLD=''
}
turnctl_attaches_and_learns() {
	turnctl_attaches "$MODE"
	everyone_calls
}
turnctl_attaches_again() {
	ctl attach srv0
	OURS=4 FLOWS=kernel TOLD=''
}
turnctl_detaches() {
	ctl detach srv0
	OURS=0 FLOWS=server ATTACHED='' TOLD=''
}

filter_loads() {
	on_server xdp-filter load srv0 --mode "$MODE"
	joins 10 xdpfilt_alw_all
}
filter_rules() {
	on_server xdp-filter port "$ORDER_PORT" -m dst -p udp
	on_server xdp-filter ip "$ORDER_CLIENT" -m src
	on_server xdp-filter ip "$ORDER_PEER" -m src
	FILTER=allow
}
filter_loads_with_rules() {
	filter_loads
	filter_rules
}
# It lets through two addresses, and nothing else.
filter_denies() {
	filter_unloads
	on_server xdp-filter load srv0 --mode "$MODE" --policy deny
	joins 10 xdpfilt_dny_all
	on_server xdp-filter ip "$LAB_CLIENT_IP" -m src
	on_server xdp-filter ip "$LAB_PEER_IP" -m src
	FILTER=deny
}
filter_unloads() {
	on_server xdp-filter unload srv0
	leaves 10
	FILTER=''
}
filter_reloads() {
	filter_unloads
	filter_loads_with_rules
}
filter_rules_while_it_runs() {
	filter_rules
	on_server xdp-filter ip -r "$ORDER_CLIENT" -m src
	arrives up b 0x4000 p 1 || fail "without the rule, the second client is still filtered: $A"
	on_server xdp-filter ip "$ORDER_CLIENT" -m src
}

# guest_loads PRIO NAME [OPTION…]; PRIO 50 is not said
guest_loads() {
	local prio=(-P "$1")
	[[ $1 != 50 ]] || prio=()
	on_server xdp-loader load "${prio[@]}" -m "$MODE" -n "$2" "${@:3}" srv0 "$LAB_TMP/foreign.o"
	joins "$1" "$2"
}
guest_unloads() { # PRIO
	on_server xdp-loader unload srv0 --id "$(id_at "$1")"
	leaves "$1"
}
two_before_and_two_after() {
	guest_loads 10 guest_one
	guest_loads 70 guest_two
	guest_loads 80 guest_three
}

# flowing COMMAND…: while packets go both ways, and none is lost. flowing_on: those may be lost that a filter denies.
flowing() {
	flowing_on "$@"
	holds "packets meanwhile" "$A" '(.up, .down) | .lost == 0'
}
flowing_on() {
	tell stream c 0x4000 p 100 25
	"$@"
	hear
	[[ $A == '{"ok": true'* ]] || fail "packets meanwhile: $A"
	holds "packets meanwhile" "$A" '(.up, .down) | .got > 0 and .dup == 0 and .wrong == 0'
}

# ---- stories ---------------------------------------------------------------------------------------

story_filter_first() {
	everyone_calls
	event "xdp-filter alone" filter_loads
	event "xdp-filter first, then turnctl" turnctl_attaches_and_learns
	event "xdp-filter: a port, a client and a peer denied" filter_rules_while_it_runs
	event "xdp-filter reloaded while TURN flows" flowing filter_reloads
	event "xdp-filter: policy changed to deny while TURN flows" flowing_on filter_denies
	event "turnctl attached again behind a filter that denies" turnctl_attaches_again
	event "xdp-filter: policy changed back while TURN flows" flowing filter_reloads
	event "turnctl detached, xdp-filter stays; --fused refuses to share" leaves_the_filter
	filter_unloads
	filter_loads
	event "turnctl before xdp-filter (--prio 5)" before_filter
}
leaves_the_filter() {
	turnctl_detaches
	refuses "srv0 already runs XDP program 'xdpfilt.*--fused needs the device for itself" --fused
}
before_filter() {
	turnctl_attaches "$MODE" --prio 5
	everyone_calls
	filter_rules
	FILTER=late
}

story_turnctl_first() {
	event "turnctl alone" turnctl_attaches_and_learns
	event "turnctl first, then xdp-filter, while TURN flows" flowing filter_loads_with_rules
	event "turnctl attached again beside xdp-filter" turnctl_attaches_again
	event "xdp-filter unloaded while TURN flows" flowing filter_unloads
	event "xdp-filter loaded again" filter_loads_with_rules
	event "turnctl detached, xdp-filter goes on" turnctl_detaches
	event "xdp-filter unloaded last" filter_unloads
}

story_guests() {
	WATCHED=1
	turnctl_attaches_and_learns
	event "an unknown program at the default priority, 50" flowing guest_loads 50 guest_four
	event "two programs before and two after ours" two_before_and_two_after
	event "xdp-loader clean" on_server xdp-loader clean
	event "xdpdump captures the whole chain" capture
	event "turnctl detached from between them" turnctl_detaches
	event "turnctl attached between them" turnctl_attaches_and_learns
	event "one before and one after ours unloaded" one_before_and_one_after_unload
}
one_before_and_one_after_unload() {
	guest_unloads 10
	guest_unloads 70
}
capture() {
	local dump prio name id
	lab_spawn server xdpdump -i srv0 -p all --rx-capture entry,exit -w "$LAB_TMP/capture" >"$LAB_TMP/xdpdump" 2>&1
	dump=$LAB_PID
	lab_wait 60 grep -q '^listening on srv0.*turn_cli2rem' "$LAB_TMP/xdpdump" || fail "xdpdump: $(<"$LAB_TMP/xdpdump")"
	running
	nobody_is_lost
	turn_flows
	lab_wait 30 guests_see || fail "not every program of others' has seen a stranger's packet: $(guests_saw)"
	kill -INT "$dump"
	lab_wait 60 grep -q 'packets captured' "$LAB_TMP/xdpdump" || fail "xdpdump does not end: $(<"$LAB_TMP/xdpdump")"
	lab_kill "$dump"
	"$here/captured.py" "$LAB_TMP/capture" >"$LAB_TMP/captured"
	while read -r prio name id; do
		grep -Eq "^srv0:$name\W.*[^0-9][1-9][0-9]*$" "$LAB_TMP/captured" ||
			fail "xdpdump has no packet of $name (id $id): $(<"$LAB_TMP/captured")"
	done <<<"$RUNNING"
}

story_full() {
	local i
	WATCHED=1
	for i in 41 42 43 44 45 46; do guest_loads $i guest_one; done
	event "six programs before, ours take the last four slots" turnctl_attaches_and_learns
	event "an eleventh program is refused by xdp-loader" eleventh
	event "turnctl attached again in a full dispatcher" turnctl_attaches_again
	turnctl_detaches
	guest_loads 47 guest_one
	event "seven programs: turnctl refuses" refuses \
		'^turnctl: srv0 already runs 7 XDP programs, and a dispatcher holds 10: there is no room for 4 more; unload some$'
}
eleventh() {
	! on_server xdp-loader load -m "$MODE" -P 90 -n guest_two srv0 "$LAB_TMP/foreign.o" || fail "ten slots took eleven"
}
# refuses SENTENCE [OPTION…]: attach does so, and says nothing else
refuses() {
	local said code=0
	said=$(ctl attach srv0 --mode "$MODE" "${@:2}" 2>&1) || code=$?
	((code == 1)) || fail "attach gives exit code $code: $said"
	[[ $(wc -l <<<"$said") == 1 ]] || fail "attach says more than a sentence: $said"
	grep -Eq -- "$1" <<<"$said" || fail "attach says '$said', nothing like '$1'"
}

# A program that passes, but without XDP_PASS among its chain call actions, hides all from those behind it.
story_blind() {
	everyone_calls
	guest_loads 5 guest_two -A XDP_DROP
	event "a program before ours that hands nothing on: turnctl refuses" refuses \
		"srv0 runs XDP program 'guest_two' \(id $(id_at 5)\) at priority 5, which hands no packet on.*'xdp-loader unload srv0 --id $(id_at 5)'"
	guest_unloads 5
	turnctl_attaches_and_learns
	event "such a program loaded before ours: told" blinded
	guest_unloads 5
	TOLD='' FLOWS=kernel
	event "such a program after ours does no harm" guest_loads 90 guest_two -A XDP_DROP
}
blinded() {
	guest_loads 5 guest_two -A XDP_DROP
	TOLD="srv0: XDP program 'guest_two' \(id $(id_at 5)\) runs before turnctl's and hands no packet on" FLOWS=server
}

story_outside() {
	everyone_calls
	event "a program outside a dispatcher: turnctl refuses" alone_refused
	event "it is taken off as turnctl says, turnctl attaches" alone_off_and_attached
	event "another program outside it is refused by ip" outside_refused
	event "one forced over the dispatcher: told; turnctl does not attach over it" outside_forced
	event "it is taken off, turnctl attaches again" outside_off
}
ip_word() { [[ $MODE == native ]] && echo "${1-xdp}" || echo xdpgeneric; }
alone() { on_server ip "$@" link set dev srv0 "$(ip_word xdpdrv)" obj "$LAB_TMP/foreign.o" sec xdp; }
alone_refused() {
	alone
	joins - guest_one
	refuses "srv0 already runs XDP program 'guest_one' \(id $(id_at -)\) outside a dispatcher; unload it with 'ip link set dev srv0 $(ip_word) off'"
}
alone_off() {
	on_server ip link set dev srv0 "$(ip_word)" off
	leaves -
}
alone_off_and_attached() {
	alone_off
	turnctl_attaches_and_learns
}
outside_refused() { ! alone || fail "ip put a program over a dispatcher, unforced"; }
outside_forced() {
	alone -force
	joins - guest_one
	OURS=0 FLOWS=server
	TOLD="srv0: 0 of 4 XDP programs are in place; 'guest_one' \(id $(id_at -)\) runs instead.*'ip link set dev srv0 $(ip_word) off'"
	refuses "already runs XDP program 'guest_one' .* outside a dispatcher"
}
outside_off() {
	alone_off
	turnctl_attaches_again
}

story_modes() {
	everyone_calls
	on_server xdp-filter load srv0 --mode "$OTHER_MODE"
	joins 10 xdpfilt_alw_all
	event "a filter in the other mode: turnctl refuses" refuses \
		"^turnctl: srv0 already runs XDP programs in $OTHER_MODE mode; attach with --mode $OTHER_MODE, or reload them in $MODE mode$"
	event "a filter in the other mode: turnctl joins it there" joins_other
	turnctl_detaches
	filter_unloads
	turnctl_attaches_and_learns
	event "a program in the other mode is refused by xdp-loader" other_refused
}
joins_other() {
	turnctl_attaches "$OTHER_MODE"
	everyone_calls
}
other_refused() {
	! on_server xdp-loader load -m "$OTHER_MODE" -n guest_two srv0 "$LAB_TMP/foreign.o" || fail "one device took two modes"
}

story_losses() {
	turnctl_attaches_and_learns
	filter_loads_with_rules
	event "ip link set xdp off: told" everything_off on_server ip link set dev srv0 "$(ip_word)" off
	event "after it, turnctl attached again and xdp-filter loaded" mended
	event "xdp-loader unload --all: told" everything_off on_server xdp-loader unload srv0 --all
	event "after that, turnctl attached again and xdp-filter loaded" mended
	event "xdp-loader clean in another network namespace: told" hollowed
	event "turnctl attached again over the empty dispatcher" mended
	hollowed
	event "turnctl detached from an empty dispatcher" turnctl_detaches
	on_server ip -d link show dev srv0 | grep -q prog/xdp && fail "a dispatcher is left"
	event "all attached anew" attached_anew
}
mended() {
	turnctl_attaches_again
	filter_loads_with_rules
}
everything_off() {
	"$@"
	GUESTS=() OURS=0 FLOWS=server FILTER='' TOLD='srv0: 0 of 4 XDP programs are in place'
}
# To it, what is pinned for a device of ours is of no device at all.
hollowed() {
	everything_off lab_in hub xdp-loader clean
	TOLD='srv0: 0 of 4 XDP programs are in place; the dispatcher \(id [0-9]+\) has lost them and those of others'
}
attached_anew() {
	turnctl_attaches_and_learns
	filter_loads_with_rules
}

# ---- at once ---------------------------------------------------------------------------------------

# Others come and go at the same time: whoever changes the chain does so on what the last one has left.
case_order_at_once_native() { order_at_once native; }
case_order_at_once_skb() { order_at_once skb; }
order_at_once() {
	local prio pids=()
	on_chain
	order_up "$1"
	OURS=0 FLOWS=server TOLD='' FILTER='' ATTACHED='' UP='' DOWN='' WATCHED=0
	ctl attach srv0 --heartbeat 60s --mode "$MODE"
	guest_loads 40 guest_four
	for prio in 20 80; do
		guest_comes_and_goes $prio >"$LAB_TMP/guest.$prio" 2>&1 &
		pids+=($!)
	done
	turnctl_comes_and_goes
	for prio in "${pids[@]}"; do wait "$prio" || fail "a guest: $(cat "$LAB_TMP"/guest.*)"; done
	ATTACHED=$MODE
	event "xdp-loader and turnctl at the same time" turnctl_attaches_and_learns
	event "turnctl detached after it" turnctl_detaches
	guest_unloads 40
	! on_server xdp-loader status srv0 | grep -q xdp_dispatcher || fail "a dispatcher is left"
}
turnctl_comes_and_goes() {
	local i
	for i in 1 2 3 4 5 6; do
		ctl attach srv0 --mode "$MODE" || fail "attach, for the ${i}th time"
		ctl detach srv0 || fail "detach, for the ${i}th time"
	done
}
# xdp-loader gives up where it meets too many changes, and its status likewise; then it is asked again. One that has
# failed may have done it all the same. And its status of a dispatcher that is just being replaced shows none of its
# programs: only one with the program at 40, which stays, is believed.
guest_status() {
	SAID=$(on_server xdp-loader status srv0) && [[ $SAID =~ '=>'\ +'40 ' ]]
}
guest_comes_and_goes() {
	local i
	for i in 1 2 3 4 5 6; do
		lab_wait 90 guest_is_on "$1" || { echo "it cannot be loaded, for the ${i}th time"; return 1; }
		lab_wait 90 guest_is_off "$1" || { echo "it cannot be unloaded, for the ${i}th time"; return 1; }
	done
}
guest_is_on() {
	guest_status || return 1
	[[ $SAID =~ '=>'\ +"$1 " ]] || on_server xdp-loader load -m "$MODE" -P "$1" -n guest_one srv0 "$LAB_TMP/foreign.o"
}
guest_is_off() {
	guest_status || return 1
	[[ ! $SAID =~ '=>'\ +"$1 "\ *guest_one\ +([0-9]+) ]] || on_server xdp-loader unload srv0 --id "${BASH_REMATCH[1]}"
}
