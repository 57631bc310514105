// SPDX-License-Identifier: GPL-2.0
/* doctor: rules of netfilter that would have matched what the kernel relays. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_parts.h"
#include "nft.h"
#include "nft_judge.h"

#define MEETINGS 256

/* What an operator can do about it; the worst that the rule does decides. */
static const char *next_step(unsigned int effects)
{
	if (effects & (TURNCTL_NFT_DROPS | TURNCTL_NFT_REJECTS | TURNCTL_NFT_LIMITS))
		return "have the server refuse whom it is to stop, or an XDP program that runs "
		       "before turnctl's, such as xdp-filter";
	if (effects & TURNCTL_NFT_TRANSLATES)
		return "a channel whose relay address it changes stays with the server; all others "
		       "are relayed as they are on the wire";
	if (effects & TURNCTL_NFT_QUEUES)
		return "the program that reads the queue sees heartbeats only";
	if (effects & TURNCTL_NFT_CHANGES)
		return "relayed packets keep the DSCP with which they came, and have no marks";
	if (effects & TURNCTL_NFT_COUNTS)
		return "'turnctl stats' counts what is relayed";
	return NULL;
}

static void tell_meeting(const struct turnctl_doctor *doctor, const struct turnctl_nft *nft,
			 const struct turnctl_nft_meeting *meeting)
{
	static const char *const ways[] = { "from clients", "from peers", "to peers",
					    "to clients" };
	struct turnctl_finding finding = { .level = TURNCTL_WARNING, .topic = "rule",
					   .handle = meeting->handle };
	const char *next = next_step(meeting->effects);
	char packets[80], verbs[128], rule[300];

	snprintf(finding.object, sizeof(finding.object), "%s %s %s", meeting->family,
		 meeting->table, meeting->chain);
	snprintf(finding.next, sizeof(finding.next), "%s", next ? next : "");
	turnctl_nft_words(ways, meeting->ways, packets, sizeof(packets));
	turnctl_nft_effects_format(meeting->effects, verbs, sizeof(verbs));
	turnctl_nft_rule_text(nft, meeting->family, meeting->table, meeting->handle, rule,
			      sizeof(rule));
	if (!meeting->handle) {
		finding.topic = "policy";
		snprintf(finding.text, sizeof(finding.text),
			 "its policy drops packets %s, which no rule of it accepts; relayed ones "
			 "do not meet it", packets);
	} else if (meeting->effects == TURNCTL_NFT_TRACKS) {
		finding.topic = "tracking";
		finding.level = TURNCTL_NOTE;
		snprintf(finding.text, sizeof(finding.text),
			 "'%s' asks connection tracking, which sees the heartbeats of what is "
			 "relayed, and lives on them", rule);
		finding.next[0] = '\0';
	} else {
		snprintf(finding.text, sizeof(finding.text),
			 "'%s' %s %s packets %s; relayed ones do not meet it", rule,
			 meeting->surely ? "would" : "may", verbs, packets);
	}
	doctor->wish->tell(&finding, doctor->wish->data);
}

/* Of rules that only ask connection tracking the first is enough. */
static void tell_ruleset(const struct turnctl_doctor *doctor, const struct turnctl_nft *nft)
{
	struct turnctl_nft_meeting *list = calloc(MEETINGS, sizeof(*list));
	struct turnctl_doctor_flows *flows = calloc(1, sizeof(*flows));
	int count = 0, listed, warned = 0, tracked = 0, i;

	if (list && flows) {
		turnctl_doctor_flows(doctor, flows);
		count = turnctl_nft_judge(nft->ruleset, flows->flow, flows->count, flows->bridge,
					  list, MEETINGS);
	}
	listed = count > MEETINGS ? MEETINGS : count;
	for (i = 0; i < listed; i++) {
		bool tracks = list[i].effects == TURNCTL_NFT_TRACKS;

		if (!tracks || !tracked++)
			tell_meeting(doctor, nft, &list[i]);
		warned += !tracks;
	}
	if (!list || !flows || !flows->count)
		turnctl_doctor_tell(doctor, TURNCTL_WARNING, "nftables", "nftables",
				    "try again, or look at 'nft list ruleset'",
				    "cannot tell which rules relayed packets would meet");
	else if (count > listed)
		turnctl_doctor_tell(doctor, TURNCTL_WARNING, "nftables", "nftables",
				    "'nft list ruleset' lists them all",
				    "relayed packets would match more rules than the %d that "
				    "doctor lists", MEETINGS);
	else if (!warned)
		turnctl_doctor_tell(doctor, TURNCTL_FINE, "nftables", "nftables", NULL,
				    "no rule does anything to packets that are relayed");
	free(list);
	free(flows);
}

static void tell_nftables(const struct turnctl_doctor *doctor)
{
	struct turnctl_error err;
	struct turnctl_nft nft;
	int used = turnctl_nft_in_use();

	if (!used) {
		turnctl_doctor_tell(doctor, TURNCTL_FINE, "nftables", "nftables", NULL,
				    "it has no tables");
		return;
	}
	if (used < 0) {
		turnctl_doctor_tell(doctor, TURNCTL_WARNING, "nftables", "nftables",
				    "try again, or look at 'nft list ruleset'",
				    "the kernel does not tell whether it has tables, whose rules "
				    "relayed packets would not meet: %s", strerror(-used));
		return;
	}
	if (turnctl_nft_read(&nft, &err)) {
		turnctl_doctor_tell(doctor, TURNCTL_WARNING, "nftables", "nftables",
				    "install libnftables (Debian package: libnftables1), or look at "
				    "'nft list ruleset'",
				    "it has tables, and relayed packets do not meet their rules; "
				    "which of them would match is not known: %s", err.text);
		return;
	}
	tell_ruleset(doctor, &nft);
	turnctl_nft_free(&nft);
}

/* Its rules are in a format of their own; that there are tables is told here, and not what is in
 * them: one empty table is made by looking. */
static void tell_legacy(const struct turnctl_doctor *doctor)
{
	FILE *file = fopen("/proc/self/net/ip_tables_names", "re");
	char names[128] = "", name[40];
	size_t used;

	while (file && fgets(name, sizeof(name), file)) {
		name[strcspn(name, "\n")] = '\0';
		used = strlen(names);
		snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "", name);
	}
	if (file)
		fclose(file);
	if (names[0])
		turnctl_doctor_tell(doctor, TURNCTL_NOTE, "iptables", "iptables-legacy",
				    "'iptables-legacy-save' lists them",
				    "it has tables (%s), whose rules doctor cannot read; relayed "
				    "packets do not meet them", names);
}

void turnctl_doctor_rules(const struct turnctl_doctor *doctor)
{
	tell_nftables(doctor);
	tell_legacy(doctor);
}
