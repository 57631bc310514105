# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # words.sh's; jq's $variables are not the shell's
# What relayed packets miss, and whether a device would do: turnctl doctor.

# doctor_says CODE ARG…: it exits with CODE; its document is in $DOC
doctor_says() {
	local code=$1 got=0; shift
	DOC=$(ctl -j doctor "$@" 2>"$LAB_TMP/doctor.err") || got=$?
	((got == code)) || fail "'turnctl doctor $*' gives exit code $got, not $code: $DOC $(<"$LAB_TMP/doctor.err")"
}
# doctor_has LEVEL TOPIC OBJECT [REGEX]: one finding is so, in its text or next step
doctor_has() {
	jq -e --arg level "$1" --arg topic "$2" --arg object "$3" --arg text "${4-}" '.findings | any(.level == $level and
		.topic == $topic and .object == $object and (.text + " " + (.next // "") | test($text)))' \
		>/dev/null <<<"$DOC" || fail "doctor has no $1, $2, of $3${4+ like '$4'}: $(jq -c .findings <<<"$DOC")"
}
# doctor_only COUNT TOPIC…: so many findings have one of these topics, whatever their level
doctor_only() {
	local is count=$1; shift
	is=$(jq '[.findings[] | select(.topic | IN($ARGS.positional[]))] | length' --args "$@" <<<"$DOC")
	((is == count)) || fail "doctor has $is of $*, not $count: $(jq -c .findings <<<"$DOC")"
}
doctor_nft() { on_server nft -f -; }
doctor_needs_nft() {
	command -v nft >/dev/null || skip "needs nft"
	unshare -n nft list ruleset >/dev/null 2>&1 || skip "needs a kernel with nf_tables"
}
# before an attach a kernel that cannot chain is a warning
doctor_unchained() { if [[ $install == --chain ]]; then echo "$1"; else echo "$2"; fi; }

case_doctor_before_attach() {
	lab_up one
	doctor_says "$(doctor_unchained 0 4)" srv0
	holds "the document" "$DOC" '.schema == 1 and .instance == "'"$instance"'"'
	doctor_has ok kernel kernel '^Linux '
	doctor_has "$(doctor_unchained ok warning)" chain kernel "$(doctor_unchained 'can chain' '--fused')"
	holds "native mode" "$DOC" '.findings | any(.topic == "native" and .object == "srv0" and (.level == "ok" or .level == "note"))'
	doctor_has ok programs srv0
	doctor_has ok qdisc srv0 noqueue
	doctor_has ok nftables nftables
	doctor_says "$(doctor_unchained 0 4)"
	doctor_has note device "$instance" 'doctor DEV'
	on_server ip link set srv0 mtu 9000
	doctor_says 4 srv0
	doctor_has warning mtu srv0 9000
	on_server ip link set srv0 mtu 1500
	on_server ip link set srv0 down
	doctor_says 1 srv0
	doctor_has problem native srv0 'down'
	on_server ip link set srv0 up
	doctor_says 1 lo
	doctor_has problem native lo Ethernet
	gives 1 "^turnctl: nosuchdev: no such device; see 'ip link'$" doctor nosuchdev
	gives 1 "no such device" doctor srv0 nosuchdev
	gives 2 'relay-ports is not LOW-HIGH' doctor --relay-ports 5 srv0
	gives 2 'relay-ports is not LOW-HIGH' doctor --relay-ports 9-5 srv0
	gives "$(doctor_unchained 0 4)" '^ok +kernel: Linux ' doctor srv0
	cp "$TURNCTL" "$LAB_TMP/turnctl"
	chmod 755 "$LAB_TMP"
	as_nobody 1 'only root can see' doctor srv0
	[[ ! -e /sys/fs/bpf/turnctl/$instance ]] || fail "doctor left pins"
}

# a program that no dispatcher runs
case_doctor_program_in_the_way() {
	local object
	lab_up one
	object=$(compgen -G '/usr/lib/*/bpf/xdpdump_xdp.o') || skip "needs xdpdump's program"
	on_server ip link set dev srv0 xdp obj "${object%%$'\n'*}" sec xdp || skip "needs an ip that loads xdpdump's program"
	doctor_says 1 srv0
	doctor_has problem programs srv0 "XDP program 'xdpdump'"
	on_server ip link set dev srv0 xdp off
	doctor_says "$(doctor_unchained 0 4)" srv0
	doctor_has ok programs srv0
}

case_doctor_attached() {
	lab_up two
	attach
	doctor_says 0
	doctor_has ok attached srv0 client
	doctor_has ok attached srv1 relay
	doctor_only 2 attached
	doctor_says 0 srv1
	doctor_only 1 attached
	ip -n "$LAB_ID-peer" link set peer0 down      # whatever status finds
	doctor_says 1
	doctor_has problem attached srv1 'status --check'
	ip -n "$LAB_ID-peer" link set peer0 up
	lab_wait 20 carriers || fail "no carrier"
	doctor_says 0
	if [[ $install == --chain ]]; then on_server xdp-loader unload srv1 --all; else on_server ip link set dev srv1 xdp off; fi
	doctor_says 1
	doctor_has ok attached srv0
	doctor_has problem attached srv1 'status --check'
	doctor_says 0 srv0
}

case_doctor_xdp_behind() {
	on_chain
	lab_up one
	on_server xdp-filter load srv0 --mode native
	LAB_AT_EXIT+=("on_server xdp-filter unload srv0")
	doctor_says 0 srv0
	doctor_has ok before srv0 "'xdpfilt"
	attach
	doctor_says 0
	doctor_has ok before srv0 "'xdpfilt"
	doctor_only 0 behind
	detach
	attach --prio 5
	doctor_says 4
	doctor_has warning behind srv0 "'xdpfilt.*smaller priority"
	doctor_only 0 before
}

# Doctor's claim, tried: it names the rule that counts a client's packets, which then counts none that is relayed. And
# rules that could not have matched are not named.
doctor_counted() { on_server nft -j list chain inet lab incoming | jq '[.nftables[] | .rule?.expr[]? | .counter?.packets? // empty] | add'; }
case_doctor_rules_that_relayed_packets_miss() {
	local is
	doctor_needs_nft
	started two
	doctor_says 0
	doctor_has ok nftables nftables
	doctor_nft <<-EOF
		table inet lab {
			set friends { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 } ; }
			chain incoming {
				type filter hook input priority 0; policy accept;
				tcp dport $LAB_PORT counter drop
				udp dport 3479 counter drop
				iifname "srv9" counter drop
				ip daddr 192.0.2.9 counter drop
				ip daddr @friends drop
				ip6 nexthdr udp counter drop
				ct state new udp dport $LAB_PORT accept
				udp dport 53-67 jump further
				udp dport $LAB_PORT counter accept
			}
			chain further {
				counter drop
			}
			chain away {
				type filter hook output priority 0; policy accept;
				udp sport 53 counter
				oifname "srv9" udp sport $LAB_PORT counter
			}
			chain through {
				type filter hook forward priority 0; policy drop;
				udp dport $LAB_PORT counter drop
			}
		}
		table netdev lab {
			chain elsewhere {
				type filter hook ingress device "lo" priority 0;
				udp dport $LAB_PORT counter drop
			}
		}
	EOF
	doctor_says 4
	doctor_has warning rule 'inet lab incoming' "'udp dport $LAB_PORT counter accept' would count packets from clients;"
	doctor_only 1 rule policy
	t bind c 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"     # to connection tracking, which begins only now, it is new
	t bind c 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
	(($(doctor_counted) > 0)) || fail "the rule does not count what comes to the server"
	is=$(doctor_counted)
	relays 20
	(($(doctor_counted) == is)) || fail "the rule counts $(doctor_counted), not $is: relayed packets, too?"
	doctor_nft <<-EOF
		flush ruleset
		table inet lab {
			set foes { type ipv4_addr; flags timeout; }
			chain in {
				type filter hook input priority 0; policy accept;
				ip saddr @foes drop
				iifname { "srv0", "eth*" } meta l4proto { tcp, udp } th dport { 80, 3000-4000 } limit rate over 9/second drop
				udp dport 51000-51999 log prefix "relayed "
			}
			chain out {
				type route hook output priority 0; policy accept;
				udp sport $LAB_PORT ip dscp set cs1 meta mark set 7
			}
		}
		table netdev lab {
			chain here {
				type filter hook ingress device "srv1" priority 0;
				udp dport >= 49152 counter
			}
		}
	EOF
	doctor_says 4
	doctor_has warning rule 'inet lab in' "@foes drop' may drop packets from clients and from peers;"
	doctor_has warning rule 'inet lab in' "9/second.* would drop and limit packets from clients;"
	doctor_has warning rule 'inet lab in' "relayed .* may log packets from peers;"
	doctor_has warning rule 'inet lab out' "would mark packets to clients;"
	doctor_has warning rule 'netdev lab here' "may count packets from peers;"
	doctor_only 5 rule policy
	holds "the rules" "$DOC" '.findings | map(select(.topic == "rule")) | all(.handle > 0)'
	doctor_says 4 --relay-ports 51000-51999
	doctor_has warning rule 'inet lab in' "relayed .* would log packets from peers;"
	for is in 20000-29999 60000-60999; do     # beyond them there is one in use
		doctor_says 4 --relay-ports "$is"
		doctor_has warning rule 'inet lab in' "relayed .* may log packets from peers;"
	done
	doctor_says 4 srv0
	doctor_only 4 rule
	on_server nft flush ruleset
	doctor_says 0
	passes 1
}

case_doctor_policy() {
	doctor_needs_nft
	lab_up two
	attach
	doctor_nft <<-EOF
		table inet lab {
			chain in {
				type filter hook input priority 0; policy drop;
				iifname "lo" accept
				tcp dport 22 accept
			}
			chain through {
				type filter hook forward priority 0; policy drop;
			}
		}
	EOF
	doctor_says 4
	doctor_has warning policy 'inet lab in' 'packets from clients and from peers,'
	doctor_only 1 rule policy
	on_server nft add rule inet lab in udp dport "$LAB_PORT" accept
	doctor_says 4
	doctor_has warning policy 'inet lab in' 'packets from peers,'
	on_server nft add rule inet lab in udp dport 49152-65535 accept
	doctor_says 0
	doctor_only 0 rule policy tracking
	on_server nft flush chain inet lab in
	on_server nft add rule inet lab in ct state established,related accept
	doctor_says 0
	doctor_has note tracking 'inet lab in' "established,related accept"
	doctor_only 0 rule policy
}

case_doctor_nat() {
	doctor_needs_nft
	lab_up two
	attach
	doctor_nft <<-EOF
		table ip lab {
			chain post {
				type nat hook postrouting priority 100;
				oifname "wan9" masquerade
				ip saddr 192.0.2.0/24 masquerade
			}
		}
	EOF
	doctor_says 0
	on_server nft add rule ip lab post oifname '"srv1"' masquerade
	on_server nft add chain ip lab pre '{ type nat hook prerouting priority -100; }'
	on_server nft add rule ip lab pre tcp dport "$LAB_PORT" redirect to :99
	on_server nft add rule ip lab pre udp dport "$LAB_PORT" redirect to :99
	doctor_says 4
	doctor_has warning rule 'ip lab post' "'oifname \"srv1\" masquerade' may translate packets to peers;"
	doctor_has warning rule 'ip lab pre' "'udp dport $LAB_PORT redirect to :99' would translate packets from clients;"
	doctor_only 2 rule policy
}

case_doctor_iptables() {
	[[ $(iptables -V 2>/dev/null) == *nf_tables* ]] || skip "needs iptables-nft"
	doctor_needs_nft
	lab_up two
	attach
	on_server iptables -A INPUT -p udp --dport "$LAB_PORT" -j ACCEPT || skip "needs a kernel with nft_compat"
	on_server iptables -I INPUT -p tcp --dport "$LAB_PORT" -j DROP
	on_server iptables -I INPUT -i srv9 -j DROP
	doctor_says 0
	on_server iptables -I INPUT -p udp --dport "$LAB_PORT" -m limit --limit 5/s -j DROP
	on_server iptables -I INPUT -p udp -m multiport --dports 53,67 -j DROP
	on_server iptables -t mangle -A OUTPUT -p udp --sport "$LAB_PORT" -j DSCP --set-dscp 8
	doctor_says 4
	doctor_has warning rule 'ip filter INPUT' "limit.* would drop and limit packets from clients;"
	doctor_has warning rule 'ip filter INPUT' "53, 67.* may drop packets from clients and from peers;"
	doctor_has warning rule 'ip mangle OUTPUT' "would mark packets to clients;"
	doctor_only 3 rule policy
	doctor_only 0 iptables
	on_server nft flush ruleset
	on_server iptables-legacy -t filter -L -n >/dev/null 2>&1 || true
	[[ $(on_server cat /proc/self/net/ip_tables_names 2>/dev/null) ]] || return 0     # a kernel without them
	doctor_says 0
	doctor_has note iptables iptables-legacy 'filter'
}

# it is not linked, and may be missing
case_doctor_without_libnftables() {
	local library got=0
	doctor_needs_nft
	library=$(ldconfig -p | awk '$1 == "libnftables.so.1" && !n++ { print $NF }')
	[[ $library ]] || skip "needs libnftables"
	lab_up one
	attach
	ctl_without() { on_server unshare -m bash -c 'mount --bind /dev/null "$1" && shift && exec "$@"' - "$(readlink -f "$library")" \
		"$TURNCTL" --instance "$instance" -j doctor; }
	DOC=$(ctl_without) || fail "without tables, without libnftables: $DOC"
	doctor_has ok nftables nftables
	on_server nft add table inet lab
	doctor_says 0
	DOC=$(ctl_without) || got=$?
	((got == 4)) || fail "exit code $got without libnftables: $DOC"
	doctor_has warning nftables nftables 'libnftables.so.1.*install libnftables'
}

case_doctor_queues() {
	local hook
	lab_up two
	attach
	doctor_says 0
	doctor_has ok qdisc srv0 noqueue
	on_server tc qdisc add dev srv1 root tbf rate 100mbit burst 100k latency 10ms || skip "needs a kernel with tbf"
	doctor_says 4
	doctor_has warning qdisc srv1 'tbf'
	doctor_has ok qdisc srv0 noqueue
	on_server tc qdisc replace dev srv1 root handle 7: htb
	doctor_says 4
	doctor_has warning qdisc srv1 'htb \(7:\)'
	on_server tc qdisc del dev srv1 root
	doctor_says 0
	if on_server tc qdisc replace dev srv1 root fq 2>/dev/null; then
		doctor_says 0
		doctor_has ok qdisc srv1 fq
		on_server tc qdisc replace dev srv1 root fq maxrate 1mbit
		doctor_says 4
		doctor_has warning qdisc srv1 fq
		on_server tc qdisc del dev srv1 root
		doctor_says 0
	fi
	on_server tc qdisc add dev srv0 clsact 2>/dev/null || true
	for hook in ingress egress; do
		on_server tc filter add dev srv0 "$hook" pref 9 protocol ip u32 match ip protocol 17 0xff flowid :1 ||
			skip "needs a kernel with cls_u32"
		doctor_says 4
		doctor_has warning filter srv0 "u32 \(preference 9\) at $hook"
		doctor_only 1 filter
		on_server tc filter del dev srv0 "$hook" pref 9
		doctor_says 0
	done
}
