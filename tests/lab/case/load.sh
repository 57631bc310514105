# shellcheck shell=bash disable=SC2016,SC2034,SC2154  # words.sh's; jq's $variables are not the shell's
# Very many channels, and very busy ones.

# heartbeat_load INTERVAL [OPTION…] PHASE…: load.py's, with 20,000 channels; its answer is in $A
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
	jq -c .total <<<"$A"
}

# Each channel sends two packets a second, and is due for a heartbeat every two: 10,000 a second, of which the server,
# which runs for 2 % of the time, relays some 3,000.
case_heartbeats_overload_the_server() {
	heartbeat_load 2s warm=10 normal=2 slow=20 after=25
	[[ -z ${SHOW-} ]] || fail "shown: $(cat "$output.log")"
}

case_silent_server_with_many_channels() {
	heartbeat_load 1s warm=10 normal=2 silent=10 after=15
	[[ -z ${SHOW-} ]] || fail "shown: $(cat "$output.log")"
}

case_silent_server_while_stretched() {
	heartbeat_load 1s warm=10 slow=10 silent=10 after=15
	[[ -z ${SHOW-} ]] || fail "shown: $(cat "$output.log")"
}
