// SPDX-License-Identifier: GPL-2.0
#include "nft.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"

/* ---- is there anything to read? -------------------------------------------------------------- */

static int count_table(struct nl_msg *msg, void *data)
{
	(void)msg;
	++*(int *)data;
	return NL_OK;
}

/* Without nfnetlink there is no such protocol (EPROTONOSUPPORT), and without nf_tables nobody who
 * takes the message (EINVAL). */
static bool is_missing(int code)
{
	return code == -NLE_PROTO_MISMATCH || code == -NLE_INVAL;
}

int turnctl_nft_in_use(void)
{
	struct nfgenmsg header = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 };
	struct nl_sock *sock = nl_socket_alloc();
	int tables = 0, code;

	if (!sock)
		return -ENOMEM;
	code = nl_connect(sock, NETLINK_NETFILTER);
	if (code >= 0)
		code = nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, count_table, &tables);
	if (code >= 0)
		code = nl_send_simple(sock, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE,
				      NLM_F_DUMP, &header, sizeof(header));
	if (code >= 0)
		code = nl_recvmsgs_default(sock);
	nl_socket_free(sock);
	if (code < 0 && !is_missing(code))
		return -turnctl_netlink_errno(code);
	return tables > 0;
}

/* ---- libnftables ----------------------------------------------------------------------------- */

#define LIBRARY "libnftables.so.1"
/* nftables/libnftables.h */
#define OUTPUT_STATELESS (1 << 2)
#define OUTPUT_HANDLE (1 << 3)
#define OUTPUT_JSON (1 << 4)

struct nft_ctx;

struct library {
	void *handle;
	struct nft_ctx *(*new_context)(uint32_t flags);
	void (*free_context)(struct nft_ctx *ctx);
	void (*set_flags)(struct nft_ctx *ctx, unsigned int flags);
	int (*buffer_output)(struct nft_ctx *ctx);
	int (*buffer_error)(struct nft_ctx *ctx);
	const char *(*output)(struct nft_ctx *ctx);
	const char *(*error)(struct nft_ctx *ctx);
	int (*run)(struct nft_ctx *ctx, const char *command);
};

static int open_library(struct library *library, struct turnctl_error *err)
{
	const struct {
		const char *name;
		void *to;
	} functions[] = {
		{ "nft_ctx_new", &library->new_context },
		{ "nft_ctx_free", &library->free_context },
		{ "nft_ctx_output_set_flags", &library->set_flags },
		{ "nft_ctx_buffer_output", &library->buffer_output },
		{ "nft_ctx_buffer_error", &library->buffer_error },
		{ "nft_ctx_get_output_buffer", &library->output },
		{ "nft_ctx_get_error_buffer", &library->error },
		{ "nft_run_cmd_from_buffer", &library->run },
	};
	size_t i;
	void *function;

	library->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library->handle)
		return turnctl_fail(err, ELIBACC, "%s cannot be opened: %s", LIBRARY, dlerror());
	for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		function = dlsym(library->handle, functions[i].name);
		if (!function) {
			dlclose(library->handle);
			return turnctl_fail(err, ELIBACC, "%s has no %s", LIBRARY,
					    functions[i].name);
		}
		memcpy(functions[i].to, &function, sizeof(function));
	}
	return 0;
}

/* What `nft list ruleset` prints with these flags, for the caller to free; NULL and @err. */
static char *list_ruleset(const struct library *library, unsigned int flags,
			  struct turnctl_error *err)
{
	struct nft_ctx *ctx = library->new_context(0);
	char *text = NULL;

	if (!ctx || library->buffer_output(ctx) || library->buffer_error(ctx)) {
		turnctl_fail(err, EIO, "%s cannot be used", LIBRARY);
	} else {
		library->set_flags(ctx, flags);
		if (library->run(ctx, "list ruleset"))
			turnctl_fail(err, EIO, "%s cannot read the rules: %.256s", LIBRARY,
				     library->error(ctx));
		else
			text = strdup(library->output(ctx));
	}
	if (ctx)
		library->free_context(ctx);
	return text;
}

/* ---- devices of chains, which libnftables 1.0.6 leaves out of its JSON ----------------------- */

/* The line behind the next one that begins with @begins, or NULL. */
static const char *line_behind(const char *line, const char *begins)
{
	const char *next;

	for (; line && *line; line = next) {
		next = strchr(line, '\n');
		next = next ? next + 1 : NULL;
		if (!strncmp(line, begins, strlen(begins)))
			return next;
	}
	return NULL;
}

/* The names in "hook ingress device "a" priority ..." or "devices = { a, b } priority ...". */
static struct json_object *read_devices(const char *line)
{
	static const char *const between = " ={},\"";
	const char *end = strstr(line, " priority "), *eol = strchr(line, '\n');
	const char *at = strstr(line, " device");
	struct json_object *names;

	if (!at || !end || !eol || end > eol || at > end)
		return NULL;
	names = json_object_new_array();
	at += strlen(" device");
	at += *at == 's';
	for (at += strspn(at, between); at < end; at += strspn(at, between)) {
		size_t length = strcspn(at, between);

		json_object_array_add(names, json_object_new_string_len(at, (int)length));
		at += length;
	}
	return names;
}

static void add_devices(const struct turnctl_nft *nft, struct json_object *chain)
{
	const char *family = json_object_get_string(json_object_object_get(chain, "family"));
	const char *table = json_object_get_string(json_object_object_get(chain, "table"));
	const char *name = json_object_get_string(json_object_object_get(chain, "name"));
	struct json_object *devices;
	const char *line;
	char begins[300];

	if (!family || !table || !name || !json_object_object_get(chain, "hook") ||
	    json_object_object_get(chain, "dev"))
		return;
	snprintf(begins, sizeof(begins), "table %s %s {", family, table);
	line = line_behind(nft->text, begins);
	snprintf(begins, sizeof(begins), "\tchain %s {", name);
	line = line_behind(line, begins);
	devices = line ? read_devices(line) : NULL;
	if (devices)
		json_object_object_add(chain, "dev", devices);
}

static void add_all_devices(const struct turnctl_nft *nft)
{
	struct json_object *all = json_object_object_get(nft->ruleset, "nftables");
	size_t i;

	for (i = 0; json_object_is_type(all, json_type_array) &&
		    i < json_object_array_length(all); i++)
		add_devices(nft, json_object_object_get(json_object_array_get_idx(all, i),
							"chain"));
}

/* ---------------------------------------------------------------------------------------------- */

int turnctl_nft_read(struct turnctl_nft *nft, struct turnctl_error *err)
{
	struct library library;
	char *json;
	int code;

	memset(nft, 0, sizeof(*nft));
	code = open_library(&library, err);
	if (code)
		return code;
	json = list_ruleset(&library, OUTPUT_JSON, err);
	if (json) {
		nft->ruleset = json_tokener_parse(json);
		if (nft->ruleset)
			nft->text = list_ruleset(&library, OUTPUT_STATELESS | OUTPUT_HANDLE, err);
		else
			turnctl_fail(err, EIO, "%s was built without JSON", LIBRARY);
	}
	free(json);
	dlclose(library.handle);
	if (nft->text) {
		add_all_devices(nft);
		return 0;
	}
	turnctl_nft_free(nft);
	return -EIO;
}

void turnctl_nft_free(struct turnctl_nft *nft)
{
	json_object_put(nft->ruleset);
	free(nft->text);
	memset(nft, 0, sizeof(*nft));
}

/* Handles are unique in a table; a table begins with "table FAMILY NAME {". */
const char *turnctl_nft_rule_text(const struct turnctl_nft *nft, const char *family,
				  const char *table, long handle, char *buf, size_t size)
{
	char begins[300], ends[40];
	const char *line, *next;
	bool inside = false;

	snprintf(begins, sizeof(begins), "table %s %s {", family, table);
	snprintf(ends, sizeof(ends), " # handle %ld", handle);
	buf[0] = '\0';
	for (line = nft->text; line && *line; line = next ? next + 1 : NULL) {
		size_t length, tail = strlen(ends);

		next = strchr(line, '\n');
		length = next ? (size_t)(next - line) : strlen(line);
		if (!strncmp(line, "table ", 6)) {
			inside = !strncmp(line, begins, strlen(begins));
			continue; /* its own handle is another kind's */
		}
		if (!inside || length <= tail || strncmp(line + length - tail, ends, tail))
			continue;
		line += strspn(line, "\t ");
		length = next ? (size_t)(next - line) : strlen(line);
		snprintf(buf, size, "%.*s", (int)(length - tail), line);
		break;
	}
	return buf;
}
