// SPDX-License-Identifier: GPL-2.0
#include "table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#define BATCH 512

/* A whole hash map, @key_size then @value_size bytes an entry. */
struct dump {
	char *keys, *values;
	size_t count;
};

static void dump_free(struct dump *dump)
{
	free(dump->keys);
	free(dump->values);
}

static int dump_map(int fd, size_t key_size, size_t value_size, struct dump *dump,
		    struct turnctl_error *err)
{
	__u32 cursor[8], room = BATCH, got;
	void *in = NULL;
	char *grown;
	int code;

	memset(dump, 0, sizeof(*dump));
	for (;;) {
		grown = realloc(dump->keys, (dump->count + room) * key_size);
		if (!grown)
			goto no_memory;
		dump->keys = grown;
		grown = realloc(dump->values, (dump->count + room) * value_size);
		if (!grown)
			goto no_memory;
		dump->values = grown;
		got = room;
		code = bpf_map_lookup_batch(fd, in, cursor, dump->keys + dump->count * key_size,
					    dump->values + dump->count * value_size, &got, NULL);
		if (code && errno == ENOSPC) { /* one bucket is larger than this */
			room *= 2;
			continue;
		}
		if (code && errno != ENOENT) {
			code = turnctl_fail_errno(err, errno, "cannot read a table");
			dump_free(dump);
			return code;
		}
		dump->count += got;
		if (code)
			return 0;
		in = cursor;
	}
no_memory:
	dump_free(dump);
	return turnctl_fail(err, ENOMEM, "out of memory");
}

static int compare_keys(const void *left, const void *right)
{
	const struct turn_key4 *a = left, *b = right;

#define BY(field, order)                                                                           \
	if (a->field != b->field)                                                                  \
		return order(a->field) < order(b->field) ? -1 : 1
	BY(saddr, ntohl);
	BY(sport, ntohs);
	BY(daddr, ntohl);
	BY(dport, ntohs);
	BY(channel, ntohs);
#undef BY
	return 0;
}

void turnctl_peer_key(const struct turn_flow *to_peer, struct turn_key4 *key)
{
	memset(key, 0, sizeof(*key));
	key->saddr = to_peer->daddr.v4;
	key->daddr = to_peer->saddr.v4;
	key->sport = to_peer->dport;
	key->dport = to_peer->sport;
}

static bool are_partners(const struct turn_key4 *key, const struct turn_flow *to_client)
{
	return to_client->daddr.v4 == key->saddr && to_client->saddr.v4 == key->daddr &&
	       to_client->dport == key->sport && to_client->sport == key->dport &&
	       to_client->channel == key->channel;
}

int turnctl_channels_read(const struct turnctl_instance *instance, struct turnctl_channel **list,
			  size_t *count, struct turnctl_error *err)
{
	struct turnctl_channel *channels;
	struct dump dump;
	size_t i;
	int code;

	*list = NULL;
	*count = 0;
	code = dump_map(instance->map[TURNCTL_FLOWS], sizeof(struct turn_key4),
			sizeof(struct turn_flow), &dump, err);
	if (code)
		return code;
	channels = calloc(dump.count + 1, sizeof(*channels));
	if (!channels) {
		dump_free(&dump);
		return turnctl_fail(err, ENOMEM, "out of memory");
	}
	for (i = 0; i < dump.count; i++) {
		const struct turn_key4 *key = (struct turn_key4 *)dump.keys + i;
		struct turnctl_channel *channel = &channels[*count];

		if (!key->channel)
			continue;
		channel->key = *key;
		channel->to_peer = ((struct turn_flow *)dump.values)[i];
		turnctl_peer_key(&channel->to_peer, &channel->rem_key);
		channel->both = !bpf_map_lookup_elem(instance->map[TURNCTL_FLOWS],
						     &channel->rem_key, &channel->to_client) &&
				are_partners(key, &channel->to_client);
		(*count)++;
	}
	dump_free(&dump);
	qsort(channels, *count, sizeof(*channels), compare_keys);
	*list = channels;
	return 0;
}

int turnctl_allocations_read(const struct turnctl_instance *instance, __u64 now,
			     struct turnctl_allocation **list, size_t *count,
			     struct turnctl_error *err)
{
	struct dump dump;
	size_t i;
	int code;

	*count = 0;
	code = dump_map(instance->map[TURNCTL_ALLOCS], sizeof(struct turn_key4),
			sizeof(struct turn_alloc), &dump, err);
	if (code)
		return code;
	*list = calloc(dump.count + 1, sizeof(**list));
	if (!*list) {
		dump_free(&dump);
		return turnctl_fail(err, ENOMEM, "out of memory");
	}
	for (i = 0; i < dump.count; i++) {
		const struct turn_alloc *alloc = (struct turn_alloc *)dump.values + i;
		struct turnctl_allocation *a = &(*list)[i];
		struct turn_slot slot = {};

		a->key = ((struct turn_key4 *)dump.keys)[i];
		a->relay = alloc->relay;
		a->public_relay = alloc->public_relay;
		a->relay_port = alloc->relay_port;
		a->created = alloc->created;
		a->expires = alloc->expires;
		a->proven = alloc->cookie;
		bpf_map_lookup_elem(instance->map[TURNCTL_SLOTS], &alloc->slot, &slot);
		a->live = slot.epoch == alloc->epoch && now < alloc->expires;
	}
	*count = dump.count;
	dump_free(&dump);
	qsort(*list, *count, sizeof(**list), compare_keys);
	return 0;
}

unsigned int turnctl_stretch(const struct turnctl_instance *instance)
{
	struct turn_pulse pulse = {};
	__u32 zero = 0;

	bpf_map_lookup_elem(instance->map[TURNCTL_PULSE], &zero, &pulse);
	return pulse.stretch ? pulse.stretch : 1;
}
