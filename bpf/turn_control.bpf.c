// SPDX-License-Identifier: GPL-2.0
/*
 * turn_control: attached nowhere. The command runs it with a struct turn_control as the packet,
 * to change the tables in place and by the same routines as the packet path. Returns 0 or a
 * positive errno.
 */
#include "answers.h"

static __always_inline void turn_take_static_hop(const struct turn_control *c, int which,
						 struct turn_flow *flow)
{
	__builtin_memcpy(flow->dmac, c->hop[which].dmac, ETH_ALEN);
	__builtin_memcpy(flow->smac, c->hop[which].smac, ETH_ALEN);
	flow->ifindex = c->hop[which].ifindex;
	flow->mtu = c->hop[which].mtu;
	flow->hop = c->hop[which].ip;
	flow->kept = c->hop[which].kept;
}

static __always_inline int turn_add_static(const struct turn_control *c)
{
	struct turn_work *work = turn_get_work(1);
	struct turn_key4 key = c->key[0], rem_key = c->key[1];
	int err;

	if (!work)
		return EINVAL;
	__builtin_memset(&work->cli, 0, sizeof(work->cli));
	work->cli.saddr = turn_ip4(rem_key.daddr);
	work->cli.daddr = turn_ip4(rem_key.saddr);
	work->cli.sport = rem_key.dport;
	work->cli.dport = rem_key.sport;
	work->cli.channel = key.channel;
	work->cli.flags = TURN_STATIC;
	work->cli.state = TURN_OFFLOADED;
	work->cli.created = bpf_jiffies64();
	turn_mirror(&key, &work->cli, &work->rem);
	turn_take_static_hop(c, 0, &work->cli);
	turn_take_static_hop(c, 1, &work->rem);

	err = bpf_map_update_elem(&turn_flows, &rem_key, &work->rem, BPF_NOEXIST);
	if (err)
		return -err;
	err = bpf_map_update_elem(&turn_flows, &key, &work->cli, BPF_NOEXIST);
	if (err) {
		bpf_map_delete_elem(&turn_flows, &rem_key);
		return -err;
	}
	turn_port_get(key.dport);
	turn_port_get(rem_key.dport);
	return 0;
}

static __always_inline int turn_keep(const struct turn_control *c)
{
	struct turn_key4 key = c->key[0];
	struct turn_flow *flow = bpf_map_lookup_elem(&turn_flows, &key);

	if (!flow || !(flow->flags & TURN_STATIC))
		return ENOENT;
	flow->kept = c->hop[0].kept;
	return 0;
}

static __always_inline int turn_delete(const struct turn_control *c)
{
	struct turn_key4 key = c->key[0], rem_key;
	struct turn_flow *cli, *rem;

	cli = bpf_map_lookup_elem(&turn_flows, &key);
	if (!cli)
		return ENOENT;
	turn_partner_key(&key, cli, &rem_key);
	rem = bpf_map_lookup_elem(&turn_flows, &rem_key);
	if (rem && !turn_are_partners(&key, rem))
		rem = NULL; /* another channel's by now */
	if (cli->flags & TURN_STATIC) {
		turn_flow_drop(&key);
		if (rem)
			turn_flow_drop(&rem_key);
		return 0;
	}
	__sync_fetch_and_or(&cli->flags, TURN_WITHDRAWN);
	turn_suspend(cli, TURN_REASON_WITHDRAWN);
	if (rem) {
		__sync_fetch_and_or(&rem->flags, TURN_WITHDRAWN);
		turn_suspend(rem, TURN_REASON_WITHDRAWN);
	}
	return 0;
}

SEC("xdp")
int turn_control(struct xdp_md *ctx)
{
	struct turn_control *c = (void *)(long)ctx->data;

	if ((void *)(c + 1) > (void *)(long)ctx->data_end)
		return EINVAL;
	switch (c->operation) {
	case TURN_NOW:
		c->now = bpf_jiffies64();
		return 0;
	case TURN_ADD_STATIC:
		return turn_add_static(c);
	case TURN_DELETE:
		return turn_delete(c);
	case TURN_KEEP:
		return turn_keep(c);
	case TURN_SERVE:
		turn_port_get(c->key[0].dport);
		return 0;
	case TURN_UNSERVE:
		turn_port_put(c->key[0].dport);
		return 0;
	}
	return EINVAL;
}

char _license[] SEC("license") = "GPL";
