# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # words.sh's; jq's $variables are not the shell's
# Very many channels, and very busy ones.

# heartbeat_load INTERVAL PHASE…: load.py's, with 20,000 channels; its answer is in $A
heartbeat_load() {
	[[ $install == --fused ]] || skip "an emulated CPU cannot send as much"
	lab_up two
	lab_in peer sysctl -qw net.ipv4.icmp_ratelimit=3600000   # nobody listens at its ports, and it is not to say so
	# shellcheck disable=SC2119
	lab_coturn
	attach --heartbeat "$1" --max-channels 32768
	"$here/load.py" --client "$LAB_ID-client:cli0:$LAB_CLIENT_IP" --peer "$LAB_ID-peer:peer0:$LAB_PEER_IP" \
		--server "$LAB_SERVER_IP:$LAB_PORT" --relay-ip "$LAB_RELAY_IP" --pid "$LAB_COTURN_PID" \
		--out "$LAB_TMP/load" "${@:2}" -- nsenter --net="/run/netns/$LAB_ID-server" -- "$TURNCTL" --instance "$instance"
	A=$(<"$LAB_TMP/load")
	of_load "the counters add up" '.total | (.relayed + .heartbeats + .passed) as $counted | $counted <= .sent and $counted > 0.95 * .sent'
	of_load "what the kernel relays arrives" '.total.arrived >= .total.relayed and .total.arrived <= .total.sent'
}
# of_load SENTENCE FILTER: with the lines of a phase, and sums over some of them
of_load() {
	jq -e 'def of($phase): [.lines[] | select(.phase == $phase)];
		def sum(f): map(f) | add;
		def share: sum(.relayed) / sum(.sent);'"$2" >/dev/null <<<"$A" ||
		fail "$1: not $2; load.py said"$'\n'"$(grep -E '^(phase|warm|normal|slow|silent|after|rest) ' "$output.log")"
}

# Each channel sends two packets a second, and is due for a heartbeat every two: 10,000 a second, of which the server,
# which runs for 2 % of the time, relays some 3,000. How many exactly is the machine's affair, and not asked: without a
# stretch the kernel soon relays next to nothing, since all channels are suspended.
case_heartbeats_overload_the_server() {
	heartbeat_load 2s warm=60 normal=2 slow=20 after=120
	of_load "the server is too slow" 'of("slow") | sum(.sent - .arrived) > 1000'
	of_load "the heartbeats are stretched" 'of("slow") | map(.stretch) | max > 1'
	of_load "the kernel goes on" 'of("slow")[10:] | share > 0.5'
	of_load "the channels stay" 'of("slow")[10:] | all(.[]; .offloaded > 10000)'
	of_load "the server has recovered" 'of("after") | last | .stretch == 1 and .offloaded == 20000'
	survived "20,000 channels, and a server too slow for their heartbeats" "$(jq '.total | .sent - .arrived' <<<"$A")" \
		"$(jq '[.total | .arrived - .sent, 0] | max' <<<"$A")" \
		"$(jq -r '[.lines[] | select(.phase == "slow" and .stretch > 1)][0].at | round' <<<"$A") s"
}

# Three heartbeats without a twin: 3.75 intervals at most, or 5 if they are stretched. An interval is a second, and a
# channel sends two packets in it; so the bound is one in packets, which holds on a slow machine as well (and two more,
# since the sender makes up for what it was late with).
server_falls_silent() { # FAULT PHASE…
	heartbeat_load 1s "${@:2}" silent=60
	of_load "silence" 'of("silent") | last | .relayed == 0 and .offloaded == 0'
	of_load "the bound" 'of("silent") | sum(.relayed) <= 12 * 20000'
	survived "$1" "$(jq '[.lines[] | select(.phase == "silent") | .sent - .arrived] | add' <<<"$A")" \
		"$(jq '[[.lines[] | select(.phase == "silent") | .relayed] | add - 12 * 20000, 0] | max' <<<"$A")" \
		"$(jq '[.lines[] | select(.phase == "silent" and .relayed > 0)] | last.at' <<<"$A") s"
}
case_silent_server_with_many_channels() {
	server_falls_silent "a server falls silent, 20,000 channels" warm=60 normal=2
}
case_silent_server_while_stretched() {
	server_falls_silent "a slow server falls silent, 20,000 channels" warm=60 slow=10
}

# queue_by_cpu NODE DEV…: what a CPU sends goes to the far end's queue of that CPU, so that both receive at once
queue_by_cpu() {
	local dev
	for dev in "${@:2}"; do
		lab_in "$1" ethtool -L "$dev" rx 2 tx 2
		# shellcheck disable=SC2016
		lab_in "$1" unshare -m sh -ec 'mount -t sysfs sysfs /sys
			for i in 0 1; do echo $((1 << i)) >"/sys/class/net/$0/queues/tx-$i/xps_cpus"; done' "$dev"
	done
}

# the packets that each CPU has counted: relayed to peers, to clients, and left as heartbeats
by_cpu() {
	bpftool -j map dump pinned "$(find "/sys/fs/bpf/turnctl/$instance" -name turn_stats)" | jq -c '
		def digit: . - (if . < 58 then 48 else 87 end);
		def number: reverse | reduce (map(.[2:] | explode) | add)[] as $c (0; . * 16 + ($c | digit));
		[.[].values[]] | group_by(.cpu) |
		map([.[].value | .[0:8], .[16:24], .[32:40] | number] | add)'
}

# Frames that hit a known key = relayed + heartbeats + passed. Of SENT (counters.py) and what turnctl has counted,
# by device (in layout one they share it) and by channel.
ADDED_UP='def frames: .to_peer.packets + .to_client.packets + .heartbeats + .passed_total;
	def of_channel: map({key: "\(.client) \(.channel)", value: {
		to_peer: (.to_peer | .packets + .heartbeats + .passed),
		to_client: (.to_client | .packets + .heartbeats + .passed)}}) | from_entries;
	$sent[0] as $s | $stats[0].devices as $d | $channels[0].channels as $c |
	($d | [(map(.to_peer.packets) | add), (map(.to_client.packets) | add), (map(.to_peer.bytes) | add),
		(map(.to_client.bytes) | add), (map(.heartbeats) | add), (map(.passed_total) | add)]) as $by_device |
	($c | [(map(.to_peer.packets) | add), (map(.to_client.packets) | add), (map(.to_peer.bytes) | add),
		(map(.to_client.bytes) | add), (map(.to_peer.heartbeats + .to_client.heartbeats) | add),
		(map(.to_peer.passed + .to_client.passed) | add)]) as $by_channel |
	($s.sent | if ($d | length) == 1 then [.client + .peer] else [.client, .peer] end) as $frames |
	{
		by_device: ([$frames, ($d | map(frames))] | {is: (.[0] == .[1]), sent: .[0], counted: .[1]}),
		by_channel: {is: (($c | of_channel) == $s.flows), off: [$s.flows | to_entries[] |
			select(.value != ($c | of_channel)[.key]) | {sent: ., counted: ($c | of_channel)[.key]}]},
		sums: {is: ($by_device == $by_channel), $by_device, $by_channel},
		senders: {is: ([$s.sent.client, $s.sent.peer] ==
			[([$s.flows[] | .to_peer] | add), ([$s.flows[] | .to_client] | add)])}
	}'
added_up() { # SENT
	ctl -j stats >"$LAB_TMP/stats"
	ctl -j channel list >"$LAB_TMP/channels"
	jq -nc --slurpfile sent "$1" --slurpfile stats "$LAB_TMP/stats" --slurpfile channels "$LAB_TMP/channels" "$ADDED_UP"
}
is_added_up() { added_up "$1" | jq -e 'length == 4 and all(.[]; .is)'; }

counters_add_up() { # LAYOUT
	local dev
	[[ $install == --fused ]] || skip "an emulated CPU cannot send as much"
	(($(nproc) > 1)) || skip "needs two CPUs"
	lab_up "$1"
	queue_by_cpu client cli0
	queue_by_cpu peer peer0
	for dev in "${LAB_DEVICES[@]}"; do queue_by_cpu server "$dev"; done
	[[ $1 != one ]] || queue_by_cpu hub hc hs hp
	# shellcheck disable=SC2119
	lab_coturn
	attach --heartbeat 100ms
	"$here/counters.py" --client "$LAB_ID-client:cli0:$LAB_CLIENT_IP" --peer "$LAB_ID-peer:peer0:$LAB_PEER_IP" \
		--server "$LAB_SERVER_IP:$LAB_PORT" --relay-ip "$LAB_RELAY_IP" >"$LAB_TMP/sent"
	lab_wait 5 is_added_up "$LAB_TMP/sent" || fail "at rest: $(added_up "$LAB_TMP/sent")"
	holds "both CPUs have counted" "$(by_cpu)" 'length >= 2 and (sort | .[-2] > 10000)'
	holds "of the sorts of packets, many" "$(<"$LAB_TMP/stats")" '.devices |
		(map(.heartbeats) | add > 20) and (map(.passed."channel-length") | add > 100) and (map(.passed.mtu) | add > 100)'
	jq -c .sent "$LAB_TMP/sent"; by_cpu; jq -c '.devices[] | del(.events)' "$LAB_TMP/stats"
}
case_counters_add_up_in_layout_one() { counters_add_up one; }
case_counters_add_up_in_layout_two() { counters_add_up two; }
