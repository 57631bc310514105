// SPDX-License-Identifier: GPL-2.0
/* doctor: queues and filters of traffic control, which relayed packets are sent past. */
#include <stdio.h>
#include <string.h>

#include "doctor_parts.h"
#include "owner.h"
#include "doctor_tc.h"

/* These share a device among those who send, and neither shape nor sort by an operator's word. */
static bool is_plain(const struct turnctl_traffic_qdisc *qdisc)
{
	static const char *const plain[] = { "noqueue", "pfifo_fast", "pfifo", "bfifo", "fq",
					     "fq_codel", "fq_pie", "codel", "pie", "sfq", "mq" };
	size_t i;

	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (!strcmp(qdisc->kind, plain[i]))
			return !qdisc->paces;
	return false;
}

/* One of a multi-queue device's is told for all. */
static bool is_same(const struct turnctl_traffic_qdisc *a, const struct turnctl_traffic_qdisc *b)
{
	return !strcmp(a->kind, b->kind) && a->paces == b->paces;
}

static void tell_qdiscs(const struct turnctl_doctor *doctor, const char *device,
			const struct turnctl_traffic *tc)
{
	const struct turnctl_traffic_qdisc *qdisc;
	int i, j, told = 0;

	for (i = 0; i < tc->qdiscs; i++) {
		qdisc = &tc->qdisc[i];
		for (j = 0; j < i && !is_same(&tc->qdisc[j], qdisc); j++)
			;
		if (is_plain(qdisc) || j < i)
			continue;
		told++;
		turnctl_doctor_tell(doctor, TURNCTL_WARNING, "qdisc", device,
				    "where they must be shaped, have a router behind this host do it",
				    "qdisc %s (%x:) shapes or sorts what leaves, and relayed packets "
				    "are sent past it: they neither wait nor count", qdisc->kind,
				    qdisc->handle >> 16);
	}
	if (!told && tc->qdiscs)
		turnctl_doctor_tell(doctor, TURNCTL_FINE, "qdisc", device, NULL,
				    "qdisc %s does not shape", tc->qdisc[0].kind);
}

static void tell_filters(const struct turnctl_doctor *doctor, const char *device,
			 const struct turnctl_traffic *tc)
{
	const struct turnctl_traffic_filter *filter;
	char what[128];
	int i;

	for (i = 0; i < tc->filters; i++) {
		filter = &tc->filter[i];
		if (filter->id && turnctl_program_owner(filter->id))
			continue;
		if (filter->id)
			snprintf(what, sizeof(what), "program '%s' (%s, id %u)", filter->name,
				 filter->kind, filter->id);
		else
			snprintf(what, sizeof(what), "filter %s (preference %u)", filter->kind,
				 filter->pref);
		turnctl_doctor_tell(doctor, TURNCTL_WARNING, "filter", device,
				    "what it must see needs an XDP program before turnctl's",
				    "TC %s at %s does not see what is relayed", what,
				    filter->egress ? "egress" : "ingress");
	}
}

static void tell_traffic(const struct turnctl_doctor *doctor, const struct turnctl_link *link)
{
	struct turnctl_error err;
	struct turnctl_traffic tc;

	if (turnctl_traffic_read(link->ifindex, &tc, &err)) {
		turnctl_doctor_tell(doctor, TURNCTL_WARNING, "qdisc", link->name,
				    "look at 'tc qdisc show' and 'tc filter show'", "%s",
				    err.text);
		return;
	}
	tell_qdiscs(doctor, link->name, &tc);
	tell_filters(doctor, link->name, &tc);
}

static int tell_port(const struct turnctl_link *port, void *doctor,
		     struct turnctl_error *err __attribute__((unused)))
{
	tell_traffic(doctor, port);
	return 0;
}

void turnctl_doctor_queues(const struct turnctl_doctor *doctor,
			   const struct turnctl_patient *patient)
{
	tell_traffic(doctor, &patient->link);
	if (turnctl_patient_native(patient))
		turnctl_link_each_port(&patient->link, tell_port, (void *)doctor, NULL);
}
