# One leg's figures, from what the ends counted, what turnctl counted (null without it) and what the load tool said.

# turnctl's counters over all its devices, after minus before
def counter(path): ([$after[0].devices[]? | path // 0] | add // 0) - ([$before[0].devices[]? | path // 0] | add // 0);
def share(part; whole): if whole > 0 then part / whole else 0 end;
def said(re): ($uclient | [match(re; "g").captures[0].string | tonumber] | last);

def direction($seen; $kernel): $seen + {
	kernel: $kernel,
	server: ($seen.received - $kernel),
	lost: ($seen.sent - $seen.received),
	kernel_share: share($kernel; $seen.sent),
};

$ends[0] as $e
| ($e.server.idle | share(.cpu_ns; .seconds)) as $idle
| {
	layout: $layout, leg: $leg,
	load: {clients: $clients, interval_ms: $interval, length: ($length | tonumber)},
	mode: (if $status[0] == null then null else [$status[0].devices[] | {device, role, install, mode,
		programs: [.programs[]? | {name, priority, ours}]}] end),
	seconds: $e.seconds,
	rate: {
		to_peer: share($e.to_peer.sent; $e.seconds),
		to_client: share($e.to_client.sent; $e.seconds)
	},
	to_peer: direction($e.to_peer; counter(.to_peer.packets)),
	to_client: direction($e.to_client; counter(.to_client.packets)),
	heartbeats: counter(.heartbeats),
	passed: (if $after[0] == null then null else
		[$after[0].devices[] | .passed // {} | to_entries[]] | group_by(.key)
		| map({key: .[0].key, value: (map(.value) | add)}) | from_entries end),
	stun: $e.stun,
	rtt_us: $e.rtt_us,
	uclient: {
		sent: said("tot_send_msgs=(\\d+)"), received: said("tot_recv_msgs=(\\d+)"),
		lost: said("Total lost packets (\\d+)"), rtt_ms: said("Average round trip delay ([0-9.]+)")
	},
	# coturn's CPU time, ms; the data's is what its intervals took beyond the same time at rest
	cpu_ms: ($e.server | {
		idle_per_second: ($idle / 1e6),
		handshake: (.handshake.cpu_ns / 1e6), handshake_seconds: .handshake.seconds,
		data_gross: (.data.cpu_ns / 1e6), data_seconds: .data.seconds, data_packets: .data.packets,
		data: (.data.cpu_ns - $idle * .data.seconds | if . > 0 then . / 1e6 else 0 end)
	})
}
