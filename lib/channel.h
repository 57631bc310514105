/* SPDX-License-Identifier: GPL-2.0 */
/* The ChannelData message (RFC 8656 section 12.4). Pure (see csum.h). */
#ifndef TURN_CHANNEL_H
#define TURN_CHANNEL_H

#include <linux/types.h>

#include "packet.h"

/* RFC 8656 gives 0x4000-0x4FFF to channels and reserves the rest; RFC 5766 gave all of
 * 0x4000-0x7FFF, and clients (coturn's own among them) use it. The server decides. */
#define CHANNEL_FIRST 0x4000
#define CHANNEL_LAST 0x7fff

struct channel_header {
	__be16 number;
	__be16 length; /* of the application data, without header and padding */
};

#define CHANNEL_HEADER sizeof(struct channel_header)

/* Is @number (host order) one that a ChannelData message can carry? It also tells ChannelData
 * from STUN, whose first two bits are 00. */
static __always_inline int channel_number_ok(__u16 number)
{
	return (number & 0xc000) == CHANNEL_FIRST;
}

/*
 * The number of bytes after the application data, 0 to 3, of a ChannelData message of @length
 * bytes of data in a UDP payload of @payload_len bytes (header included). -1 if it is not one
 * that every server takes: data missing, more than the padding to a multiple of four, or bytes
 * after an empty message (coturn drops those). Padding is optional over UDP (section 12.5).
 */
static __always_inline int channel_surplus(__u32 length, __u32 payload_len)
{
	__u32 need = CHANNEL_HEADER + length;

	if (payload_len < need || payload_len - need > 3 || (!length && payload_len != need))
		return -1;
	return (int)(payload_len - need);
}

#endif
