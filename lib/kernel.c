// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/libbpf.h>

int turnctl_kernel_check(struct turnctl_error *err)
{
	unsigned int major, minor;
	struct utsname name;

	/* what does not look like a version may be anything, and is left to try */
	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return 0;
	if (major > TURNCTL_KERNEL_MAJOR ||
	    (major == TURNCTL_KERNEL_MAJOR && minor >= TURNCTL_KERNEL_MINOR))
		return 0;
	return turnctl_fail(err, EOPNOTSUPP, "turnctl needs Linux %d.%d or newer, and this is "
			    "Linux %s; boot a newer kernel", TURNCTL_KERNEL_MAJOR,
			    TURNCTL_KERNEL_MINOR, name.release);
}

const char *turnctl_kernel_no_chain(void)
{
	if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_EXT, NULL) == 1)
		return NULL;
	return access("/sys/kernel/btf/vmlinux", F_OK) ? "has no BTF, CONFIG_DEBUG_INFO_BTF"
						       : "refuses freplace";
}
