// SPDX-License-Identifier: GPL-2.0
#include "doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor_parts.h"
#include "hint.h"
#include "kernel.h"

const char *turnctl_level_name(enum turnctl_level level)
{
	static const char *const names[] = { "ok", "note", "warning", "problem" };

	return names[level];
}

void turnctl_doctor_tell(const struct turnctl_doctor *doctor, enum turnctl_level level,
			 const char *topic, const char *object, const char *next, const char *fmt,
			 ...)
{
	struct turnctl_finding finding = { .level = level, .topic = topic };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(finding.text, sizeof(finding.text), fmt, ap);
	va_end(ap);
	snprintf(finding.object, sizeof(finding.object), "%s", object);
	snprintf(finding.next, sizeof(finding.next), "%s", next ? next : "");
	doctor->wish->tell(&finding, doctor->wish->data);
}

/* ---- the kernel ------------------------------------------------------------------------------ */

static bool is_fused(const struct turnctl_doctor *doctor)
{
	return doctor->states && (doctor->state[0].device.flags & TURN_FUSED);
}

static void tell_chain(struct turnctl_doctor *doctor)
{
	const char *why = turnctl_kernel_no_chain();

	doctor->chains = !why;
	if (!why)
		turnctl_doctor_tell(doctor, TURNCTL_FINE, "chain", "kernel", NULL,
				    "it can chain XDP programs");
	else if (is_fused(doctor))
		turnctl_doctor_tell(doctor, TURNCTL_NOTE, "chain", "kernel", NULL,
				    "it cannot chain XDP programs (it %s), and the devices are "
				    "attached with --fused", why);
	else
		turnctl_doctor_tell(doctor, TURNCTL_WARNING, "chain", "kernel",
				    "attach with --fused; the device must then run no other XDP "
				    "program",
				    "it cannot chain XDP programs (it %s)", why);
}

bool turnctl_doctor_kernel(struct turnctl_doctor *doctor)
{
	struct turnctl_error err;
	struct utsname name;

	if (turnctl_kernel_check(&err)) {
		turnctl_doctor_tell(doctor, TURNCTL_PROBLEM, "kernel", "kernel", NULL, "%s",
				    err.text);
		return false;
	}
	turnctl_doctor_tell(doctor, TURNCTL_FINE, "kernel", "kernel", NULL, "Linux %s",
			    uname(&name) ? "?" : name.release);
	tell_chain(doctor);
	return true;
}

/* ---- who is there ---------------------------------------------------------------------------- */

static const struct turnctl_device_state *find_state(const struct turnctl_doctor *doctor,
						     int ifindex)
{
	int i;

	for (i = 0; i < doctor->states; i++)
		if (doctor->state[i].exists && doctor->state[i].link.ifindex == ifindex)
			return &doctor->state[i];
	return NULL;
}

static void add_patient(struct turnctl_doctor *doctor, const struct turnctl_link *link)
{
	struct turnctl_patient *patient = &doctor->patient[doctor->patients];
	int i;

	for (i = 0; i < doctor->patients; i++)
		if (doctor->patient[i].link.ifindex == link->ifindex)
			return;
	if (doctor->patients == TURN_DEVICES)
		return;
	doctor->patients++;
	patient->link = *link;
	patient->state = find_state(doctor, link->ifindex);
	patient->role = patient->state ? patient->state->device.role : TURN_ROLE_CLIENT;
}

static int find_patients(struct turnctl_doctor *doctor, struct turnctl_error *err)
{
	const struct turnctl_doctor_wish *wish = doctor->wish;
	struct turnctl_link link;
	int i, code = 0;

	for (i = 0; i < wish->devices && !code; i++) {
		code = turnctl_link_by_name(wish->device[i], &link, err);
		if (!code)
			add_patient(doctor, &link);
	}
	for (i = 0; i < doctor->states && !wish->devices; i++)
		if (doctor->state[i].exists)
			add_patient(doctor, &doctor->state[i].link);
	return code;
}

/* The instance, if there is one. That it cannot be used is a finding, no failure. */
static int open_instance(struct turnctl_doctor *doctor, struct turnctl_error *err)
{
	const char *name = doctor->wish->instance;
	int code = turnctl_instance_open(&doctor->instance, name, false, err), count;

	if (code == -TURNCTL_NOT_ATTACHED)
		return 0;
	if (code) {
		turnctl_doctor_tell(doctor, TURNCTL_PROBLEM, "instance", name, NULL, "%s",
				    err->text);
		return 0;
	}
	doctor->open = true;
	code = turnctl_config_read(&doctor->instance, &doctor->config, err);
	count = code ? code : turnctl_devices_read(&doctor->instance, doctor->state, err);
	doctor->states = count < 0 ? 0 : count;
	return count < 0 ? count : 0;
}

static int examine(struct turnctl_doctor *doctor, struct turnctl_error *err)
{
	int code, i;

	code = open_instance(doctor, err);
	if (!code)
		code = find_patients(doctor, err);
	if (code || !turnctl_doctor_kernel(doctor))
		return code;
	if (!doctor->patients)
		turnctl_doctor_tell(doctor, TURNCTL_NOTE, "device", doctor->wish->instance,
				    turnctl_hint(doctor->wish->instance, "doctor DEV").text,
				    "no device is attached; name one to hear whether it would do");
	for (i = 0; i < doctor->patients; i++) {
		turnctl_doctor_device(doctor, &doctor->patient[i]);
		turnctl_doctor_queues(doctor, &doctor->patient[i]);
	}
	if (doctor->patients)
		turnctl_doctor_rules(doctor);
	return 0;
}

int turnctl_doctor(const struct turnctl_doctor_wish *wish, struct turnctl_error *err)
{
	struct turnctl_doctor *doctor;
	int code;

	if (geteuid())
		return turnctl_fail(err, EPERM, "only root can see the programs, queues and rules "
				    "that doctor looks at");
	doctor = calloc(1, sizeof(*doctor));
	if (!doctor)
		return turnctl_fail(err, ENOMEM, "out of memory");
	doctor->wish = wish;
	code = examine(doctor, err);
	if (doctor->open)
		turnctl_instance_close(&doctor->instance);
	free(doctor);
	return code;
}
