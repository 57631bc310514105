// SPDX-License-Identifier: GPL-2.0
#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define LO_FORWARDING "/proc/sys/net/ipv4/conf/lo/forwarding"

int turnctl_lo_forwarding(struct turnctl_error *err)
{
	int fd = open(LO_FORWARDING, O_RDONLY | O_CLOEXEC);
	char value = 0;
	ssize_t n;

	if (fd < 0)
		return turnctl_fail_errno(err, errno, "cannot open " LO_FORWARDING);
	n = read(fd, &value, 1);
	close(fd);
	if (n != 1)
		return turnctl_fail(err, EIO, "cannot read " LO_FORWARDING);
	return value == '1';
}

int turnctl_lo_forwarding_set(int value, struct turnctl_error *err)
{
	int fd = open(LO_FORWARDING, O_WRONLY | O_CLOEXEC), code = 0;

	if (fd < 0)
		return turnctl_fail_errno(err, errno, "cannot open " LO_FORWARDING);
	if (write(fd, value ? "1" : "0", 1) != 1)
		code = turnctl_fail_errno(err, errno, "cannot write " LO_FORWARDING);
	close(fd);
	return code;
}
