// SPDX-License-Identifier: GPL-2.0
/* turn_rem2cli: second of the chain, on client and relay devices. A peer's packet to a client. */
#include <stdbool.h>

#include "chain.h"
#include "doubts.h"

TURN_RUN_CONFIG(turn_rem2cli, 1);

SEC("xdp")
int turn_rem2cli(struct xdp_md *ctx)
{
	/* a client device has a stage of its own for it */
	bool doubts = turn_self.role == TURN_ROLE_RELAY;
	struct turn_view view;
	struct turn_key4 key;
	__u32 verdict;

	if (!turn_look(ctx, &view, &key)) {
		if (doubts)
			turn_doubt_unread(ctx);
		return XDP_PASS;
	}
	verdict = turn_stage_rem2cli(ctx, &view, 0);
	if (verdict == TURN_STRANGER && doubts)
		turn_doubt_read(&view);
	return turn_chain_verdict(&view, verdict);
}

char _license[] SEC("license") = "GPL";
