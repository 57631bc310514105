/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs promise, as a model in user space: it reads the same frames (reference.h) and
 * says which channels the server has sanctioned, which directions of them it has proven by sending
 * on a packet itself, and, given the flow tables, what becomes of a frame.
 *
 * Where the programs may know less than the model (a table is full, a request has made way for
 * another), the model allows more: nothing is allowed that was never asked for, granted and proven.
 */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include "../prog/fixture.h"
#include "reference.h"

#define MODEL_REQUESTS 4096
#define MODEL_ALLOCS 1024
#define MODEL_CHANNELS 1024
#define MODEL_SAMPLES 4096

struct model_request {
	struct turn_key4 tuple;
	__u8 transaction[12];
	bool answered;
	bool sound;   /* both checksums right: a server can have seen it */
	bool regular; /* and there is one way to read it */
	/* what it asks for; zeros where that is not read */
	struct model_asked {
		__u32 method, channel, family, transport, peers;
		struct endpoint peer[REF_PEERS]; /* ip 0: not IPv4 */
	} asks;
};

struct model_alloc {
	struct turn_key4 tuple;
	struct endpoint relay;
	unsigned int remembered; /* requests so far */
};

struct model_channel {
	struct turn_key4 tuple;
	unsigned int number;
	struct endpoint peer, relay;
	bool proven[2];    /* to peer, to client: the server may have sent a packet on */
	bool offloaded[2]; /* and the programs have seen that */
	bool endangered; /* something came that may rightly have ended it, or suspended it */
};

/* A packet that was left to the server. */
struct model_sample {
	struct turn_key4 key;
	unsigned int length;
	__u8 head[8], tail[8];
};

struct model {
	unsigned int requests, allocs, channels, samples;
	struct model_request request[MODEL_REQUESTS];
	struct model_alloc alloc[MODEL_ALLOCS];
	struct model_channel channel[MODEL_CHANNELS];
	struct model_sample sample[MODEL_SAMPLES];
	bool exit_there;
	__u64 now; /* jiffies, within a few */
};

/* What becomes of a frame that arrives. */
enum fate {
	FATE_STRANGER, /* passed: no flow has its key */
	FATE_LEFT,     /* passed, for one of @reasons */
	FATE_DUE,      /* passed: the flow's deadline is over. What for is not forecast. */
	FATE_RELAYED,
	FATE_UNSURE,   /* passed or relayed: the deadline is just now */
};

struct forecast {
	enum fate fate;
	bool to_peer;
	__u32 reasons; /* bits, enum turn_reason: the programs' order of checks is their own */
	struct turn_key4 key;
	struct turn_flow flow;
	const __u8 *data; /* application data in the frame */
	unsigned int length;
};

void model_begin(struct model *m);

/* At a device with clients (@role), or one that only peers are behind. */
void model_forecast(const struct model *m, const struct fixture *f, const struct frame *frame,
		    enum turn_role role, struct forecast *c);
/* The frame has arrived and was @left to the server, or relayed. */
void model_received(struct model *m, const struct frame *frame, const struct forecast *c,
		    bool left);
/* The server has sent a frame; @by_stranger: from a socket that has never sent anything. NULL, or
 * what is wrong with the tables now. */
const char *model_sent(struct model *m, const struct fixture *f, const struct frame *frame,
		       bool by_stranger);

/* NULL if it was right to relay the frame of @c's flow, or why not. */
const char *model_may_relay(const struct model *m, const struct forecast *c);

/* The channel of a flow, or NULL. */
const struct model_channel *model_channel_of(const struct model *m, const struct turn_key4 *key,
					     const struct turn_flow *flow);

static inline bool same_key(const struct turn_key4 *a, const struct turn_key4 *b)
{
	return a->saddr == b->saddr && a->daddr == b->daddr && a->sport == b->sport &&
	       a->dport == b->dport && a->channel == b->channel;
}

static inline bool same_endpoint(struct endpoint a, struct endpoint b)
{
	return a.ip == b.ip && a.port == b.port;
}

struct endpoint endpoint_at(const __u8 *ip, const __u8 *port);
struct turn_key4 key_in(const __u8 *frame); /* without a channel */
bool is_channel_number(unsigned int number);

#endif
