/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The server's answers. A success response that answers a remembered request is the server's
 * word: state is made, renewed or ended by it. Errors change nothing, since anyone can provoke
 * them by spoofing a request; but for 437, which says that there is no such allocation.
 */
#ifndef TURN_ANSWERS_H
#define TURN_ANSWERS_H

#include "heartbeat.h"
#include "requests.h"
#include "sweep.h"

static __always_inline struct turn_work *turn_get_work(__u32 which)
{
	return bpf_map_lookup_elem(&turn_work, &which);
}

/* ---- Allocate -------------------------------------------------------------------------------- */

/* Is there a socket here under exactly this address, for anybody's packets? */
static __always_inline int turn_is_bound(struct __sk_buff *skb, __be32 ip, __be16 port)
{
	struct bpf_sock_tuple tuple = {};

	tuple.ipv4.daddr = ip;
	tuple.ipv4.dport = port;
	return turn_has_socket(skb, &tuple);
}

/*
 * The relay's address on the wire, given the one that the client was told. Behind 1:1 NAT they
 * differ: as --external-ip says, or, where nothing was said, the listener's own address if that
 * is where the socket is. A wrong guess relays nothing: no twin would ever come.
 */
static __always_inline __be32 turn_wire_relay(struct __sk_buff *skb,
					      const struct turn_config *config, __be32 pub,
					      __be16 port, __be32 server)
{
	int i;

	for (i = 0; i < TURN_EXTERNAL; i++) {
		const struct turn_external *external = &config->external[i];

		if (external->pub.v4 && external->pub.v4 == pub)
			return external->priv.v4 ? external->priv.v4 : server;
	}
	if (!turn_is_bound(skb, pub, port) && turn_is_bound(skb, server, port))
		return server;
	return pub;
}

/* Makes the table entry of a new allocation. NULL if there is no room. */
static __always_inline struct turn_alloc *turn_alloc_new(const struct turn_key4 *tuple,
							 const struct turn_config *config)
{
	struct turn_work *work = turn_get_work(0);
	struct turn_alloc *alloc;
	__u32 slot;

	if (!work)
		return NULL;
	slot = turn_slot_take(config);
	if (!slot)
		return NULL;
	((struct turn_alloc *)work->alloc)->slot = slot;
	if (bpf_map_update_elem(&turn_allocs, tuple, work->alloc, BPF_NOEXIST)) {
		turn_slot_free(slot);
		return NULL;
	}
	alloc = bpf_map_lookup_elem(&turn_allocs, tuple);
	if (!alloc)
		return NULL;
	bpf_timer_init(&alloc->timer, &turn_allocs, 1 /* CLOCK_MONOTONIC */);
	bpf_timer_set_callback(&alloc->timer, turn_timer);
	return alloc;
}

static __always_inline void turn_answer_allocate(struct __sk_buff *skb,
						 const struct turn_key4 *tuple,
						 const struct stun_message *m,
						 const struct turn_config *config, __u64 now)
{
	struct turn_pending *pending;
	struct turn_pending4 key;
	struct turn_alloc *alloc;
	union turn_ip pub, relay;
	__u64 lifetime;

	turn_pending_key(tuple, m->transaction, &key);
	pending = bpf_map_lookup_elem(&turn_pendings, &key);
	if (!pending || pending->poisoned || pending->transport != IPPROTO_UDP ||
	    now > pending->when + TURN_ANSWER_LASTS * config->hz) {
		turn_event(TURN_EVENT_UNMATCHED);
		return;
	}
	if (!(m->has & STUN_HAS_RELAYED))
		return; /* IPv6 only */
	pub = turn_ip4(m->relayed.ip[0]);
	relay = turn_ip4(turn_wire_relay(skb, config, pub.v4, m->relayed.port, tuple->daddr));
	if (turn_served_anywhere(config, m->relayed.port)) {
		turn_event(TURN_EVENT_ECHOED); /* no server relays from where it listens */
		return;
	}
	if (!config->hz || turn_is_doubted(tuple, now / config->hz)) {
		turn_event(TURN_EVENT_DOUBTED);
		return;
	}
	lifetime = (m->has & STUN_HAS_LIFETIME) ? m->lifetime : config->allocation_lifetime;

	alloc = bpf_map_lookup_elem(&turn_allocs, tuple);
	if (alloc && turn_same_transaction(alloc->transaction, m->transaction))
		return; /* a retransmission's answer: it repeats the first, time included */
	if (!alloc)
		alloc = turn_alloc_new(tuple, config);
	if (!alloc) {
		turn_event(TURN_EVENT_FULL_ALLOCATIONS);
		return;
	}
	alloc->epoch = turn_epoch_begin(alloc->slot);
	alloc->relay = relay;
	alloc->public_relay = pub;
	alloc->relay_port = m->relayed.port;
	alloc->cookie = 0;
	__builtin_memcpy(alloc->transaction, m->transaction, sizeof(alloc->transaction));
	alloc->created = now;
	alloc->expires = now + lifetime * config->hz;
	turn_arm(alloc, config, now, alloc->expires + config->hz);
	bpf_map_delete_elem(&turn_pendings, &key);
	turn_event(TURN_EVENT_ALLOCATED);
}

/* ---- granted for less time than before ------------------------------------------------------- */

/*
 * The flow's end is @end now, not only from its next heartbeat on, when it reckons anew. (One that
 * is being reckoned on another CPU at this moment may miss it until then.)
 */
static __always_inline void turn_bring_forward(struct turn_flow *flow, __u64 end)
{
	__u64 deadline;

	if (end < flow->until)
		flow->until = end;
	/* by whoever moves it meanwhile, it may be stopped for good */
	deadline = flow->deadline;
	if (end < deadline)
		__sync_val_compare_and_swap(&flow->deadline, deadline, end);
}

struct turn_channels {
	const struct turn_alloc *alloc;
	struct turn_key4 key;
};

/* Looks at the channel with this number, counted from the first there may be. */
static long turn_shorten_channel(__u32 i, struct turn_channels *c)
{
	__u32 bit = i % TURN_CHANNEL_BITS;
	struct turn_permission_key permission_key;
	struct turn_permission *permission;
	struct turn_flow *cli, *rem;
	struct turn_key4 key = c->key, rem_key;

	if (!(c->alloc->channels[bit / 64] & 1ULL << (bit % 64)))
		return 0;
	key.channel = packet_be16(CHANNEL_FIRST + i);
	cli = bpf_map_lookup_elem(&turn_flows, &key);
	if (!cli || cli->slot != c->alloc->slot || cli->epoch != c->alloc->epoch)
		return 0;
	turn_permission_key_of(cli, &cli->daddr, &permission_key);
	permission = bpf_map_lookup_elem(&turn_perms, &permission_key);
	if (!permission)
		return 0;
	turn_bring_forward(cli, permission->expires);
	turn_partner_key(&key, cli, &rem_key);
	rem = bpf_map_lookup_elem(&turn_flows, &rem_key);
	if (rem && turn_are_partners(&key, rem))
		turn_bring_forward(rem, permission->expires);
	return 0;
}

/*
 * A permission of the allocation ends sooner than it did. Which channels share it is written
 * nowhere, so all are looked at: that a lifetime gets shorter is rare, since the operator does it.
 */
static __always_inline void turn_shorten(const struct turn_key4 *tuple,
					 const struct turn_alloc *alloc)
{
	struct turn_channels c = { .alloc = alloc, .key = *tuple };

	bpf_loop(CHANNEL_LAST - CHANNEL_FIRST + 1, turn_shorten_channel, &c, 0);
}

/* ---- ChannelBind ----------------------------------------------------------------------------- */

static __always_inline void turn_renew(struct turn_flow *flow, __u64 expires)
{
	flow->expires = expires;
	turn_bring_forward(flow, expires);
	if (flow->flags & TURN_WITHDRAWN) {
		__sync_fetch_and_and(&flow->flags, ~TURN_WITHDRAWN);
		flow->state = TURN_SUSPENDED;
		flow->reason = TURN_REASON_UNCONFIRMED;
	}
}

/* Another client's channel may still have our peer's key: the relay address is ours now. */
static __always_inline void turn_take_key(const struct turn_key4 *cli_key,
					  const struct turn_key4 *rem_key)
{
	struct turn_flow *rem = bpf_map_lookup_elem(&turn_flows, rem_key);
	struct turn_key4 other_key;
	struct turn_flow *other;

	if (!rem || turn_are_partners(cli_key, rem))
		return;
	turn_partner_key(rem_key, rem, &other_key);
	other = bpf_map_lookup_elem(&turn_flows, &other_key);
	turn_suspend(rem, TURN_REASON_TAKEN);
	if (other && other->daddr.v4 == rem_key->saddr && other->dport == rem_key->sport) {
		__sync_fetch_and_or(&other->flags, TURN_WITHDRAWN);
		turn_suspend(other, TURN_REASON_TAKEN);
	}
	turn_event(TURN_EVENT_KEY_TAKEN);
}

/* The binding that the server has granted, as a flow from client to peer. */
static __always_inline void turn_make_flow(const struct turn_alloc *alloc,
					   const struct turn_request *r,
					   const struct turn_config *config, __u64 now,
					   struct turn_flow *flow)
{
	__builtin_memset(flow, 0, sizeof(*flow));
	flow->slot = alloc->slot;
	flow->epoch = alloc->epoch;
	flow->saddr = alloc->relay;
	flow->sport = alloc->relay_port;
	flow->daddr = r->peer[0];
	flow->dport = r->port;
	flow->channel = r->channel;
	flow->state = TURN_BOUND;
	flow->reason = TURN_REASON_BOUND;
	flow->created = now;
	flow->expires = now + (__u64)config->channel_lifetime * config->hz;
}

/* Inserts both directions of a channel that is not in the table, or whose place is taken by one
 * that has ended. All or nothing. */
static __always_inline int turn_bind_new(const struct turn_key4 *key, struct turn_work *work,
					 __u64 permission_end)
{
	struct turn_key4 rem_key, old_rem_key = {};
	struct turn_flow *old, *old_rem;
	struct turn_flow ended = {};
	int err, moved = 0;

	turn_partner_key(key, &work->cli, &rem_key);
	turn_mirror(key, &work->cli, &work->rem);

	/* what an operator added by hand is not for a client to replace */
	old_rem = bpf_map_lookup_elem(&turn_flows, &rem_key);
	if (old_rem && (old_rem->flags & TURN_STATIC))
		return -EEXIST;
	old = bpf_map_lookup_elem(&turn_flows, key);
	if (old) {
		if (old->flags & TURN_STATIC)
			return -EEXIST;
		ended.slot = old->slot;
		ended.epoch = old->epoch;
		ended.daddr = old->daddr;
		turn_partner_key(key, old, &old_rem_key);
		moved = !turn_leads_to(old, &rem_key);
	}
	err = turn_permission_get(&work->cli, &work->cli.daddr, permission_end);
	if (err) {
		turn_event(TURN_EVENT_FULL_PERMISSIONS);
		return err;
	}
	turn_take_key(key, &rem_key);
	err = turn_flow_put(&rem_key, &work->rem);
	if (!err) {
		err = turn_flow_put(key, &work->cli);
		if (err)
			turn_flow_drop(&rem_key);
	}
	if (err) {
		turn_permission_put(&work->cli, &work->cli.daddr);
		turn_event(TURN_EVENT_FULL_CHANNELS);
		return err;
	}
	if (old) {
		turn_permission_put(&ended, &ended.daddr);
		old_rem = bpf_map_lookup_elem(&turn_flows, &old_rem_key);
		if (moved && old_rem && turn_are_partners(key, old_rem))
			turn_flow_drop(&old_rem_key);
	}
	return 0;
}

static __always_inline void turn_answer_bind(const struct turn_key4 *tuple,
					     struct turn_alloc *alloc,
					     const struct turn_request *r,
					     const struct turn_config *config, __u64 now)
{
	__u64 permission_end = now + (__u64)config->permission_lifetime * config->hz;
	struct turn_work *work = turn_get_work(0);
	__u32 bit;
	struct turn_permission_key permission_key;
	struct turn_permission *permission;
	struct turn_flow *cli, *rem = NULL;
	struct turn_key4 key = *tuple, rem_key;
	int shorter;

	if (!work)
		return;
	turn_make_flow(alloc, r, config, now, &work->cli);
	turn_permission_key_of(&work->cli, &work->cli.daddr, &permission_key);
	permission = bpf_map_lookup_elem(&turn_perms, &permission_key);
	shorter = permission && permission_end < permission->expires;
	key.channel = r->channel;
	cli = bpf_map_lookup_elem(&turn_flows, &key);
	turn_partner_key(&key, &work->cli, &rem_key);
	if (cli)
		rem = bpf_map_lookup_elem(&turn_flows, &rem_key);

	if (cli && rem && turn_are_partners(&key, rem) && turn_leads_to(cli, &rem_key) &&
	    cli->slot == alloc->slot &&
	    cli->epoch == alloc->epoch && rem->epoch == alloc->epoch &&
	    !(cli->flags & TURN_STATIC)) {
		turn_renew(cli, work->cli.expires);
		turn_renew(rem, work->cli.expires);
		if (permission)
			permission->expires = permission_end;
		else
			turn_permission_get(cli, &cli->daddr, permission_end);
		if (shorter)
			turn_shorten(tuple, alloc);
		turn_event(TURN_EVENT_REBOUND_CHANNEL);
		return;
	}
	if (turn_bind_new(&key, work, permission_end))
		return;
	bit = packet_be16(key.channel);
	packet_opaque(bit); /* so that the mask is applied here, where the verifier needs it */
	bit &= TURN_CHANNEL_BITS - 1;
	__sync_fetch_and_or(&alloc->channels[bit / 64], 1ULL << (bit % 64));
	turn_arm(alloc, config, now, work->cli.expires + config->hz);
	if (shorter)
		turn_shorten(tuple, alloc);
	turn_event(TURN_EVENT_BOUND_CHANNEL);
}

/* ---- CreatePermission, Refresh --------------------------------------------------------------- */

static __always_inline void turn_answer_permission(const struct turn_key4 *tuple,
						   const struct turn_alloc *alloc,
						   const struct turn_request *r,
						   const struct turn_config *config, __u64 now)
{
	__u64 end = now + (__u64)config->permission_lifetime * config->hz;
	struct turn_permission_key key = { .slot = alloc->slot, .epoch = alloc->epoch };
	struct turn_permission *permission;
	int i, shorter = 0;

	TURN_UNROLL
	for (i = 0; i < TURN_REQUEST_PEERS; i++) {
		if ((__u32)i >= r->peers)
			break;
		key.peer = r->peer[i];
		permission = bpf_map_lookup_elem(&turn_perms, &key);
		if (!permission)
			continue;
		shorter |= end < permission->expires;
		permission->expires = end;
		turn_event(TURN_EVENT_PERMITTED);
	}
	if (shorter)
		turn_shorten(tuple, alloc);
}

static __always_inline void turn_answer_refresh(struct turn_alloc *alloc,
						const struct stun_message *m,
						const struct turn_request *r,
						const struct turn_config *config, __u64 now)
{
	/* a request for the IPv6 half alone (RFC 8656 section 8.1) leaves ours as it is */
	if (r->family && r->family != STUN_IPV4)
		return;
	if (!(m->has & STUN_HAS_LIFETIME))
		return;
	if (!m->lifetime) {
		turn_alloc_end(alloc, config, now);
		turn_event(TURN_EVENT_RELEASED);
		return;
	}
	if (!turn_alloc_live(alloc, now))
		return;
	alloc->expires = now + (__u64)m->lifetime * config->hz;
	turn_arm(alloc, config, now, alloc->expires + config->hz);
	turn_event(TURN_EVENT_REFRESHED);
}

/* ---- any answer ------------------------------------------------------------------------------ */

/*
 * Does a served listener send a request, or the first fragment of one? What listens there is no
 * server then, but sends back what it is sent. (The path MTU, and so whether it is fragmented, is
 * whatever an ICMP message has said.)
 */
static __always_inline int turn_is_echo(struct __sk_buff *skb, const struct turn_key4 *tuple)
{
	__u8 header[STUN_HEADER];
	__u16 type;

	if (bpf_skb_load_bytes(skb, PACKET_HEADERS, header, sizeof(header)) ||
	    !stun_is_stun(header))
		return 0;
	type = stun_read16(header);
	if ((type & STUN_CLASS_MASK) != STUN_REQUEST || !turn_is_learned(STUN_METHOD(type)))
		return 0;
	turn_doubt(tuple);
	return 1;
}

/* @skb holds a STUN response of @payload bytes from a served listener; @tuple is the client's. */
static __always_inline void turn_answer(struct __sk_buff *skb, const struct turn_key4 *tuple,
					const struct turn_config *config, __u32 payload)
{
	struct turn_reader *reader = turn_get_reader();
	__u64 now = bpf_jiffies64();
	struct stun_message *m;
	struct turn_alloc *alloc;
	__u16 class, method;

	if (!reader || payload < STUN_HEADER || payload > STUN_MAX)
		return;
	if (bpf_skb_load_bytes(skb, PACKET_HEADERS, reader->buffer,
			       turn_size(payload, STUN_MAX)))
		return;
	m = &reader->message;
	if (stun_parse(reader->buffer, payload, m) != STUN_OK)
		return;
	class = m->type & STUN_CLASS_MASK;
	method = STUN_METHOD(m->type);
	if (class != STUN_SUCCESS && !(class == STUN_ERROR && m->error == 437))
		return;
	if (method == STUN_ALLOCATE) {
		/* its 437 says that there is one already */
		if (class == STUN_SUCCESS)
			turn_answer_allocate(skb, tuple, m, config, now);
		return;
	}
	if (!turn_is_learned(method))
		return;
	alloc = bpf_map_lookup_elem(&turn_allocs, tuple);
	if (!alloc)
		return;
	if (!turn_recall(alloc, m->transaction, method, &reader->request)) {
		turn_event(TURN_EVENT_UNMATCHED);
		return;
	}
	if (class == STUN_ERROR) {
		turn_alloc_end(alloc, config, now);
		turn_event(TURN_EVENT_MISMATCH);
	} else if (method == STUN_REFRESH) {
		turn_answer_refresh(alloc, m, &reader->request, config, now);
	} else if (!turn_alloc_live(alloc, now)) {
		turn_event(TURN_EVENT_UNKNOWN_ALLOCATION);
	} else if (method == STUN_CHANNEL_BIND) {
		turn_answer_bind(tuple, alloc, &reader->request, config, now);
	} else {
		turn_answer_permission(tuple, alloc, &reader->request, config, now);
	}
}

#endif
