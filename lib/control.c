// SPDX-License-Identifier: GPL-2.0
#include "control.h"

#include <errno.h>

#include <bpf/bpf.h>

int turnctl_control_run(const struct turnctl_instance *instance, struct turn_control *c)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = c, .data_size_in = sizeof(*c),
		    .data_out = c, .data_size_out = sizeof(*c), .repeat = 1);

	if (bpf_prog_test_run_opts(instance->control, &opts))
		return -errno;
	return -(int)opts.retval;
}

__u64 turnctl_now(const struct turnctl_instance *instance, struct turnctl_error *err)
{
	struct turn_control c = { .operation = TURN_NOW };
	int code = turnctl_control_run(instance, &c);

	if (!code)
		return c.now;
	turnctl_fail_errno(err, -code, "cannot run turn_control");
	return 0;
}
