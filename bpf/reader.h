/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whole datagrams, where more than a few bytes of one must be read: STUN messages, and what a
 * checksum is taken over. Never on the fast path.
 */
#ifndef TURN_READER_H
#define TURN_READER_H

#include <stddef.h>

#include "maps.h"
#include "stun.h"

#define TURN_READ_MOST 2047 /* bytes of payload whose checksum can be verified */

_Static_assert(STUN_BUFFER >= TURN_READ_MOST + 1 + 4, "room for the payload, filled up to words");

/* Where messages are copied to and taken apart: one per CPU. */
struct turn_reader {
	struct stun_message message;
	struct turn_request request; /* the one in hand: remembered, or found again */
	__u8 buffer[STUN_BUFFER] __attribute__((aligned(8)));
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct turn_reader);
} turn_reader SEC(".maps");

static __always_inline struct turn_reader *turn_get_reader(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&turn_reader, &zero);
}

/* The sum of the first @len bytes of the buffer, to which there may be any other. */
static __always_inline __u64 turn_buffer_sum(struct turn_reader *reader, __u32 len)
{
	const __u32 most = 512; /* what bpf_csum_diff takes at once */
	__u32 i, sum = 0;

	packet_opaque(len);
	len &= TURN_READ_MOST;
	__builtin_memset(reader->buffer + len, 0, 4);
	TURN_UNROLL
	for (i = 0; i < (TURN_READ_MOST + 1) / most; i++) {
		__u32 size;

		if (len <= i * most)
			break;
		size = len - i * most;
		size = size > most ? most : (size + 3) & ~3u;
		packet_opaque(size);
		if (size > most)
			break;
		sum = bpf_csum_diff(NULL, 0, (__be32 *)(reader->buffer + i * most), size, sum);
	}
	return sum;
}

/*
 * Copies the datagram's payload of @len bytes into the buffer, and says whether the stack will
 * take it for sound: one that it drops never reaches the server. What is longer than
 * TURN_READ_MOST is not doubted, and only its beginning is copied.
 */
static __always_inline int turn_read_sound(struct xdp_md *ctx, const struct packet *p, __u32 len,
					   struct turn_reader *reader)
{
	__u64 sum = csum_pseudo4(p->ip->saddr, p->ip->daddr, p->udp->len) + p->udp->source +
		    p->udp->dest + p->udp->len + p->udp->check;
	__u16 check = p->udp->check;

	if (len > TURN_READ_MOST)
		return !bpf_xdp_load_bytes(ctx, PACKET_HEADERS, reader->buffer, STUN_MAX);
	if (len && bpf_xdp_load_bytes(ctx, PACKET_HEADERS, reader->buffer,
				      turn_size(len, TURN_READ_MOST + 1)))
		return 0;
	return !check || csum_fold(sum + turn_buffer_sum(reader, len)) == 0xffff;
}

#endif
