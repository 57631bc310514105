// SPDX-License-Identifier: GPL-2.0
/*
 * seeds - what libFuzzer begins with: RFC 5769's messages (tests/unit/vectors.h), and messages and
 * frames as the program tests put them together (tests/prog/frame.h), a file each.
 *
 * usage: seeds DIR      makes DIR/stun, DIR/packet and DIR/csum
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../prog/frame.h"
#include "../unit/vectors.h"

static const char *top;

static void directory(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	if (mkdir(path, 0777) && errno != EEXIST) {
		perror(path);
		exit(1);
	}
}

static void seed(const char *fuzzer, const char *name, const void *data, size_t len)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%s", top, fuzzer, name);
	file = fopen(path, "w");
	if (!file || fwrite(data, 1, len, file) != len || fclose(file)) {
		perror(path);
		exit(1);
	}
}

/* A message, also as a frame of a client's. */
static void message_seed(const char *name, const struct message *m)
{
	struct frame frame;

	seed("stun", name, m->data, m->len);
	frame_udp(&frame, CLIENT, SERVER, m->data, m->len);
	seed("packet", name, frame.data, frame.len);
}

static void messages(void)
{
	struct message m;

	ask_allocate(&m, 1);
	stun_add32(&m, A_FINGERPRINT, 0x12345678);
	message_seed("allocate", &m);
	say_allocated(&m, 1, RELAY, 600);
	message_seed("allocated", &m);
	ask_refresh(&m, 2, 0);
	message_seed("refresh", &m);
	say_refreshed(&m, 2, 600);
	message_seed("refreshed", &m);
	ask_bind(&m, 3, NUMBER, PEER);
	message_seed("bind", &m);
	say_success(&m, CHANNEL_BIND, 3);
	message_seed("bound", &m);
	say_error(&m, ALLOCATE, 1, 437);
	message_seed("error", &m);

	stun_begin(&m, CREATE_PERMISSION, 4);
	stun_add_address(&m, A_PEER, PEER);
	stun_add_address(&m, A_PEER, PEER2);
	stun_add_address6(&m, A_PEER);
	stun_add(&m, A_FAMILY, "\1\0\0", 4);
	stun_sign(&m);
	stun_add(&m, 0x001c, m.data, 32); /* MESSAGE-INTEGRITY-SHA256 */
	message_seed("permission", &m);

	stun_begin(&m, ALLOCATE | SUCCESS, 5);
	stun_add_address(&m, A_RELAYED, RELAY);
	stun_add_address6(&m, A_RELAYED);
	message_seed("both-families", &m);
}

/* The edges of what is read: lengths, and numbers of attributes and of peers. */
static void edges(void)
{
	static const __u8 filling[1000], short_peer[8] = { 0, 2 }, long_peer[20] = { 0, 1 };
	struct message m;
	unsigned int n;

	for (n = 0; n < 2; n++) {
		ask_bind(&m, 6, NUMBER, PEER);
		m.len = 40; /* the two attributes that matter */
		stun_add(&m, A_SOFTWARE, filling, 1024 - 44 + 4 * n);
		message_seed(n ? "too-long" : "longest", &m);
		stun_begin(&m, REFRESH, 7);
		while (m.len < 20 + 4 * (32 + n))
			stun_add(&m, A_SOFTWARE, filling, 0);
		message_seed(n ? "too-many-attributes" : "most-attributes", &m);
		stun_begin(&m, CREATE_PERMISSION, 8);
		while (m.len < 20 + 12 * (4 + n))
			stun_add_address(&m, A_PEER, PEER);
		message_seed(n ? "too-many-peers" : "most-peers", &m);
		stun_begin(&m, CHANNEL_BIND, 9);
		stun_add(&m, A_PEER, n ? long_peer : short_peer, n ? 20 : 8);
		message_seed(n ? "long-peer" : "short-peer", &m);
	}
}

static void vectors(void)
{
	seed("stun", "rfc5769-request", rfc5769_request, sizeof(rfc5769_request));
	seed("stun", "rfc5769-response4", rfc5769_response4, sizeof(rfc5769_response4));
	seed("stun", "rfc5769-response6", rfc5769_response6, sizeof(rfc5769_response6));
	seed("stun", "rfc5769-longterm", rfc5769_longterm, sizeof(rfc5769_longterm));
}

/* ChannelData with each length of padding, and one more than may be. */
static void data(void)
{
	static const char text[] = "what a client has to say";
	__u8 payload[64], csum[128];
	struct frame frame;
	unsigned int surplus, len;
	char name[32];

	for (surplus = 0; surplus <= 4; surplus++) {
		len = channel_data(payload, NUMBER, text, sizeof(text) - surplus % 2, surplus);
		frame_udp(&frame, CLIENT, SERVER, payload, len);
		snprintf(name, sizeof(name), "channel-data-%u", surplus);
		seed("packet", name, frame.data, frame.len);
		/* fuzz_csum: an IP header, what changes, a datagram */
		memset(csum, surplus, sizeof(csum));
		memcpy(csum, frame.data + AT_IP, 20);
		memcpy(csum + 20 + 24, frame.data + AT_UDP, frame.len - AT_UDP);
		seed("csum", name, csum, 44 + frame.len - AT_UDP);
	}
	frame_udp(&frame, PEER, RELAY, text, sizeof(text));
	seed("packet", "peer-data", frame.data, frame.len);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seeds DIR\n");
		return 2;
	}
	top = argv[1];
	directory("stun");
	directory("packet");
	directory("csum");
	messages();
	edges();
	vectors();
	data();
	return 0;
}
