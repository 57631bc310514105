// SPDX-License-Identifier: GPL-2.0
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

/* libbpf's nlattr.c, the same since 2018 */
#define KERNEL_SAYS "Kernel error message: "

static void (*log_sink)(const char *text);
static char kernel[256];

static void note_kernel(const char *text)
{
	const char *says = strstr(text, KERNEL_SAYS);

	if (!says)
		return;
	snprintf(kernel, sizeof(kernel), "%s", says + strlen(KERNEL_SAYS));
	kernel[strcspn(kernel, "\n")] = '\0';
	if (kernel[0] && kernel[strlen(kernel) - 1] == '.')
		kernel[strlen(kernel) - 1] = '\0';
}

static void log_text(const char *fmt, va_list ap)
{
	char *text; /* the verifier's log comes as one message, a megabyte at times */

	if (vasprintf(&text, fmt, ap) < 0)
		return;
	note_kernel(text);
	if (log_sink)
		log_sink(text);
	free(text);
}

static int log_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (level != LIBBPF_DEBUG)
		log_text(fmt, ap);
	return 0;
}

static int log_libxdp(enum libxdp_print_level level, const char *fmt, va_list ap)
{
	if (level != LIBXDP_DEBUG)
		log_text(fmt, ap);
	return 0;
}

void turnctl_log_to(void (*log)(const char *text))
{
	log_sink = log;
	libbpf_set_print(log_libbpf);
	libxdp_set_print(log_libxdp);
}

void turnctl_log_forget(void)
{
	kernel[0] = '\0';
}

const char *turnctl_log_kernel(void)
{
	return kernel;
}
