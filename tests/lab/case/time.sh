# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # words.sh's; jq's $variables are not the shell's
# Time: what the server grants ends by itself, and the settings that say how long that is.

# seconds: short, but long enough for what a case does meanwhile on an emulated CPU
lifetime() { [[ $install == --fused ]] && echo 2 || echo 8; }

# granted COTURN'S-OPTION… -- KEY…: a server that grants so little, and turnctl told so. Heartbeats are a minute apart
granted() {
	local life options=()
	life=$(lifetime)
	while [[ $1 != -- ]]; do options+=("--$1=$life"); shift; done
	lab_up one
	lab_coturn "${options[@]}"
	attach
	for key in "${@:2}"; do ctl config set "$key" "$life"; done
	ends
	t allocate c
	t bind c 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
}

# A packet each way every 10 ms, for a second longer than the lifetime, which has begun: the kernel relays none after its
# end, and what comes then is at the server.
ends_in_time() { # REASON
	local packets=$(($(lifetime) * 100 + 100))
	mark
	t stream c 0x4000 p $packets 10
	holds "client to peer" "$A" '.up.wrong == 0 and .up.dup == 0'
	soon_counted ".up + .down + .heartbeats + .stack == 2 * $packets"
	counted "(.up, .down | . > 20 and . <= $packets - 99) and .heartbeats == 0 and .passed.\"$1\" > 0"
}
# and the next bind begins anew
begins_again() {
	t bind c 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
	passes 1
	offloaded
	relays 3
}

case_channel_lifetime() {
	granted channel-lifetime -- channel-lifetime
	passes 1
	offloaded
	ends_in_time expired-channel
	lab_wait 10 has_channels 0 || fail "the channel is not swept"
	begins_again
}

case_permission_lifetime() {
	granted permission-lifetime -- permission-lifetime
	t permit c "$LAB_PEER_IP"                    # coturn's ChannelBind grants it for the channel's lifetime
	passes 1
	offloaded
	ends_in_time expired-permission
	begins_again
}

# for all channels to that address, and without a heartbeat
case_permission_shortened() {
	granted permission-lifetime --
	t peer q "$LAB_ID-peer" "$LAB_PEER_IP:3481"
	t bind c 0x4001 "$LAB_PEER_IP:3481"
	t up c 0x4001 q 1 100
	t down q c 0x4001 1 100
	passes 1
	ctl config set permission-lifetime "$(lifetime)"
	relays 3                                     # it was granted before
	t permit c "$LAB_PEER_IP"
	ends_in_time expired-permission
	mark
	t push c 0x4001 5 100
	t throw q c 5 100
	soon_counted '.stack == 10'
	counted '.up == 0 and .down == 0'
}

# renewed COMMAND…: five times within twice the lifetime, and not one packet is left to the server but heartbeats
renewed() {
	local i packets=$(($(lifetime) * 40))
	passes 1
	offloaded
	mark
	for i in {1..5}; do
		t "$@"
		t stream c 0x4000 p $packets 10
		holds "after $i times '$*'" "$A" '.up, .down | .lost == 0 and .wrong == 0 and .dup == 0'
	done
	# one packet in 65536 has the checksum of an offloading sender
	soon_counted ".up + .down + .heartbeats + .passed.\"partial-checksum\" == 10 * $packets"
	counted '.passed_total == .passed."partial-checksum" and .heartbeats <= 12'
}
case_bind_extends() {
	granted channel-lifetime permission-lifetime -- channel-lifetime permission-lifetime
	renewed bind c 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
}
case_permission_extends() {
	granted permission-lifetime -- permission-lifetime
	renewed permit c "$LAB_PEER_IP"
}
case_refresh_extends() {
	granted max-allocate-lifetime --
	holds "the lifetime" "$(ctl -j allocation list)" ".allocations[0].expires_in <= $(lifetime)"
	renewed refresh c 3600
}

case_refresh0_stops_a_thousand_channels() {
	lab_up one
	lab_coturn
	attach
	ends
	t allocate c
	t binds c 0x4000 1000 p
	t each c 0x4000 p
	mark
	t each c 0x4000 p
	holds "each channel" "$A" '.up == 1000 and .down == 1000'
	# one packet in 65536 has the checksum of an offloading sender: it is left to the server, and proves nothing
	counted '.up > 990 and .down > 990 and .up + .down + .heartbeats + .passed_total == 2000'
	mark
	t refresh c 0
	t each c 0x4000 p 0
	soon_counted '.stack >= 2000'
	counted '.up == 0 and .down == 0'
	lab_wait 10 has_channels 0 || fail "$(channels) channels are not swept"
	holds "allocations" "$(ctl -j allocation list)" '.allocations == []'
	counted '.up == 0 and .down == 0 and .events.swept == 1000'
}

# RFC 8656 sections 7.1 and 8.1: REQUESTED-ADDRESS-FAMILY ends that half of an allocation of both
has_ipv6_half() { on_server ss -Haun src '[fd00:7::2]' | grep -q .; }
no_ipv6_half() { ! has_ipv6_half; }
case_refresh0_of_one_family() {
	local end_of='refresh 0x000d=00000000 0x0017'
	lab_up one
	ip -n "$LAB_ID-server" addr add fd00:7::2/64 dev srv0 nodad || skip "needs IPv6"
	lab_coturn --relay-ip fd00:7::2
	attach
	ends
	# ADDITIONAL-ADDRESS-FAMILY; coturn before 4.10 knows it by the draft's number
	t request c allocate 0x0019=11000000 0x8000=02000000 0x8032=02000000
	t bind c 0x4000 "$LAB_PEER_IP:$LAB_PEER_PORT"
	passes 1
	has_ipv6_half || fail "the server has made no IPv6 half"
	relays 3
	t request c "$end_of=02000000"
	relays 3
	lab_wait 10 no_ipv6_half || fail "the server keeps the IPv6 half"
	relays 5
	mark
	t request c "$end_of=01000000"
	t push c 0x4000 5 100
	t throw p c 5 100
	soon_counted '.stack >= 11'
	counted '.up == 0 and .down == 0'
	lab_wait 10 has_channels 0 || fail "the channel is not swept"
}

entries() { bpftool -j map dump pinned "$(echo /sys/fs/bpf/turnctl/"$instance"/abi-*)/$1" | jq length; }
no_entries() { (($(entries turn_flows) + $(entries turn_allocs) + $(entries turn_perms) == 0)); }
case_entries_vanish_with_no_process() {
	granted channel-lifetime max-allocate-lifetime -- channel-lifetime
	passes 1
	offloaded
	kill_server
	! pgrep -f -- "--instance $instance " || fail "some turnctl is at work"
	! no_entries || fail "nothing was there"
	lab_wait 20 no_entries || fail "left: $(entries turn_flows) $(entries turn_allocs) $(entries turn_perms)"
	has_channels 0
}

case_config_set_heartbeat() {
	lab_up one
	lab_coturn
	attach
	ctl config set heartbeat 200ms
	call
	passes 1
	mark
	t stream c 0x4000 p 100 10
	counted '.heartbeats >= 4'
	holds "status" "$(ctl -j status)" '.heartbeat_seconds == 0.2'
	ctl config set heartbeat 60s                 # from each direction's next one on
	mark
	t stream c 0x4000 p 100 10
	counted '.heartbeats <= 2 and .up > 90 and .down > 90'
}

case_config() {
	local key shown
	lab_up two
	gives 3 'nothing is attached' config show
	gives 3 'nothing is attached' config show mode
	gives 3 'nothing is attached' config set heartbeat 1s
	gives 2 'Usage' config
	gives 2 "which key\? 'turnctl -i $instance config show' lists them" config set
	gives 2 "which key\? 'turnctl config show' lists them" --instance default config set
	gives 2 'to which value' config set heartbeat
	gives 2 "'x' is a word too many" config set heartbeat 1s x
	gives 2 "'x' is a word too many" config show mode x
	gives 2 "no key 'x'; it is one of: heartbeat channel-lifetime " config set x 1
	gives 2 "no key 'hea'" config show hea
	gives 2 "mode cannot be changed here; 'turnctl -i $instance attach DEV --mode'" config set mode skb
	for key in 99ms 61s nan -1 '' x 1h; do
		gives 2 "heartbeat '$key' is not a time from 100ms to 60s$" config set -- heartbeat "$key"
	done
	for key in channel permission allocation; do
		gives 2 "$key-lifetime '0' is not a time from 1s to 86400s in whole seconds" config set $key-lifetime 0
		gives 2 "$key-lifetime '86401' is not" config set $key-lifetime 86401
		gives 2 "$key-lifetime '1.5' is not" config set $key-lifetime 1.5
	done
	gives 0 'heartbeat +100ms to 60s ' config set --help
	gives 0 '-j, --json' config show --help
	[[ ! -e /sys/fs/bpf/turnctl/$instance ]] || fail "pins were made"

	attach --heartbeat 2s
	shown=$(ctl config show)
	[[ $shown == "$(sed 's/^\t*//' <<-'EOF'
		KEY                  VALUE   UNIT     SET BY
		heartbeat            2       seconds  config set, attach --heartbeat
		channel-lifetime     600     seconds  config set
		permission-lifetime  300     seconds  config set
		allocation-lifetime  600     seconds  config set
		listen               *:3478  -        attach --listen
		max-channels         16384   -        attach --max-channels
		mode                 native  -        attach --mode
		EOF
	)" ]] || fail "config show says: $shown"
	gives 0 '^$' config set heartbeat 500ms
	gives 0 '^$' config set channel-lifetime 1
	gives 0 '^$' config set permission-lifetime 86400s
	gives 0 '^$' config set allocation-lifetime 77000ms
	gives 0 '^0\.5$' config show heartbeat
	gives 0 '^$' config show external-ip
	holds "config" "$(ctl -j config show)" '.schema == 1 and (.config | map({(.key): .value}) | add) ==
		{"heartbeat": 0.5, "channel-lifetime": 1, "permission-lifetime": 86400, "allocation-lifetime": 77,
		 "listen": "*:3478", "max-channels": 16384, "mode": "native"}'
	holds "config" "$(ctl -j config show mode)" '.config == [{"key": "mode", "value": "native", "set_by": "attach --mode"}]'
	# a lock that another command holds is waited for; reading needs none
	! on_server flock /sys/fs/bpf/turnctl timeout 0.5 "$TURNCTL" -i "$instance" config set heartbeat 9s ||
		fail "config set does not wait for the lock"
	on_server flock /sys/fs/bpf/turnctl timeout 5 "$TURNCTL" -i "$instance" config show >/dev/null || fail "config show waits"
	gives 0 '^0\.5$' config show heartbeat
	detach
	attach --mode skb --listen 3478 --listen 10.7.1.2:443 --external-ip 1.2.3.4/10.7.2.2 --external-ip 1.2.3.5 --max-channels 9
	holds "config" "$(ctl -j config show)" '[.config[] | select(.set_by | startswith("attach")) | .value] ==
		["*:3478", "10.7.1.2:443", "1.2.3.4/10.7.2.2", "1.2.3.5", 9, "skb"] and
		([.config[] | select(.unit) | .value] == [60, 600, 300, 600])'
}
