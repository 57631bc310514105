# shellcheck shell=bash disable=SC2034  # what it sets is for the script that sources it
# The laboratory: network namespaces, a real coturn between them, its own load tools. To be sourced (bash,
# set -eu), as root. Nothing is left behind: lab_up sets a trap on EXIT that runs lab_down.
#
#   lab_up LAYOUT       one     client and peer reach the server's one device srv0 through a bridge
#                       two     the server has a client device srv0 and a relay device srv1, in two subnets
#                       paths   like two, and a third device srv2 of the server, by which the peer can be reached, too
#                       router  one server device; client and peer are behind a router: the server sees its MAC
#                       tap, cards_one, cards_two are in case/devices.sh
#                       sets LAB_DEVICES (the server's), LAB_SERVER_IP, LAB_RELAY_IP, LAB_CLIENT_IP,
#                       LAB_PEER_IP, LAB_TMP (a directory that goes with the lab)
#   lab_in NODE CMD…    runs CMD in the node's namespace (client, server, peer, hub); not by `ip netns exec`,
#                       which would hide bpffs
#   lab_spawn NODE CMD… the same in the background, to be killed by lab_down; sets LAB_PID
#   lab_kill PID…       ends what lab_spawn started, and waits for it
#   lab_coturn [OPT…]   starts coturn and waits until it listens; sets LAB_COTURN_PID. Its addresses are LAB_COTURN_IPS,
#                       which lab_up sets, and LAB_COTURN_IN is a command that runs it, if it is not to run just so
#   lab_peer            starts the echoing peer (turnutils_peer)
#   lab_wait S CMD…     until CMD succeeds, at most S seconds
#   lab_down            ends the processes and removes the namespaces
#   lab_bpffs           mounts a BPF file system where there is none (Debian's systemd mounts it, a container's
#                       init may not); lab_bpffs_end, called by lab_down too, unmounts what this shell mounted
#   LAB_AT_EXIT+=("…")  commands for lab_down to run first, while the namespaces still exist

LAB_PORT=3478 LAB_PEER_PORT=3480
LAB_USER=demo LAB_PASSWORD=demo LAB_REALM=lab.test
# Not 50000-50999: among them are ports at which an empty packet of the peer has, right as it is, the checksum that an
# offloading sender would have left (csum_is_partial), and goes to the server.
LAB_RELAY_PORTS=(51000 51999)
LAB_ID="lab$$"
LAB_PIDS=() LAB_NODES=() LAB_AT_EXIT=() LAB_COTURN_IN=()
LAB_TMP='' LAB_PID='' LAB_COTURN_PID='' LAB_BPFFS=''

lab_die() { echo "lab: $*" >&2; exit 1; }

lab_wait() {
	local until=$((SECONDS + $1 + 1)); shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < until)) || return 1
		sleep 0.05
	done
}

lab_in() {
	local node=$1; shift
	nsenter --net="/run/netns/$LAB_ID-$node" -- "$@"
}

lab_spawn() {
	local node=$1; shift
	# nsenter becomes the command, so that $! is the command's pid
	nsenter --net="/run/netns/$LAB_ID-$node" -- "$@" &
	LAB_PID=$!
	LAB_PIDS+=("$LAB_PID")
}

lab_kill() {
	local pid
	for pid in "$@"; do kill "$pid" 2>/dev/null || true; done
	for pid in "$@"; do
		lab_wait 5 lab_is_gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true     # our own child: until here its pid cannot be another's
		lab_forget "$pid"
	done
}

# In one step: it may go at any moment, and under set -e a failing $(<…) ends the shell.
lab_is_gone() {
	local stat
	! { read -r stat <"/proc/$1/stat"; } 2>/dev/null || [[ $stat == *") Z "* ]]
}

lab_forget() {
	local pid kept=()
	for pid in "${LAB_PIDS[@]}"; do [[ $pid == "$1" ]] || kept+=("$pid"); done
	LAB_PIDS=("${kept[@]}")
}

# ---- namespaces and wires ----

lab_node() {
	local node
	for node in "$@"; do
		ip netns add "$LAB_ID-$node"
		LAB_NODES+=("$node")
		ip -n "$LAB_ID-$node" link set lo up
		# inherited from the host's defaults otherwise; a TURN server does not forward
		lab_in "$node" sysctl -qw net.ipv4.ip_forward=0
	done
}

# lab_veth NODE:DEV[=ADDR/LEN] NODE:DEV[=ADDR/LEN]: a wire between two nodes
lab_veth() {
	local end node dev addr
	local a=${1%%=*} b=${2%%=*}
	ip link add "${a#*:}" netns "$LAB_ID-${a%:*}" type veth peer name "${b#*:}" netns "$LAB_ID-${b%:*}"
	for end in "$@"; do
		addr=${end#*=} end=${end%%=*} node=${end%:*} dev=${end#*:}
		[[ $addr == "$end" ]] || ip -n "$LAB_ID-$node" addr add "$addr" dev "$dev"
		# gro on: a native XDP redirect into a veth arrives only if its far end polls (GRO or XDP).
		# Both ends before either comes up: a veth looks at its far end's GRO when it is opened.
		# tx off: what a node sends carries a full checksum, as on a real wire.
		lab_in "$node" ethtool -K "$dev" tx off gro on >/dev/null
	done
	for end in "$@"; do
		end=${end%%=*}
		ip -n "$LAB_ID-${end%:*}" link set "${end#*:}" up
	done
}

# lab_hub CMD…: one bridge for all; CMD makes the server's srv0, with its address, and hs, the bridge's end of its wire
lab_hub() {
	local dev
	lab_node hub
	LAB_SERVER_IP=10.7.1.2 LAB_RELAY_IP=10.7.1.2 LAB_CLIENT_IP=10.7.1.1 LAB_PEER_IP=10.7.1.3
	lab_veth client:cli0=$LAB_CLIENT_IP/24 hub:hc
	lab_veth peer:peer0=$LAB_PEER_IP/24 hub:hp
	"$@"
	ip -n "$LAB_ID-hub" link add br0 type bridge stp_state 0
	for dev in hc hs hp; do ip -n "$LAB_ID-hub" link set "$dev" up master br0; done
	ip -n "$LAB_ID-hub" link set br0 up
	lab_wait 30 lab_bridge_forwards || lab_die "the bridge's ports do not come up"
	LAB_DEVICES=(srv0)
}
lab_hub_veth() { lab_veth server:srv0="$LAB_SERVER_IP/24" hub:hs; }
lab_layout_one() { lab_hub lab_hub_veth; }

lab_bridge_forwards() { (($(lab_in hub bridge link show | grep -c 'state forwarding') == 3)); }

lab_layout_two() {
	LAB_SERVER_IP=10.7.1.2 LAB_RELAY_IP=10.7.2.2 LAB_CLIENT_IP=10.7.1.1 LAB_PEER_IP=10.7.2.3
	lab_veth client:cli0=$LAB_CLIENT_IP/24 server:srv0=$LAB_SERVER_IP/24
	lab_veth peer:peer0=$LAB_PEER_IP/24 server:srv1=$LAB_RELAY_IP/24
	LAB_DEVICES=(srv0 srv1)
}

lab_layout_paths() {
	lab_layout_two
	lab_veth peer:peer1=10.7.4.3/24 server:srv2=10.7.4.2/24
	LAB_DEVICES+=(srv2)
}

lab_layout_router() {
	local node net
	lab_node hub
	LAB_SERVER_IP=10.7.1.2 LAB_RELAY_IP=10.7.1.2 LAB_CLIENT_IP=10.7.3.2 LAB_PEER_IP=10.7.2.2
	lab_veth server:srv0=$LAB_SERVER_IP/24 hub:hs=10.7.1.1/24
	lab_veth client:cli0=$LAB_CLIENT_IP/24 hub:hc=10.7.3.1/24
	lab_veth peer:peer0=$LAB_PEER_IP/24 hub:hp=10.7.2.1/24
	for node in server:1 peer:2 client:3; do
		net=10.7.${node#*:}
		ip -n "$LAB_ID-${node%:*}" route add default via "$net.1"
	done
	lab_in hub sysctl -qw net.ipv4.ip_forward=1
	LAB_DEVICES=(srv0)
}

lab_bpffs() {
	[[ $(stat -f -c %T /sys/fs/bpf) != bpf_fs ]] || return 0
	mount -t bpf bpf /sys/fs/bpf || lab_die "cannot mount a BPF file system at /sys/fs/bpf"
	LAB_BPFFS=1
}

lab_bpffs_end() {
	[[ -z $LAB_BPFFS ]] || umount /sys/fs/bpf || true
	LAB_BPFFS=''
}

lab_up() {
	((EUID == 0)) || lab_die "must run as root"
	trap lab_down EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	lab_bpffs
	LAB_TMP=$(mktemp -d "${TMPDIR:-/tmp}/$LAB_ID.XXXXXX")
	lab_node client server peer
	declare -F "lab_layout_$1" >/dev/null || lab_die "no such layout: $1"
	"lab_layout_$1"
	LAB_COTURN_IPS=(--listening-ip "$LAB_SERVER_IP" --relay-ip "$LAB_RELAY_IP")
}

lab_down() {
	local cmd node
	for cmd in "${LAB_AT_EXIT[@]}"; do eval "$cmd" || true; done
	lab_kill "${LAB_PIDS[@]}"
	for node in "${LAB_NODES[@]}"; do ip netns del "$LAB_ID-$node" || true; done
	[[ -z $LAB_TMP ]] || rm -rf "$LAB_TMP"
	lab_bpffs_end
	LAB_NODES=() LAB_AT_EXIT=() LAB_TMP=''
}

# ---- coturn and its peer ----

# lab_plain [OPTION…]: sets LAB_PLAIN, options for coturn without TLS and DTLS, and without its command line unless OPTION
# gives that a password. Newer ones have some of that off and do not start when told to turn it off.
lab_plain() {
	local option has
	has=$(turnserver -h 2>&1 || true)
	LAB_PLAIN=()
	for option in --no-tls --no-dtls "$([[ $* == *--cli-password* ]] && echo --cli || echo --no-cli)"; do
		[[ ! $has =~ [[:space:]]"$option"[[:space:]] ]] || LAB_PLAIN+=("$option")
	done
}

# shellcheck disable=SC2120  # its arguments are optional
lab_coturn() {
	lab_plain "$@"
	: >"$LAB_TMP/turn.conf"
	lab_spawn server "${LAB_COTURN_IN[@]}" turnserver -c "$LAB_TMP/turn.conf" --userdb "$LAB_TMP/turndb" \
		--log-file "$LAB_TMP/coturn.log" --simple-log --pidfile "$LAB_TMP/coturn.pid" \
		--listening-port $LAB_PORT "${LAB_COTURN_IPS[@]}" \
		--min-port "${LAB_RELAY_PORTS[0]}" --max-port "${LAB_RELAY_PORTS[1]}" \
		--lt-cred-mech --user "$LAB_USER:$LAB_PASSWORD" --realm $LAB_REALM \
		"${LAB_PLAIN[@]}" "$@" >"$LAB_TMP/coturn.out" 2>&1
	LAB_COTURN_PID=$LAB_PID
	lab_wait 60 lab_listens server "$LAB_SERVER_IP:$LAB_PORT" || {
		cat "$LAB_TMP/coturn.out" >&2
		lab_die "coturn does not listen on $LAB_SERVER_IP:$LAB_PORT"
	}
}

lab_peer() {
	lab_spawn peer turnutils_peer -L "$LAB_PEER_IP" -p $LAB_PEER_PORT >"$LAB_TMP/peer.out" 2>&1
	lab_wait 60 lab_listens peer "$LAB_PEER_IP:$LAB_PEER_PORT" || lab_die "turnutils_peer does not listen"
}

# at this address, or at any
lab_listens() { lab_in "$1" ss -Hlun "src $2 or src 0.0.0.0:${2#*:}" | grep -q .; }
