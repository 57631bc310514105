// SPDX-License-Identifier: GPL-2.0
/* turnctl version */
#include <bpf/libbpf.h>
#include <stdio.h>

#include "abi.h"
#include "cli.h"
#include "output.h"

static const struct argp argp = { NULL, NULL, NULL, "Versions of turnctl, libbpf and the maps.",
				  NULL, NULL, NULL };

int cli_version(struct cli *cli, int argc, char **argv)
{
	struct json_object *document;

	cli_parse(cli, &argp, "version", argc, argv, NULL);
	if (!cli->json) {
		printf("turnctl %s (libbpf %s, map layout %d)\n", PACKAGE_VERSION,
		       libbpf_version_string(), TURN_ABI);
		return CLI_DONE;
	}
	document = output_document();
	output_text(document, "turnctl", PACKAGE_VERSION);
	output_text(document, "libbpf", libbpf_version_string());
	output_number(document, "layout", TURN_ABI);
	output_json(cli, document);
	return CLI_DONE;
}
