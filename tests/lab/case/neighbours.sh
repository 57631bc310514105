# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # words.sh's; jq's $variables are not the shell's
# Others at TC and netfilter: we take nothing of theirs off, and what they do to us is told.
#
# Their programs are at the hook that the kernel has: tcx, or clsact's filters before Linux 6.6. A new filter of a
# preference goes before the others of the same.

nb() { on_server "$here/neighbour.py" "$@"; }
nb_pin() { echo "/sys/fs/bpf/$instance-$1"; }
# asked once: in the emulator each process takes its time
nb_has_tcx() {
	[[ ${NB_TCX-} ]] || { nb has-tcx srv0 && NB_TCX=yes || NB_TCX=no; }
	[[ $NB_TCX == yes ]]
}
# nb_load NAME VERDICT…: loads the program
nb_load() {
	! nb_has_tcx || true                         # here, not only in subshells
	nb load "$1" "$(nb_pin "$1")" "${@:2}"
	LAB_AT_EXIT+=("rm -f $(nb_pin "$1") $(nb_pin "$1")-count")
}
# nb_put NAME DEV HOOK first|last: there it runs from now on
nb_put() {
	local pref=50
	if nb_has_tcx; then
		nb tcx "$(nb_pin "$1")" "${@:2}"
		LAB_AT_EXIT+=("rm -f $(nb_pin "$1")-link")
		return
	fi
	[[ $4 == last ]] || pref=1
	[[ $(on_server tc qdisc show dev "$2") == *clsact* ]] || on_server tc qdisc add dev "$2" clsact
	on_server tc filter add dev "$2" "$3" protocol all pref $pref bpf direct-action pinned "$(nb_pin "$1")"
}
nb_count() { nb count "$(nb_pin "$1")"; }
nb_id() { bpftool -j prog show pinned "$(nb_pin "$1")" | jq .id; }
# nb_hook DEV HOOK: who runs there, in order
nb_hook() {
	local names
	if nb_has_tcx; then
		nb hook "$@"
	else
		mapfile -t names < <(on_server tc -j filter show dev "$@" | jq -r '.[].options.prog.name // empty')
		echo "${names[*]}"
	fi
}
nb_is() { # DEV HOOK NAMES
	local names
	names=$(nb_hook "$1" "$2")
	[[ $names == "$3" ]] || fail "$1 $2: '$names', not '$3'"
}
nb_programs_gone() { [[ $(nb_hook srv0 egress) != *turn_egress* ]]; }
# nb_told NAME DEV: status tells that it stands before turn_egress, and that attach helps
nb_told() {
	local id
	id=$(nb_id "$1")
	troubled "$2: before turn_egress at TC egress there is $1 \(id $id\), .*; 'turnctl -i $instance attach $2' puts turn_egress first$"
	gives 0 "^$2: .* egress (tcx|clsact), behind $1 \(id $id\)$" status
	holds "status" "$(ctl -j status)" \
		".devices[] | select(.device == \"$2\") | .egress_behind == [{\"name\": \"$1\", \"id\": $id}]"
}
# nb_becomes STATE: by packets both ways, one after the other
nb_becomes() {
	tries up c 0x4000 p 1 100
	tries down p c 0x4000 1 100
	is_state "$1"
}

# Like Cilium's, a pair each: before our attach and after it.
case_neighbours_programs() {
	local name counts
	lab_up one
	lab_coturn
	nb_load nb_in_a next
	nb_load nb_in_b ok
	nb_load nb_out_a next
	nb_load nb_out_b ok
	nb_put nb_in_a srv0 ingress first
	nb_put nb_out_a srv0 egress first
	attach
	nb_put nb_in_b srv0 ingress last
	nb_put nb_out_b srv0 egress last
	nb_is srv0 ingress 'nb_in_a nb_in_b'
	nb_is srv0 egress 'turn_egress nb_out_a nb_out_b'
	call
	passes 1
	relays 5
	content
	holds "status" "$(ctl -j status)" '.devices[0].egress_behind == []'
	for name in nb_in_a nb_in_b nb_out_a nb_out_b; do
		(($(nb_count $name) >= 4)) || fail "$name has seen $(nb_count $name) packets"
	done
	ctl attach srv0                              # and again, with all of them there
	nb_is srv0 ingress 'nb_in_a nb_in_b'
	nb_is srv0 egress 'turn_egress nb_out_a nb_out_b'
	still_relays
	detach
	lab_wait 30 nb_programs_gone || fail "left: $(nb_hook srv0 egress)"
	nb_is srv0 ingress 'nb_in_a nb_in_b'
	nb_is srv0 egress 'nb_out_a nb_out_b'
	counts=$(nb_count nb_in_b) name=$(nb_count nb_out_b)
	passes 3
	(($(nb_count nb_in_b) >= counts + 6 && $(nb_count nb_out_b) >= name + 6)) || fail "they see no more"
}

# They end the hook, which is theirs to do. One was there before us, and one comes to stand before us.
case_neighbours_ahead() {
	lab_up one
	lab_coturn
	nb_load nb_old ok
	nb_put nb_old srv0 egress first
	attach --heartbeat 300ms
	nb_is srv0 egress 'turn_egress nb_old'
	call
	passes 1
	offloaded
	content
	nb_load nb_new ok
	nb_put nb_new srv0 egress first
	nb_is srv0 egress 'nb_new turn_egress nb_old'
	nb_told nb_new srv0
	mark
	flows 300                                    # the server's packets are not seen: no twin, no proof
	lab_wait 60 nb_becomes suspended || fail "still offloaded: $(channel)"
	counted '.heartbeats <= 8 and .events.suspended >= 2 and .events.confirmed == 0'
	server_relays 10
	holds "the channel" "$(channel)" '.to_peer, .to_client | .state == "suspended" and .reason == "unconfirmed"'
	t client d "$LAB_ID-client" "$LAB_CLIENT_IP" "$LAB_SERVER_IP:$LAB_PORT"
	t allocate d                                 # nor is anything learned
	t bind d 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
	t up d 0x4000 p 3 100
	has_channels 1 || fail "$(channels) channels, not 1"
	survived "a TC program before turn_egress ends the hook: nothing stays offloaded" "$LOST" "$WRONG" "3 heartbeats"
	ctl attach srv0
	lab_wait 30 nb_is_order srv0 'turn_egress nb_new nb_old' || fail "the order: $(nb_hook srv0 egress)"
	lab_wait 60 nb_becomes offloaded || fail "relays no more: $(channel)"
	relays_again
	content
	detach
	lab_wait 30 nb_programs_gone || fail "left: $(nb_hook srv0 egress)"
	nb_is srv0 egress 'nb_new nb_old'
	passes 3
}
nb_is_order() { [[ $(nb_hook "$1" egress) == "$2" ]]; }

# It sends what the server sends to the peer out by srv2, which the peer takes in as well.
nb_redirector() { # NAME DEV
	local device
	ip -n "$LAB_ID-peer" link set peer1 address "$(ip -n "$LAB_ID-peer" -j link show dev peer0 | jq -r '.[0].address')"
	for device in all peer0 peer1; do lab_in peer sysctl -qw "net.ipv4.conf.$device.rp_filter=0"; done
	nb_load "$1" redirect "$2" "$LAB_PEER_PORT"
}
nb_to_peer() { channel | jq -e ".to_peer | $1"; }
nb_up_is() { # FILTER
	tries up c 0x4000 p 1 100
	nb_to_peer "$1"
}
case_neighbours_redirects_elsewhere() {
	local seen beats
	lab_up paths
	LAB_DEVICES=(srv0 srv1)
	lab_coturn
	attach --heartbeat 300ms
	nb_redirector nb_away srv2
	call
	passes 1
	offloaded
	content
	nb_put nb_away srv1 egress first
	nb_told nb_away srv1
	beats=$(channel | jq .to_peer.heartbeats)
	flows 100
	lab_wait 60 nb_up_is '.state == "suspended" and .reason == "unconfirmed"' || fail "still offloaded: $(channel)"
	holds "its heartbeats until then" "$(channel)" ".to_peer.heartbeats <= $beats + 4"
	mark
	seen=$(nb_count nb_away)
	t up c 0x4000 p 10 100
	holds "by the other device" "$A" '.got == 10 and .wrong == 0'
	counted '.up == 0 and .stack >= 10'
	(($(nb_count nb_away) >= seen + 10)) || fail "they went another way"
	survived "a TC program before turn_egress redirects to a device that is not attached" "$LOST" "$WRONG" "3 heartbeats"
	ctl attach srv2 "${fused[@]}"                # with sight where they leave, the proof is there, and their way known
	lab_wait 60 nb_up_is '.state == "offloaded" and .device == "srv2"' || fail "not by srv2: $(channel)"
	nb_told nb_away srv1
	mark
	flows 100
	counted '.up > 0 and .down > 0'
	ctl attach srv1
	lab_wait 30 nb_is_order srv1 'turn_egress nb_away' || fail "the order: $(nb_hook srv1 egress)"
	lab_wait 60 nb_up_is '.state == "offloaded" and .device == "srv1"' || fail "not by srv1: $(channel)"
	relays_again
	content
}

# What it sends out by the same device goes through the hook a second time, and on to us.
case_neighbours_redirects_to_itself() {
	local seen
	lab_up paths
	LAB_DEVICES=(srv0 srv1)
	lab_coturn
	attach --heartbeat 300ms
	nb_redirector nb_round srv1
	call
	passes 1
	offloaded
	nb_put nb_round srv1 egress first
	nb_told nb_round srv1
	seen=$(nb_count nb_round)
	mark
	flows 300
	(($(nb_count nb_round) >= seen + 2)) || fail "it has seen nothing"
	lab_wait 60 nb_up_is '.state == "offloaded" and .device == "srv1"' || fail "not offloaded: $(channel)"
	counted '.events.confirmed > 0 and .up > 0 and .down > 0'
	ctl attach srv1
	relays_again
	content
}

# ---- filters and qdiscs -------------------------------------------------------------------------

# nb_filter HOOK PREF WORDS…: a filter of a kind that the kernel may lack
nb_filter() {
	local hook=$1 pref=$2; shift 2
	on_server tc filter add dev srv0 "$hook" pref "$pref" protocol ip "$@" 2>"$LAB_TMP/tc" ||
		echo "no $*: $(<"$LAB_TMP/tc")"
}
# all that is theirs on srv0
nb_theirs() {
	on_server tc qdisc show dev srv0
	on_server tc filter show dev srv0 ingress
	on_server tc filter show dev srv0 egress
}
# preference and kind; u32 shows the keys of all its filters of a qdisc with each
nb_prefs() { on_server tc filter show dev srv0 "$1" | sed -n 's/.*\(pref [0-9]* [a-z0-9]*\) .*/\1/p' | sort -u; }
nb_still() { [[ $(nb_theirs) == "$1" ]] || fail "$(diff <(echo "$1") <(nb_theirs))"; }
case_neighbours_filters() {
	local hook before ingress drops=''
	lab_up one
	lab_coturn
	on_server tc qdisc add dev srv0 clsact
	for hook in ingress egress; do
		nb_filter $hook 10 flower ip_proto udp dst_port 9 action drop
		nb_filter $hook 11 matchall action continue
		on_server tc filter add dev srv0 $hook pref 12 protocol ip u32 match u32 0 0 classid 1:1   # and ends it
	done
	[[ $(nb_prefs egress) != *'pref 10 '* ]] || drops=1
	before=$(nb_theirs) ingress=$(nb_prefs ingress)
	attach
	! nb_has_tcx || nb_still "$before"
	call
	passes 1
	relays 5
	nb_filter egress 5 u32 match ip dport 9 0xffff classid 1:2
	on_server tc filter del dev srv0 egress pref 5
	content
	relays 5
	if [[ $drops ]]; then                        # theirs goes on to filter what the server sends
		t peer q "$LAB_ID-peer" "$LAB_PEER_IP:9"
		tries indicate c q 1 100
		holds "what the filter drops" "$A" '.got == 0'
		t peer q "$LAB_ID-peer" "$LAB_PEER_IP:10"
		t indicate c q 1 100
		holds "what it does not" "$A" '.got == 1 and .wrong == 0'
	fi
	detach
	nb_still "$before"
	attach
	on_server tc filter del dev srv0 egress      # all of them, whose they may be
	if nb_has_tcx; then
		content
	else
		troubled "srv0: turn_egress is not at TC egress, .*'turnctl -i $instance attach srv0' puts it back"
		ctl attach srv0
		content
	fi
	detach
	[[ $(nb_prefs ingress) == "$ingress" ]] || fail "of $ingress at ingress are left: $(nb_prefs ingress)"
	[[ $(on_server tc qdisc show dev srv0) == *clsact* ]] || fail "clsact, which was not ours, is gone"
	passes 3
}

nb_root() { on_server tc qdisc show dev srv0 | grep -v ' clsact '; }
case_neighbours_qdiscs() {
	local kind before
	lab_up one
	lab_coturn
	on_server tc qdisc replace dev srv0 root handle 1: htb default 10 || skip "needs htb"
	on_server tc class add dev srv0 parent 1: classid 1:10 htb rate 10gbit quantum 60000
	before=$(nb_root)
	attach
	[[ $(nb_root) == "$before" ]] || fail "attach has changed it: $(nb_root)"
	call
	passes 1
	relays 5
	content
	for kind in fq pfifo sfq htb; do             # whatever of it the kernel has
		on_server tc qdisc replace dev srv0 root handle 2: $kind || { echo "no $kind"; continue; }
		passes 2
		relays 5
		content
		on_server tc qdisc del dev srv0 root
	done
	on_server tc qdisc replace dev srv0 root handle 3: pfifo limit 77
	before=$(nb_root)
	ctl attach srv0
	[[ $(nb_root) == "$before" ]] || fail "attach has changed it: $(nb_root)"
	detach
	[[ $(on_server tc qdisc show dev srv0) == "$before" ]] || fail "detach has changed it: $(on_server tc qdisc show dev srv0)"
	attach                                       # the relayed go past it
	relays_anew
	content
}

# ---- what leaves no room, where turn_egress must be a filter ---------------------------------------

# nb_in_the_way PATTERN: attach is refused, where there is no tcx; else it goes on, works, and comes off
nb_in_the_way() {
	local before
	before=$(nb_theirs)
	if nb_has_tcx; then
		attach
		nb_still "$before"
		relays_anew
		content
		detach
	else
		attach_refused 1 "$1" srv0
		attach_refused 1 "$1" srv0 --dry-run
	fi
	nb_still "$before"
}
case_neighbours_in_the_way() {
	lab_up one
	lab_coturn
	ends
	on_server tc qdisc add dev srv0 ingress
	on_server tc filter add dev srv0 ingress pref 10 protocol ip u32 match u32 0 0 classid 1:1
	doctor_says "$(nb_has_tcx && echo 4 || echo 1)" srv0
	doctor_only 1 filter                         # its filters are at ingress alone
	nb_has_tcx || doctor_has problem programs srv0 "qdisc 'ingress' where turn_egress needs clsact"
	nb_in_the_way "srv0 has the qdisc 'ingress' where turn_egress needs clsact, .*'tc qdisc del dev srv0 ingress' removes it"
	on_server tc qdisc del dev srv0 ingress
	on_server tc qdisc add dev srv0 egress_block 77 clsact
	on_server tc filter add block 77 pref 10 protocol ip u32 match u32 0 0 classid 1:1
	nb_in_the_way "the egress filters of srv0 are block 77, which devices can share, .*'tc qdisc del dev srv0 clsact'"
	on_server tc qdisc del dev srv0 clsact
	on_server tc qdisc add dev srv0 clsact
	on_server tc filter add dev srv0 egress pref 1 protocol ip u32 match u32 0 0 classid 1:1
	nb_in_the_way "srv0 has a filter of kind 'u32' at TC egress, preference 1, .*'tc filter del dev srv0 egress pref 1'"
	on_server tc filter del dev srv0 egress
	nb_load nb_first ok
	on_server tc filter add dev srv0 egress protocol all pref 1 handle 0x7475 bpf direct-action pinned "$(nb_pin nb_first)"
	nb_in_the_way "srv0 has a filter of kind 'bpf' at TC egress, preference 1, with its handle, .*'tc filter del dev srv0 egress pref 1'"
	on_server tc filter del dev srv0 egress
	attach                                       # as told
	relays_anew
	content
	detach
	[[ $(on_server tc qdisc show dev srv0) == *clsact* ]] || fail "clsact, which was not ours, is gone"
}

# The clsact qdisc that we have made is theirs once they use it.
case_neighbours_uses_our_clsact() {
	local before
	lab_up one
	! nb_has_tcx || skip "needs a kernel before tcx"
	before=$(nb_theirs)
	attach
	[[ $(on_server tc qdisc show dev srv0) == *clsact* ]] || fail "no clsact"
	detach
	nb_still "$before"                           # ours alone: gone
	attach
	on_server tc filter add dev srv0 ingress pref 10 protocol ip u32 match u32 0 0 classid 1:1
	detach
	[[ $(nb_prefs ingress) == *'pref 10 u32'* ]] || fail "their filter has gone with our qdisc"
	[[ ! $(on_server tc filter show dev srv0 egress) ]] || fail "left: $(on_server tc filter show dev srv0 egress)"
}

# ---- netfilter ----------------------------------------------------------------------------------

nb_rules() { on_server nft -s list ruleset; }
# nb_matched COMMENT: how many packets the rule has seen
nb_matched() { on_server nft -j list ruleset | jq "[.nftables[].rule | select(.comment == \"$1\") | .expr[].counter.packets // empty] | add"; }
case_neighbours_nftables() {
	local before known
	command -v nft >/dev/null || skip "needs nftables"
	lab_up one
	on_server nft -f - <<-END || skip "needs nftables and conntrack in the kernel"
		table inet nb {
			chain in {
				type filter hook input priority 0; policy drop;
				iif lo accept
				ct state established,related counter accept comment "known"
				ct state invalid counter drop comment "invalid"
				udp dport { $LAB_PORT, ${LAB_RELAY_PORTS[0]}-${LAB_RELAY_PORTS[1]} } ct state new counter accept comment "new"
				meta l4proto icmp accept
			}
			chain out {
				type filter hook output priority 0; policy drop;
				oif lo accept
				ct state new,established,related counter accept comment "sent"
			}
		}
	END
	before=$(nb_rules)
	lab_coturn
	attach --heartbeat 300ms
	call
	passes 1
	offloaded
	mark
	flows 100
	counted '.up > 0 and .down > 0 and .heartbeats > 0'
	content
	(($(nb_matched known) > 0 && $(nb_matched new) > 0 && $(nb_matched sent) > 0)) || fail "$(on_server nft list ruleset)"
	known=$(nb_matched known)
	(($(nb_matched invalid) == 0)) || fail "conntrack finds packets invalid: $(on_server nft list ruleset)"
	[[ $(nb_rules) == "$before" ]] || fail "$(diff <(echo "$before") <(nb_rules))"
	# a rule against what the client sends: relayed packets do not meet it, but heartbeats do
	on_server nft insert rule inet nb in ip saddr "$LAB_CLIENT_IP" udp dport "$LAB_PORT" counter drop
	mark
	tell stream c 0x4000 p 300 10
	hear
	lab_wait 60 nb_up_is '.state == "suspended" and .reason == "unconfirmed"' || fail "still offloaded: $(channel)"
	mark
	t push c 0x4000 10 100
	soon_counted '.passed_total == 10'
	counted '.up == 0'
	on_server nft -a list chain inet nb in | sed -n "s/.*saddr $LAB_CLIENT_IP.* # handle //p" |
		{ read -r known; on_server nft delete rule inet nb in handle "$known"; }
	lab_wait 60 nb_becomes offloaded || fail "relays no more: $(channel)"
	[[ $(nb_rules) == "$before" ]] || fail "$(diff <(echo "$before") <(nb_rules))"
	detach
	[[ $(nb_rules) == "$before" ]] || fail "$(diff <(echo "$before") <(nb_rules))"
	passes 3
}
