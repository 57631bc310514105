// SPDX-License-Identifier: GPL-2.0
/* turn_stun: third of the chain, on client devices. Remembers requests to served listeners. */
#include "chain.h"
#include "requests.h"

TURN_RUN_CONFIG(turn_stun, 2);

SEC("xdp")
int turn_stun(struct xdp_md *ctx)
{
	struct turn_view view;
	struct turn_key4 key;

	if (turn_look(ctx, &view, &key))
		turn_stage_stun(ctx, &view);
	else
		turn_doubt_unread(ctx);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
