# shellcheck shell=bash disable=SC2016,SC2034,SC2154  # words.sh's; jq's $variables are not the shell's
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
	of_load "the counters add up" '.total.sent == .total.relayed + .total.heartbeats + .total.passed'
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
# which runs for 2 % of the time, relays some 3,000. Without a stretch the kernel could relay 75 % at best.
case_heartbeats_overload_the_server() {
	heartbeat_load 2s warm=10 normal=2 slow=20 after=45
	of_load "the server is too slow" 'of("slow")[:2] | sum(.sent - .arrived) > 5000'
	of_load "the heartbeats are stretched" 'of("slow") | map(.stretch) | max > 1'
	of_load "the kernel recovers" 'of("slow")[10:] | share >= 0.9 and all(.[]; .relayed / .sent >= 0.8)'
	of_load "the channels stay" 'of("slow")[10:] | all(.[]; .offloaded >= 19000)'
	of_load "the server has recovered" 'of("after") | last | .stretch == 1 and .offloaded == 20000'
	survived "20,000 channels, and a server too slow for their heartbeats" "$(jq '.total | .sent - .arrived' <<<"$A")" \
		"$(jq '[.total | .arrived - .sent, 0] | max' <<<"$A")" \
		"$(jq -r '[.lines[] | select(.phase == "slow" and .stretch > 1)][0].at | round' <<<"$A") s"
}

# Three heartbeats without a twin: 3.75 s at most, as far as packets come that are missed, two a second; and 1 s, since
# it is only looked at now and then.
server_falls_silent() { # FAULT PHASE…
	heartbeat_load 1s "${@:2}" silent=9
	of_load "silence" 'of("silent") | (map(select(.at > 5.25)) | all(.[]; .relayed == 0)) and last.offloaded == 0'
	survived "$1" "$(jq '[.lines[] | select(.phase == "silent") | .sent - .arrived] | add' <<<"$A")" \
		"$(jq '[.lines[] | select(.phase == "silent" and .at > 5.25) | .relayed] | add // 0' <<<"$A")" \
		"$(jq '[.lines[] | select(.phase == "silent" and .relayed > 0)] | last.at' <<<"$A") s"
}
case_silent_server_with_many_channels() {
	server_falls_silent "a server falls silent, 20,000 channels" warm=10 normal=2
}
case_silent_server_while_stretched() {
	server_falls_silent "a slow server falls silent, 20,000 channels" warm=10 slow=10
}
