// SPDX-License-Identifier: GPL-2.0
/* turn_rem2cli: second of the chain, on client and relay devices. A peer's packet to a client. */
#include "chain.h"

TURN_RUN_CONFIG(turn_rem2cli, 1);

SEC("xdp")
int turn_rem2cli(struct xdp_md *ctx)
{
	struct turn_view view;
	struct turn_key4 key;

	if (!turn_look(ctx, &view, &key))
		return XDP_PASS;
	return turn_chain_verdict(&view, turn_stage_rem2cli(ctx, &view, 0));
}

char _license[] SEC("license") = "GPL";
