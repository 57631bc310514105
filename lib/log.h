/* SPDX-License-Identifier: GPL-2.0 */
/* What libbpf and libxdp have to say, and what the kernel told them. */
#ifndef TURNCTL_LOG_H
#define TURNCTL_LOG_H

/* Where their messages go; NULL: nowhere. To be called once in any case, so that the two print
 * nothing themselves. */
void turnctl_log_to(void (*log)(const char *text));

/* Forgets what turnctl_log_kernel() knows: before a call whose error is to be explained. */
void turnctl_log_forget(void);

/* The kernel's own words for the last attach that it refused (netlink's extended acknowledgement,
 * without newline or full stop), or "": it gave none. Good until the next attach. */
const char *turnctl_log_kernel(void);

#endif
