// SPDX-License-Identifier: Apache-2.0
/* Room for topics, consumers and messages: of their namespace, and on the disk. */
#include <errno.h>
#include <string.h>
#include <sys/vfs.h>

#include "runtime/flow/queues.h"

#define ROOM_BYTES (UINT64_C(16) << 20) /* for deliveries of what is there */
#define ROOM_SHARE 8                    /* of a small file system: the eighth part */

/* All of a namespace. */
struct sum {
	uint64_t topics, consumers, messages, deliveries, bytes;
};

static struct sum sum_of(struct flow *f, const char *space)
{
	struct sum sum = {0};
	struct topic *t;

	chain_each(t, &f->topics, all) {
		if (strcmp(t->space, space) != 0)
			continue;
		sum.topics++;
		sum.consumers += t->consumer_count;
		sum.messages += t->messages;
		sum.deliveries += t->messages * t->consumer_count;
		sum.bytes += t->bytes;
	}
	return sum;
}

bool room_for_topic(struct flow *f, const char *space)
{
	return sum_of(f, space).topics < TOPICS_OF_SPACE_MAX;
}

int room_for_consumer(struct flow *f, const struct topic *t)
{
	struct sum sum = sum_of(f, t->space);

	if (t->consumer_count >= CONSUMERS_OF_TOPIC_MAX || sum.consumers >= CONSUMERS_OF_SPACE_MAX)
		return -ENOBUFS;
	return sum.deliveries + t->messages > DELIVERIES_OF_SPACE_MAX ? -EDQUOT : 0;
}

/* State changes of deliveries need room as well, so new messages are refused before it is gone. */
bool room_for_bytes(struct flow *f, uint64_t bytes)
{
	uint64_t room, disk_bytes, file_bytes = 0;
	struct statfs fs;

	if (fstatfs(f->dir_fd, &fs) < 0)
		return true;
	room = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize / ROOM_SHARE;
	room = room < ROOM_BYTES ? room : ROOM_BYTES;
	disk_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
	bytes += f->uncommitted;
	if (disk_bytes > room + 2 * bytes)
		return true;
	/* The file keeps the room of messages that are gone; the log of its changes needs some. */
	return store_free_bytes(f->store, &file_bytes) == 1 && disk_bytes > room / 2 + 2 * bytes &&
	       disk_bytes + file_bytes > room + 3 * bytes;
}

int room_for_message(struct flow *f, const struct topic *t, size_t bytes)
{
	struct sum sum = sum_of(f, t->space);

	if (!room_for_bytes(f, bytes))
		return -ENOSPC;
	return sum.messages + 1 > MESSAGES_OF_SPACE_MAX || sum.bytes + bytes > BYTES_OF_SPACE_MAX ||
			       sum.deliveries + t->consumer_count > DELIVERIES_OF_SPACE_MAX
		       ? -EDQUOT
		       : 0;
}
