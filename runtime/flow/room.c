// SPDX-License-Identifier: Apache-2.0
/* Room for topics, consumers and messages: of their namespace, and on the disk. */
#include <errno.h>
#include <string.h>
#include <sys/vfs.h>

#include "runtime/flow/queues.h"

#define ROOM_BYTES  (UINT64_C(16) << 20) /* for deliveries of what is there */
#define ROOM_SHARE  8                    /* of a small file system: the eighth part */
#define FLOOR_SHARE 4 /* of that room, which the ends of workflows leave as well */

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

static int measure_disk(struct flow *f, uint64_t *room, uint64_t *disk_bytes)
{
	struct statfs fs;

	if (fstatfs(f->dir_fd, &fs) < 0)
		return -errno;
	*room = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize / ROOM_SHARE;
	*room = *room < ROOM_BYTES ? *room : ROOM_BYTES;
	*disk_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
	return 0;
}

/* Ends take from the room, down to a floor: a write that fails ends ebb-flow. */
bool room_for_end(struct flow *f, uint64_t bytes)
{
	uint64_t room = 0, disk_bytes = 0;

	return measure_disk(f, &room, &disk_bytes) < 0 ||
	       disk_bytes > room / FLOOR_SHARE + 2 * (bytes + f->uncommitted);
}

/* State changes of deliveries need room as well, so new messages are refused before it is gone. */
bool room_for_bytes(struct flow *f, uint64_t bytes)
{
	uint64_t room = 0, disk_bytes = 0, file_bytes = 0;

	if (measure_disk(f, &room, &disk_bytes) < 0)
		return true;
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
