/* SPDX-License-Identifier: GPL-2.0 */
/* A frame to be relayed, and what must leave: vectors.py makes a table of them. */
#ifndef TEST_VECTOR_H
#define TEST_VECTOR_H

#include "fixture.h"

struct vector {
	const char *name;
	bool to_peer;
	__u64 packets;       /* that the flow has relayed before */
	unsigned int length; /* of the application data */
	struct turn_key4 key;
	__be32 saddr, daddr; /* of the new headers */
	__be16 sport, dport;
	__be16 channel;
	const __u8 *come, *go;
	unsigned int come_len, go_len;
};

extern const struct vector *const all_vectors;
extern const size_t vector_count;

/* The flow that relays @v by the device @ifindex; and puts it into the tables. */
struct turn_flow vector_flow(struct fixture *f, const struct vector *v, unsigned int ifindex);
void vector_put(struct fixture *f, const struct vector *v, unsigned int ifindex);
void vector_frame(const struct vector *v, struct frame *frame);

#endif
