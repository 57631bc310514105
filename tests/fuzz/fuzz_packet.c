// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer on lib/packet.h and lib/channel.h: which frames are read, how long their data is, and
 * how many bytes of padding follow it, compared with the reference reader. The frame lies in a
 * buffer of exactly its size, so that a byte read behind it is an error.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "check.h"
#include "packet.h"
#include "reference.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

static void check_channel(const uint8_t *payload, unsigned int len)
{
	const struct channel_header *header = (const void *)payload;
	unsigned int number = ref_16(payload), length = ref_16(payload + 2);
	int surplus = channel_surplus(packet_be16(header->length), len);

	CHECK(packet_be16(header->number) == number);
	CHECK(!channel_number_ok(number) == (number < 0x4000 || number > 0x7fff));
	CHECK(surplus == ref_surplus(length, len));
	CHECK(surplus < 0 || (surplus <= 3 && 4 + length + surplus == len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	/* as the kernel lays frames out: the IP header is aligned */
	uint8_t *room = malloc(len + 2), *frame = room + 2;
	struct packet p;
	bool taken;
	int payload;

	memcpy(frame, data, len);
	taken = !packet_udp4(frame, frame + len, &p);
	CHECK(taken == ref_is_udp4(frame, len));
	if (taken) {
		CHECK((uint8_t *)p.eth == frame && (uint8_t *)p.ip == frame + 14 &&
		      (uint8_t *)p.udp == frame + 34 && p.payload == frame + 42);
		payload = packet_udp4_whole(&p, len);
		CHECK(payload == ref_payload(frame, len));
		CHECK(payload < 0 || 42u + payload <= len);
		CHECK((csum_ip4(p.ip) == 0xffff) == ref_ip_sound(frame));
		CHECK(csum_is_partial(p.udp->check,
				      csum_pseudo4(p.ip->saddr, p.ip->daddr, p.udp->len)) ==
		      (ref_16(frame + 40) && ref_16(frame + 40) == ref_pseudo(frame)));
		if (payload >= 4)
			check_channel(p.payload, payload);
	}
	CHECK(!memcmp(frame, data, len)); /* reading writes nothing */
	free(room);
	return 0;
}

/* Most mutants get lengths that fit, or nearly. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	int off = seed / 8 % 8 == 0 ? (int)(seed / 64 % 9) - 4 : 0;
	unsigned int ip;

	size = LLVMFuzzerMutate(data, size, max);
	if (seed % 4 == 0 || size < 46)
		return size;
	ip = size - 14 + off;
	data[16] = ip >> 8;
	data[17] = ip;
	data[38] = (ip - 20) >> 8;
	data[39] = ip - 20;
	if (seed % 4 == 1) {
		data[44] = (ip - 32) >> 8;
		data[45] = ip - 32 - seed / 1024 % 6;
	}
	return size;
}
