# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154  # words.sh's; jq's $variables are not the shell's
# Beside a firewall.

order() { ctl -j status | jq -c '[.devices[0].programs[] | if .ours then .name else "other" end]'; }
FOUR='"turn_cli2rem","turn_rem2cli","turn_stun","turn_heartbeat"'
filter_saw() { on_server xdp-filter status | awk -v n="$1" -v a="$LAB_CLIENT_IP" '$1 == a && $NF >= n { ok = 1 } END { exit !ok }'; }

case_firewall_before() {
	on_chain
	lab_up one
	on_server xdp-filter load srv0 --mode native
	LAB_AT_EXIT+=("on_server xdp-filter unload srv0")
	lab_coturn
	attach
	call
	passes 1
	relays 5
	[[ $(order) == "[\"other\",$FOUR]" ]] || fail "order: $(order)"
	on_server xdp-filter ip -m src "$LAB_CLIENT_IP"
	mark
	t push c 0x4000 20 100
	lab_wait 30 filter_saw 20 || fail "$(on_server xdp-filter status)"
	counted '.up == 0 and .passed_total == 0 and .stack == 0'
	t got p
	holds "at the peer" "$A" '.packets == 0'
	on_server xdp-filter ip -r -m src "$LAB_CLIENT_IP"
	relays 5
	detach
	on_server xdp-loader status srv0 >"$LAB_TMP/left"
	if ! grep -q xdpfilt "$LAB_TMP/left" || grep -q turn_ "$LAB_TMP/left"; then fail "$(<"$LAB_TMP/left")"; fi
	passes 3
	on_server xdp-filter ip -m src "$LAB_CLIENT_IP"
	t push c 0x4000 20 100
	lab_wait 30 filter_saw 20 || fail "it filters no more: $(on_server xdp-filter status)"
}

case_firewall_comes_and_goes() {
	on_chain
	started one
	[[ $(order) == "[$FOUR]" ]] || fail "order: $(order)"
	on_server xdp-filter load srv0 --mode native
	LAB_AT_EXIT+=("on_server xdp-filter unload srv0")
	[[ $(order) == "[\"other\",$FOUR]" ]] || fail "order with xdp-filter: $(order)"
	relays 3
	on_server xdp-filter unload srv0
	[[ $(order) == "[$FOUR]" ]] || fail "order without it: $(order)"
	relays 3
	on_server xdp-filter load srv0 --mode native
	relays 3
	gives 0 '^$' status --check
	on_server xdp-loader unload srv0 --all
	LAB_AT_EXIT=("${LAB_AT_EXIT[@]:0:1}")
	gives 4 'srv0: 0 of 4 XDP programs' status --check
	server_relays 3
}

case_firewall_blocks_fused() {
	on_chain
	lab_up one
	on_server xdp-filter load srv0 --mode native
	LAB_AT_EXIT+=("on_server xdp-filter unload srv0")
	attach_refused 1 "srv0 already runs XDP program 'xdpfilt.*--fused needs the device for itself" srv0 --fused
	attach_refused 1 "runs XDP programs in native mode; attach with --mode native" srv0 --mode skb
	attach --prio 5
	[[ $(order) == "[$FOUR,\"other\"]" ]] || fail "order with --prio 5: $(order)"
}
