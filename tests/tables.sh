# shellcheck shell=bash disable=SC2154  # work and results are tests/check's
# tables.sh - what tests/check prints at its end, and writes as JSON. To be sourced.

# A table of tab-separated lines, in columns as wide as they must be.
columns() { column -t -s $'\t' -o '  ' | sed 's/ *$//'; }

markdown() {
	awk -F '\t' '{
		line = "|"; rule = "|"
		for (i = 1; i <= NF; i++) { line = line " " $i " |"; rule = rule " --- |" }
		print line
		if (NR == 1) print rule
	}'
}

faults() {
	local file
	if [[ -s $work/survived ]]; then sed 's/^/host, fused\t/' "$work/survived"; fi
	for file in "$work"/vm/*/survived; do
		[[ ! -s $file ]] || sed "s/^/VM, chain, $(basename "${file%/*}" | cut -d: -f1)\t/" "$file"
	done
}

# pivot TITLE: lines "ROW COLUMN VALUE" as a table, all by tabs; rows and columns in the order in which they come first
pivot() {
	awk -F '\t' -v title="$1" '
		!($1 in row) { row[$1]; rows[++m] = $1 }
		!($2 in col) { col[$2]; cols[++n] = $2 }
		{ cell[$1, $2] = $3 }
		END {
			printf "%s", title
			for (j = 1; j <= n; j++) printf "\t%s", cols[j]
			print ""
			for (i = 1; i <= m; i++) {
				printf "%s", rows[i]
				for (j = 1; j <= n; j++)
					printf "\t%s", (rows[i], cols[j]) in cell ? cell[rows[i], cols[j]] : "-"
				print ""
			}
		}'
}

# from what the order cases note: kernel, libxdp, mode, event, result. Columns by kernel, libxdp, mode. It stands
# so in the README.
orders_table() {
	cat "$work"/vm/*/orders 2>/dev/null | sort -s -t $'\t' -k 1,1V -k 2,2V -k 3,3 |
		awk -F '\t' '{ print $4 "\t" $1 ", " $2 ", " $3 "\t" $5 }' |
		pivot 'order of events (Linux, libxdp, mode)' | markdown
}

# from what tests/vm/programs notes: kernel, build, layout, program, instructions. A table for each kernel
verified_tables() {
	local kernel
	cat "$work"/vm/*/verified 2>/dev/null | sort -u >"$work/verified"
	while read -r kernel; do
		echo
		awk -F '\t' -v k="$kernel" '$1 == k { print $2 "\t" $4 "\t" $5 }' "$work/verified" |
			sort -t $'\t' -k 1,1V -k 2,2 -k 3,3n |
			pivot "instructions verified, Linux $kernel" | columns
	done < <(cut -f 1 "$work/verified" | sort -uV)
}

print_tables() {
	if [[ $(faults) ]]; then
		echo
		{
			printf 'where\tfault survived\tpackets lost\twrongly relayed\ttime to notice\n'
			faults
		} | columns
	fi
	if [[ -s $work/tried ]]; then
		echo
		{
			printf 'fuzzed\tinputs tried\n'
			cut -f2,3 "$work/tried"
		} | columns
	fi
	if compgen -G "$work/vm/*/verified" >/dev/null; then verified_tables; fi
	if compgen -G "$work/vm/*/orders" >/dev/null; then echo; orders_table; fi
}

write_json() {
	local demo=null vmdemo=null bench=null
	[[ ! -s $work/demo.json ]] || demo=$(<"$work/demo.json")
	[[ ! -s $work/vmdemo.json ]] || vmdemo=$(<"$work/vmdemo.json")
	[[ ! -s $work/bench.json ]] || bench=$(<"$work/bench.json")
	jq -R -n --argjson demo "$demo" --argjson vmdemo "$vmdemo" --argjson bench "$bench" '
		[inputs | split("\t") | {group: .[1], name: .[2], result: ({ok: "ok", skip: "skipped"}[.[0]] // "failed")} +
			if .[0] == "skip" then {reason: .[3]} else {} end] |
		{schema: 1, passed: (map(select(.result == "ok")) | length),
		 failed: (map(select(.result == "failed")) | length),
		 skipped: (map(select(.result == "skipped")) | length),
		 tests: ., demo: $demo, vmdemo: $vmdemo, bench: $bench}' "$results" >"$1"
}
