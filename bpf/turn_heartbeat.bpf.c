// SPDX-License-Identifier: GPL-2.0
/*
 * turn_heartbeat: last of the chain, on all devices. Books the packets of known flows that go to
 * the server. A fast stage on this CPU has just said which those are; the note is only good for
 * the very packet it was written for.
 */
#include "chain.h"
#include "heartbeat.h"

TURN_RUN_CONFIG(turn_heartbeat, 3);

/* Finds the noted flow again and looks at the frame as the fast stage did. */
static __always_inline int turn_reread(struct turn_view *view, const struct turn_declined *note)
{
	const struct turn_key4 *key = &note->key;

	if (key->saddr != view->key->saddr || key->daddr != view->key->daddr ||
	    key->sport != view->key->sport || key->dport != view->key->dport)
		return 0;
	if (key->channel)
		turn_find_cli2rem(view);
	else
		turn_find_rem2cli(view);
	return view->flow && view->key->channel == key->channel;
}

SEC("xdp")
int turn_heartbeat(struct xdp_md *ctx)
{
	struct turn_declined *note = turn_note();
	struct turn_view view;
	struct turn_key4 key;
	__u32 verdict;

	if (!note || !note->noted)
		return XDP_PASS;
	note->noted = 0;
	verdict = note->verdict;
	if (!turn_look(ctx, &view, &key) || !turn_reread(&view, note))
		return XDP_PASS;
	if (verdict == TURN_DUE && turn_inspect(&view) != TURN_RELAY)
		return XDP_PASS;
	return turn_stage_heartbeat(ctx, &view, verdict, 0) == TURN_RELAYED ? XDP_REDIRECT
									    : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
