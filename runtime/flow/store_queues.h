/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of ebb-flow for queues: topics, their consumers, messages, and what each message is to
 * each consumer (a delivery). As store.h says: every function may block on the disk, changes are
 * gathered until store_commit, and the rows are gone or there as a whole.
 *
 * A delivery is there until its consumer has handled the message; a message is there until its last
 * delivery is gone, or its time is over. Of the deliveries of a consumer that share a lane one at
 * most is WAITING or DELIVERING, that of the oldest message; the others are BEHIND.
 */
#ifndef EBB_FLOW_STORE_QUEUES_H
#define EBB_FLOW_STORE_QUEUES_H

#include <stddef.h>

#include "runtime/flow/store.h"

#define MESSAGE_KEY_SIZE  257
#define MESSAGE_LANE_SIZE 129
#define MESSAGE_TYPE_SIZE 128

struct store_message {
	uint64_t number, topic;
	uint64_t created_us, due_us, expires_us; /* wall clock */
	uint64_t key_until_us;                   /* its key is known so long */
	uint64_t revision;                       /* of the service that is to have it; 0 = any */
	char key[MESSAGE_KEY_SIZE];              /* of idempotency; "" = none */
	char lane[MESSAGE_LANE_SIZE];            /* messages of a lane are in order; "" = none */
	char type[MESSAGE_TYPE_SIZE];            /* content type */
	const void *body;                        /* borrowed */
	size_t size;
};

struct store_delivery {
	uint64_t consumer, message;
	uint32_t state; /* enum wire_letter_state */
	uint32_t attempts, failures;
	uint64_t due_us;  /* DELIVERING: until then it is nobody else's */
	uint64_t receipt; /* of the last attempt */
	char lane[MESSAGE_LANE_SIZE];
	char text[RUN_TEXT_SIZE]; /* why the last attempt failed */
};

struct store_topic {
	uint64_t id, messages, bytes;
	char space[SERVICE_NAME_SIZE], name[QUEUE_NAME_SIZE];
};

struct store_consumer {
	uint64_t id, topic, seen_us;
	char name[QUEUE_NAME_SIZE];
};

/* ---- changes: 0 or -errno, and then the store is broken ---- */
int store_make_topic(struct store *s, const char *space, const char *name, uint64_t *id);
/* Makes a consumer, for which all messages of the topic wait. */
int store_make_consumer(struct store *s, struct store_consumer *consumer);
int store_put_consumer(struct store *s, const struct store_consumer *consumer, uint64_t delay_us);
int store_drop_consumer(struct store *s, uint64_t id);
/* Drops a topic without messages; its consumers are dropped before. 1, 0: keys of its messages are
 * known yet, or -errno. */
int store_drop_topic(struct store *s, uint64_t id);
/* Adds a message, with a delivery for each consumer of the topic, and sets its number. */
int store_send(struct store *s, struct store_message *message);
int store_put_delivery(struct store *s, const struct store_delivery *delivery);
/* Something in the lane of this delivery changed: if none there waits or is delivered, the oldest
 * one that is BEHIND waits from now on. */
int store_wake_lane(struct store *s, const struct store_delivery *delivery);
/* Drops a delivery. *bytes: of the message, if that is gone with it, and *gone. */
int store_drop_delivery(struct store *s, const struct store_delivery *delivery, bool *gone,
			uint64_t *bytes);
/* Keeps a message until then. */
int store_keep(struct store *s, uint64_t message, uint64_t until_us);
/* Drops a message that nobody has a delivery of. */
int store_drop_message(struct store *s, uint64_t number);
/* Forgets keys that were known long enough. */
int store_forget_keys(struct store *s, uint64_t now_us);

/* ---- questions: 1, 0 (there is none), or -errno ---- */
/* The number of the message that has the key. */
int store_sent(struct store *s, uint64_t topic, const char *key, uint64_t now_us, uint64_t *number);
/* The first delivery of a consumer that is due by then. */
int store_due(struct store *s, uint64_t consumer, uint64_t by_us, struct store_delivery *out);
int store_delivery(struct store *s, uint64_t consumer, uint64_t message,
		   struct store_delivery *out);
/* Any delivery of the message. */
int store_any_delivery(struct store *s, uint64_t message, struct store_delivery *out);
/* A message; its body is a copy that the caller frees. */
int store_message(struct store *s, uint64_t number, struct store_message *out, void **body);
/* When the first delivery of a consumer is due. */
int store_first_due(struct store *s, uint64_t consumer, uint64_t *due_us);
/* The message whose time is over first, by then. */
int store_expired(struct store *s, uint64_t by_us, struct store_message *out);
int store_first_expiry(struct store *s, uint64_t *expires_us);
/* Bytes of the file that nothing is in: new messages need no room of the disk for them. */
int store_free_bytes(struct store *s, uint64_t *bytes);
/* Messages ever sent. */
int store_last_number(struct store *s, uint64_t *number);

typedef int (*store_each_topic_fn)(void *self, const struct store_topic *topic);
typedef int (*store_each_consumer_fn)(void *self, const struct store_consumer *consumer);
typedef int (*store_each_delivery_fn)(void *self, const struct store_delivery *delivery);
/* As those of store.h. */
int store_each_topic(struct store *s, store_each_topic_fn each, void *self);
int store_each_consumer(struct store *s, store_each_consumer_fn each, void *self);
/* Deliveries of a consumer, the oldest message first; state WIRE_LETTER_STATE_COUNT: all. */
int store_each_delivery(struct store *s, uint64_t consumer, uint32_t state, uint64_t after,
			uint32_t most, store_each_delivery_fn each, void *self);
/* Numbers of deliveries by state. */
int store_count(struct store *s, uint64_t consumer, uint64_t counts[WIRE_LETTER_STATE_COUNT]);
/* Messages of a topic, the oldest first, as deliveries without a consumer. */
int store_each_message(struct store *s, uint64_t topic, uint64_t after, uint32_t most,
		       store_each_delivery_fn each, void *self);

#endif
