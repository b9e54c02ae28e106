/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues of ebb-flow: topics of namespaces, their consumers, and what becomes of messages. The
 * store has all of it; memory has topics, consumers and triggers.
 */
#ifndef EBB_FLOW_QUEUES_H
#define EBB_FLOW_QUEUES_H

#include "runtime/flow/inside.h"
#include "runtime/flow/store_queues.h"

#define TOPICS_MAX              16384
#define TOPICS_OF_SPACE_MAX     256 /* of a namespace */
#define CONSUMERS_OF_SPACE_MAX  1024
#define CONSUMERS_OF_TOPIC_MAX  64
#define MESSAGES_OF_SPACE_MAX   UINT64_C(1000000)
#define DELIVERIES_OF_SPACE_MAX UINT64_C(4000000) /* messages, for each of their consumers */
#define BYTES_OF_SPACE_MAX      (UINT64_C(1) << 30)
#define PUSHES_MAX              1024 /* at once */
#define PUSHES_OF_SERVICE_MAX   256
#define PUSHES_OF_SERVICE_SURE  32 /* while half of all are under way */
#define PUSH_BYTES_MAX          (UINT64_C(256) << 20)
#define PUSH_BYTES_OF_SERVICE   (UINT64_C(64) << 20)
#define LEASE_S                 300 /* of a push, and of a poll that does not say */
#define RETENTION_S             86400
#define RETENTION_MOST_S        604800
#define RETENTION_LEAST_S       60

struct topic {
	struct chain all, consumers;
	uint64_t id, hash;
	char space[SERVICE_NAME_SIZE], name[QUEUE_NAME_SIZE];
	uint64_t messages, bytes;
	uint32_t consumer_count;
	bool unheard_said;
};

struct trigger {
	struct chain all;
	struct wire_flow_trigger is;
	bool said; /* since its service was said */
};

struct consumer {
	struct chain of_topic;
	struct topic *topic;
	struct store_consumer is;
	const struct trigger *trigger; /* NULL: it polls */
	struct heap_item item;         /* in flow.pushes_due, by its first due time */
	struct chain pushes;           /* of struct push by of_consumer */
	uint32_t in_flight;
	bool starved;           /* its service has as many pushes as it may have now */
	uint64_t held_until_us; /* ebb itself refused its pushes */
	uint32_t held;
};

/* A delivery that ebb-flow makes. */
struct push {
	struct chain of_consumer, all;
	struct consumer *consumer; /* NULL: it went meanwhile */
	struct store_delivery is;
	struct store_message message;
	void *body; /* owned, until it is sent */
	bool fresh; /* it is in the store when the next commit is done */
	bool moved; /* its consumer said when it wants it again: */
	uint64_t again_us;
	struct delivery *delivery;
};

/* ---- queues.c ---- */

int queues_load(struct flow *f); /* 0 or -errno */
void queues_free(struct flow *f);
/* Puts a consumer in line by its first due time, if messages are pushed to it. */
void queues_arm(struct flow *f, struct consumer *c);
/* The topic; NULL: there is none, or (make) -ENOBUFS: too many, or a broken store. */
struct topic *queues_topic(struct flow *f, const char *space, const char *name);
int queues_make_topic(struct flow *f, const char *space, const char *name, struct topic **out);
struct consumer *queues_consumer(struct topic *t, const char *name);
int queues_make_consumer(struct flow *f, struct topic *t, const char *name, struct consumer **out);
/* Adds a message to a topic. 1: one with its key is there, whose number it gets; 0; or -EDQUOT: the
 * namespace has too many, -ENOSPC: the disk is full, or another -errno. */
int queues_send(struct flow *f, struct topic *t, struct store_message *m);
/* Takes the next message that is due for a consumer, or the one of that number, until a time. 1
 * with the message (free body), 0: there is none; of a number also -EBUSY: somebody has it,
 * -ESTALE: it was handled. Or another -errno. */
int queues_take(struct flow *f, struct consumer *c, uint64_t number, uint64_t until_us,
		struct store_delivery *d, struct store_message *m, void **body);
/* The delivery of a receipt. 0, -ENOENT: no such message, -ESTALE: it is somebody else's now. */
int queues_lease(struct flow *f, struct consumer *c, uint64_t number, uint64_t receipt,
		 struct store_delivery *d);
/* The consumer has handled it, or wants it again then. 0 or -errno. */
int queues_handled(struct flow *f, struct consumer *c, const struct store_delivery *d);
int queues_extend(struct flow *f, struct consumer *c, struct store_delivery *d, uint64_t due_us);
/* Its delivery is over, and it is due again then. */
int queues_again(struct flow *f, struct consumer *c, struct store_delivery *d, uint64_t due_us);
/* A dead letter is delivered again. */
int queues_revive(struct flow *f, struct consumer *c, struct store_delivery *d);
/* It is delivered no more. */
int queues_bury(struct flow *f, struct consumer *c, struct store_delivery *d);
/* Drops a message that no consumer has. 0, -ENOENT or another -errno. */
int queues_drop(struct flow *f, struct topic *t, uint64_t number);
/* Drops messages whose time is over. */
void queues_expire(struct flow *f, uint64_t now_us);
/* When the next one has to be dropped, or HEAP_EMPTY. */
uint64_t queues_expiry(struct flow *f);
uint64_t queues_random(void); /* 63 bits, not 0 */

/* ---- room.c: 0; -EDQUOT, -ENOBUFS: the namespace has as many as it may; -ENOSPC: the disk ---- */

bool room_for_topic(struct flow *f, const char *space);
int room_for_consumer(struct flow *f, const struct topic *t);
bool room_for_bytes(struct flow *f, uint64_t bytes); /* on the disk */
bool room_for_end(struct flow *f, uint64_t bytes);   /* the same, of what ends something */
int room_for_message(struct flow *f, const struct topic *t, size_t bytes);

/* ---- triggers.c ---- */

int triggers_put(struct flow *f, const struct wire_flow_trigger *record);
void triggers_unsay(struct flow *f, const char *service);
void triggers_settle(struct flow *f, const char *service);
/* A new topic: its consumers by trigger. */
void triggers_greet(struct flow *f, struct topic *t);
void triggers_free(struct flow *f);

/* ---- push.c ---- */

void pushes_take(struct flow *f, uint64_t now_us);
void pushes_deliver(struct flow *f);
void pushes_put_back(struct flow *f);
/* Its consumer moved the delivery that is under way. */
void push_moved(struct consumer *c, const struct store_delivery *d);
void pushes_free(struct flow *f);

#endif
