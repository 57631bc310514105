# shellcheck shell=bash disable=SC2034,SC2154  # background, work and here are tests/check's
# matrix.sh - groups compilers and matrix of tests/check: other compilers, kernels and userlands. To be sourced.

suites=(bookworm trixie sid)

# Their roots take minutes, most of them the mirror's: they are made while the first groups run. Sid moves, and what cannot be
# installed there today is not our failure: its tests are skipped then.
prepare() {
	local suite
	for suite in "${suites[@]}"; do
		setpriv --pdeathsig TERM "$here/vm/root" "$suite" && continue
		[[ $suite == sid ]] || return 1
		: >"$work/no-sid"
	done
}
preparing=''
prepare_behind() {
	nice -n 19 bash -c "$(declare -f prepare); here=$here work=$work suites=(${suites[*]}); prepare" >"$work/prepare.log" 2>&1 &
	preparing=$! background=($!)
}
prepared() {
	local code=0
	[[ $preparing ]] || return 0
	wait "$preparing" || code=$?
	background=() preparing=''
	((code == 0)) || tail -n 40 "$work/prepare.log" >&2
	return "$code"
}
lacks() { [[ $1 == sid && -e $work/no-sid ]]; }
NO_SID="not all that is needed can be installed in sid's root today"

# Leaves $work/builds/CLANG.SUITE/turnctl, and as the suite's own clang and gcc build it, default.SUITE.
build_by() {
	local suite=$1 clang=$2 cc=$3
	shift 3
	"$work/src/tests/vm/build" "$@" "$suite" "$work/builds/$clang.$suite" "${clang/#default/clang}" "$cc"
}

run_compilers() {
	local suite clang clangs cc n=0 distcheck
	step compilers "the roots of ${suites[*]} are made" prepared
	for suite in "${suites[@]}"; do
		! lacks "$suite" || { record skip compilers "$suite" "$NO_SID"; continue; }
		distcheck=()
		[[ $suite != trixie ]] || distcheck=(--distcheck)       # Debian 12's, on the host, is group dist's
		step compilers "$suite, clang and gcc${distcheck:+, make distcheck}" build_by "$suite" default gcc "${distcheck[@]}"
		# shellcheck disable=SC2010  # names of our own choice
		mapfile -t clangs < <("$here/vm/root" "$suite" ls /usr/bin | grep -xE 'clang-(1[4-9]|[2-9][0-9])' | sort -V)
		((${#clangs[@]} > 1)) || record FAILED compilers "$suite has several clangs, not '${clangs[*]}'"
		for clang in "${clangs[@]}"; do
			n=$((n + 1)) cc=gcc
			((n % 2)) || cc=$clang
			step compilers "$suite, $clang and $cc" build_by "$suite" "$clang" "$cc"
		done
	done
}

# shellcheck disable=SC2054  # the commas are QEMU's
# What the chain, or the kernel, may do otherwise than the fused program on this host: relaying, the proofs and their
# ends, devices, programs beside others, upgrade and repair. All of it on the oldest kernel; on the others less: the
# dispatcher's check of packet-resizing programs, tcx, neighbours and sysctls, and what the kernel tells of drivers.
{
	chain_all=('relays_in_layout_*' 'heartbeats_reach*' refresh0_stops_relaying server_killed 'port_given*'
		'denied*' 'static_relays*' 'static_follows*' 'narrow*' upgrade_under_load 'others_take*'
		pins_removed killed_at_any_time route_moves_out_of_sight 'detach*' device_goes_away 'degraded*' two_instances 'foreign*'
		skb_mode)
	chain_some=('relays_in_layout_*' 'detach*' 'static_relays*' 'static_follows*' refresh0_stops_relaying
		upgrade_under_load)
	orders=('order_*')                                     # on every kernel
	# What shares the device at TC and in netfilter, and what doctor says of it, with Debian 13's nftables, too.
	neighbours_clsact=('neighbours_*' doctor_xdp_behind)
	neighbours_tcx=('neighbours_*' '!neighbours_uses_our_clsact' 'doctor_*')
	neighbours_some=(neighbours_programs neighbours_ahead doctor_xdp_behind)
	devices_all=('veth*' '!veth_begins*' 'vlan*' 'bridge*' 'bond*' 'macvlan*' ipvlan vrf team tap server_in_a_container 'two_servers*'
		'device_names*' 'device_moves*')
	devices_some=('veth_begins*' bond bond_ports team vrf)
	devices_few=(bond)
	cards=('virtio_*' 'nic_*')
	wires=(--wire virtio-net-pci,queues=4 --wire virtio-net-pci,queues=4
		--wire virtio-net-pci,ctrl_guest_offloads=off --wire e1000e)
	# The newest of all: libxdp, xdp-tools, nftables, coturn
	newest=('relays_in_layout_*' refresh0_stops_relaying upgrade_under_load 'order_*'
		neighbours_programs 'doctor_rules*')
	too_old=(kernel_too_old)
}

# A VM each: name, the kernel's suite, the userland's, and what of the above runs there. Longest first, since two run at a
# time and whichever is done takes the next.
vms=(
	"6.1:chain       bookworm         bookworm chain_all"
	"7.x:sid         trixie-backports sid      newest"
	"7.x:orders      trixie-backports trixie   orders"
	"6.12:orders     trixie           trixie   orders"
	"6.1:orders      bookworm         bookworm orders"
	"6.12:neighbours trixie           trixie   neighbours_tcx"
	"6.1:devices     bookworm         bookworm devices_all"
	"6.1:neighbours  bookworm         bookworm neighbours_clsact"
	"6.12:cards      trixie           trixie   cards"
	"6.1:cards       bookworm         bookworm cards"
	"7.x:cards       trixie-backports trixie   cards"
	"6.12:devices    trixie           trixie   devices_some"
	"6.12:chain      trixie           trixie   chain_some"
	"7.x:chain       trixie-backports trixie   chain_some"
	"7.x:neighbours  trixie-backports trixie   neighbours_some"
	"6.1:programs    bookworm         bookworm programs"
	"6.12:programs   trixie           trixie   programs"
	"7.x:programs    trixie-backports trixie   programs"
	"7.x:sid_programs trixie-backports sid     programs"
	"7.x:devices     trixie-backports trixie   devices_few"
	"5.10:too_old    bullseye         bookworm too_old"
)

# in_vm NAME KERNEL USERLAND WHAT: one emulated CPU each, since with two they would wait for each other on a host with two;
# but two, and the cards, for what is tried with a network card's queues. The sources' copy is what runs, since a VM has a
# /tmp of its own, where this checkout may lie. Its end is told by the file "code".
in_vm() {
	local name=$1 kernel=$2 userland=$3 what=$4 out=$work/vm/$1 root command code=0 began=$SECONDS machine=(--cpus 1)
	local -n patterns=$what
	[[ $what != cards ]] || machine=(--cpus 2 "${wires[@]}")
	root=$("$here/vm/root" "$userland") || code=$?
	command=(src/tests/lab/cases --chain "${patterns[@]}")
	[[ $what != programs ]] || command=(src/tests/vm/programs "$work"/builds/*."$userland"/turnctl)
	if ((code == 0)); then
		setpriv --pdeathsig TERM "$here/vm/run" --suite "$kernel" --root "$root" "${machine[@]}" \
			--timeout 3000 --dir "$work" --out "$out" \
			--env "TURNCTL=$work/builds/default.$userland/turnctl" --env "KEEP=$out/keep" \
			--env "SURVIVED=$out/survived" --env "ORDERS=$out/orders" --env "VERIFIED=$out/verified" -- "${command[@]}" || code=$?
	fi >"$out/tap" 2>"$out/tap.err"
	echo "$((SECONDS - began))" >"$out/took"
	echo "$code" >"$out/code.part"
	mv "$out/code.part" "$out/code"
}

# Takes the VMs that nobody has taken.
lane() {
	local entry vm
	set +e
	for entry in "${vms[@]}"; do
		read -ra vm <<<"$entry"
		lacks "${vm[2]}" || ! mkdir "$work/vm/${vm[0]}" 2>/dev/null || in_vm "${vm[@]}"
	done
}

is_gone() {
	local stat
	! { read -r stat <"/proc/$1/stat"; } 2>/dev/null || [[ $stat == *") Z "* ]]
}

# What VM has said, as if it had run now. One whose lane has died has no code.
replay() {
	cat "$work/vm/$1/tap"
	cat "$work/vm/$1/tap.err" >&2
	return "$(cat "$work/vm/$1/code" || echo 1)"
}

run_matrix() {
	local entry vm pattern lanes=() log
	[[ -d $work/builds ]] || run_compilers
	# A pattern that matches nothing would leave a hole that nobody sees.
	for entry in "${vms[@]}"; do
		read -ra vm <<<"$entry"
		[[ ${vm[3]} != programs ]] || continue
		local -n patterns=${vm[3]}
		for pattern in "${patterns[@]}"; do
			"$here/lab/cases" --list "${pattern#!}" >/dev/null 2>&1 || record FAILED matrix "there are cases '$pattern'"
		done
	done
	mkdir -p "$work/vm"
	for _ in 1 2; do
		lane &
		lanes+=($!)
	done
	background=("${lanes[@]}")
	for entry in "${vms[@]}"; do
		read -ra vm <<<"$entry"
		! lacks "${vm[2]}" || { record skip matrix "${vm[0]}" "$NO_SID"; continue; }
		until [[ -e $work/vm/${vm[0]}/code ]] || { is_gone "${lanes[0]}" && is_gone "${lanes[1]}"; }; do sleep 1; done
		tap "${vm[0]}" replay "${vm[0]}"
		# What is missing there was forgotten: kernels and userlands are of our choice, and so are the cases.
		! grep -q "^skip	${vm[0]}	" "$results" || record FAILED "${vm[0]}" "no case is skipped"
		for log in "$work/vm/${vm[0]}"/keep/*.log; do
			[[ ! -e $log ]] || tail -n 30 "$log" | sed "s/^/        $(basename "$log" .log) | /"
		done
		echo "        ${vm[0]}: Linux of ${vm[1]}, userland of ${vm[2]}, $(cat "$work/vm/${vm[0]}/took" || true) s"
	done
	wait "${lanes[@]}" || true
	background=()
}
