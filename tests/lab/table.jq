# The document of `tests/demo --json` → a table of its legs, a column each, and a line for each requirement.

def fixed($digits): if . == null then "-" else
	pow(10; $digits) as $p | (. * $p | round / $p | tostring | split(".")) as $n
	| if $digits == 0 then $n[0] else $n[0] + "." + (($n[1] // "") + "000")[:$digits] end end;
def percent: if . == 1 then "100 %" else (. * 10000 | floor / 100 | fixed(2)) + " %" end;
def left($width): . + ((" " * ([$width - length, 0] | max)) // "");
def right($width): ((" " * ([$width - length, 0] | max)) // "") + .;

# What turnctl's status said, once if its devices agree
def mode: if .mode == null then "server only" else
	[.mode[] | "\(.install), \(.mode)"] | unique | join("; ") end;
def programs: if .mode == null then "-" else
	[.mode[] | [.programs[].ours] | "\(map(select(not)) | length) + \(map(select(.)) | length)"] | join(", ") end;

def direction(of; $name):
	["packets sent \($name)", (.[] | of | .sent | tostring)],
	["  relayed", (.[] | of | .received | tostring)],
	["    by the kernel", (.[] | of | .kernel | tostring)],
	["    by the server", (.[] | of | .server | tostring)],
	["  the kernel's share", (.[] | of | .kernel_share | percent)],
	["  lost", (.[] | of | .lost | tostring)];

def rows:
	["", (.[] | "\(.layout)")],
	["", (.[] | if .leg == "coturn" then "coturn alone" else "with turnctl" end)],
	["mode", (.[] | mode)],
	["XDP programs, others' + own, a device", (.[] | programs)],
	["packets a second to the peer", (.[] | .rate.to_peer | fixed(0))],
	["packets a second to the client", (.[] | .rate.to_client | fixed(0))],
	["for, s", (.[] | .seconds | fixed(1))],
	direction(.to_peer; "to the peer"),
	direction(.to_client; "to the client"),
	["heartbeats", (.[] | if .mode == null then "-" else .heartbeats | tostring end)],
	["round trip, median, µs", (.[] | .rtt_us.median | fixed(0))],
	["round trip, 99 %, µs", (.[] | .rtt_us.p99 | fixed(0))],
	["round trip, uclient's mean, ms", (.[] | .uclient.rtt_ms | fixed(3))],
	["lost, uclient's count", (.[] | .uclient.lost | tostring)],
	["coturn's CPU for the data, ms", (.[] | .cpu_ms.data | fixed(1))],
	["  a packet, µs", (.[] | if .cpu_ms.data_packets > 0 then 1000 * .cpu_ms.data / .cpu_ms.data_packets else null end
		| fixed(2))],
	["  handshakes, ms", (.[] | .cpu_ms.handshake | fixed(1))],
	["  at rest, ms in a second", (.[] | .cpu_ms.idle_per_second | fixed(2))];

def value: if type == "number" then (if . == floor then . else fixed(3) end | tostring) else "" end;

([.legs | rows] | transpose | map(map(length) | max)) as $widths
| (.legs | rows | . as $row | [range(length) as $i
	| $row[$i] | if $i == 0 then left($widths[0]) else right($widths[$i]) end] | join("   ")),
  "",
  (.requirements[] | "\(if .ok then "  ok  " else "FAILED" end)  \(.layout | left(6))  \(.what)\(.value | value | if . == "" then . else ": " + . end)"),
  (select(.ok | not) | .legs[] | select(.passed) | "        \(.layout | left(6))  passed to the server, by reason: \(.passed | tojson)"),
  "",
  "Counted at the two ends (packet sockets), coturn's CPU by schedstat; \(.machine), Linux \(.kernel), coturn \(.coturn)."
