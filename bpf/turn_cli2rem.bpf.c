// SPDX-License-Identifier: GPL-2.0
/* turn_cli2rem: first of the chain, on client devices. ChannelData from a client to its peer. */
#include "chain.h"

TURN_RUN_CONFIG(turn_cli2rem, 0);

SEC("xdp")
int turn_cli2rem(struct xdp_md *ctx)
{
	struct turn_view view;
	struct turn_key4 key;

	if (!turn_look(ctx, &view, &key))
		return XDP_PASS;
	return turn_chain_verdict(&view, turn_stage_cli2rem(ctx, &view, 0));
}

char _license[] SEC("license") = "GPL";
