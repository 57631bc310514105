# The legs (an array on stdin) → the document of `tests/demo --json`: the legs and what was required of them.

def required($layout; what; value; limit; ok):
	value as $value | {layout: $layout, what: what, value: $value, limit: limit, ok: ($value | ok)};
def ratio($a; $b): if $b > 0 then $a / $b else null end;
def ours: [.programs[] | select(.ours)] | length;

# Beside the firewall on the client device: our four programs, the firewall's before them
def chained: all(.[]; .install == "chain")
	and any(.[]; .role == "client" and ours == 4)
	and all(.[]; ([.programs[] | select(.ours | not) | .priority] | min // infinite)
		< ([.programs[] | select(.ours) | .priority] | min // -infinite));

def requirements:
	. as $legs | [$legs[].layout] | unique[] as $layout
	| ($legs[] | select(.layout == $layout and .leg == "coturn")) as $before
	| [$legs[] | select(.layout == $layout and .leg == "turnctl")][0] as $with
	| if $with == null then required($layout; "the leg with turnctl ran"; null; null; false) else
		required($layout; "each direction has at least \($rate) packets a second";
			([$before.rate[], $with.rate[]] | min | floor); $rate; . >= $rate),
		required($layout; "for at least \($seconds) s";
			([$before.seconds, $with.seconds] | min); $seconds; . >= $seconds),
		required($layout; "to the peer, the kernel relays at least 98 %";
			$with.to_peer.kernel_share; 0.98; . >= 0.98 and . <= 1),
		required($layout; "to the client, the kernel relays at least 98 %";
			$with.to_client.kernel_share; 0.98; . >= 0.98 and . <= 1),
		# a packet whose checksum is wrong reaches the packet socket, but not the load tool
		required($layout; "with turnctl, none is lost, nor does the load tool miss any";
			([$with.to_peer.lost, $with.to_client.lost, $with.uclient.lost] | map(fabs) | add); 0; . == 0),
		(if $vm then
			required($layout; "four programs are chained, behind xdp-filter"; $with.mode; null; ($with.mode | chained))
		else
			required($layout; "coturn needs at least 20 times less CPU for the data";
				ratio($before.cpu_ms.data; $with.cpu_ms.data); 20;
				$before.cpu_ms.data >= 20 * $with.cpu_ms.data and $before.cpu_ms.data > 0)
		end)
	end;

[requirements] as $required
| {
	schema: 1, machine: (if $vm then "vm" else "host" end), kernel: $kernel, coturn: $coturn,
	legs: ., requirements: $required, ok: ($required | length > 0 and all(.ok))
}
