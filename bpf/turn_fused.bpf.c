// SPDX-License-Identifier: GPL-2.0
/*
 * turn_fused: the four stages in one program, for kernels on which programs cannot be chained and
 * for whoever wants the last nanoseconds. The same functions in the same order.
 */
#include <stdbool.h>

#include "heartbeat.h"
#include "requests.h"

SEC("xdp")
int turn_fused(struct xdp_md *ctx)
{
	/* read-only data is constant to the verifier: a relay device's copy loses the rest */
	bool client = turn_self.role == TURN_ROLE_CLIENT;
	struct turn_view view;
	struct turn_key4 key;
	__u32 verdict;

	if (!turn_look(ctx, &view, &key)) {
		turn_doubt_unread(ctx);
		return XDP_PASS;
	}
	verdict = client ? turn_stage_cli2rem(ctx, &view, 1) : TURN_STRANGER;
	if (verdict == TURN_STRANGER)
		verdict = turn_stage_rem2cli(ctx, &view, 1);
	if (verdict == TURN_RELAYED)
		return XDP_REDIRECT;
	if (verdict == TURN_STRANGER && client)
		turn_stage_stun(ctx, &view);
	else if (verdict == TURN_STRANGER)
		turn_doubt_read(&view);
	else
		verdict = turn_stage_heartbeat(ctx, &view, verdict, 1);
	return verdict == TURN_RELAYED ? XDP_REDIRECT : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
