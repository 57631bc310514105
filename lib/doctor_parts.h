/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of doctor share. */
#ifndef TURNCTL_DOCTOR_PARTS_H
#define TURNCTL_DOCTOR_PARTS_H

#include <stdbool.h>

#include "device.h"
#include "doctor.h"
#include "nft_match.h"

struct turnctl_patient {
	struct turnctl_link link;
	const struct turnctl_device_state *state; /* NULL: it is not attached */
	enum turn_role role; /* of one that is not attached: client, which does everything */
};

/* Is it attached in native mode, or would be? Then a bond's ports do it all, past what they have of
 * qdiscs, filters and rules. */
static inline bool turnctl_patient_native(const struct turnctl_patient *patient)
{
	return !patient->state || patient->state->chain.mode == TURN_NATIVE;
}

struct turnctl_doctor {
	const struct turnctl_doctor_wish *wish;
	bool open; /* there is an instance */
	struct turnctl_instance instance;
	struct turn_config config;
	struct turnctl_device_state state[TURN_DEVICES];
	int states;
	struct turnctl_patient patient[TURN_DEVICES];
	int patients;
	bool chains; /* the kernel can chain XDP programs */
};

/* Tells a finding about @object. @next may be NULL. */
void turnctl_doctor_tell(const struct turnctl_doctor *doctor, enum turnctl_level level,
			 const char *topic, const char *object, const char *next, const char *fmt,
			 ...) __attribute__((format(printf, 6, 7)));

/* False if it is of no use to go on. */
bool turnctl_doctor_kernel(struct turnctl_doctor *doctor);
void turnctl_doctor_device(const struct turnctl_doctor *doctor,
			   const struct turnctl_patient *patient);
void turnctl_doctor_queues(const struct turnctl_doctor *doctor,
			   const struct turnctl_patient *patient);
void turnctl_doctor_rules(const struct turnctl_doctor *doctor);

/* The packets that are relayed, as netfilter would have met them. */
struct turnctl_doctor_flows {
	struct turnctl_nft_flow flow[2 * TURN_LISTENERS + 2];
	int count;
	bool bridge; /* a device is a port of one */
};

void turnctl_doctor_flows(const struct turnctl_doctor *doctor, struct turnctl_doctor_flows *flows);

#endif
