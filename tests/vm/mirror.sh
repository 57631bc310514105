# shellcheck shell=bash
# mirror.sh - where this host's Debian packages come from. To be sourced.

# The suite of this host, such as bookworm.
host_suite() { (. /etc/os-release && echo "${VERSION_CODENAME:-}"); }

# mirror_sources SUITE: a line "URI SUITE" for each source of Debian's that this host has, as SUITE has it too: itself
# first, then -updates and -security, which sid has not. Nothing if apt has none.
mirror_sources() {
	local host
	host=$(host_suite)
	# shellcheck disable=SC2016  # the fields are apt's
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(CODENAME) $(COMPONENT)' 'Identifier: Packages' |
		awk -v host="$host" -v suite="$1" '
			$4 != "main" { next }
			{ name = index($3, host) == 1 ? $3 : $2 }
			name == host { print $1, suite }
			suite != "sid" && (name == host "-updates" || name == host "-security") { print $1, suite substr(name, length(host) + 1) }' |
		sort -u -k 2
}
