/* SPDX-License-Identifier: Apache-2.0 */
/* Private to queue.c and queue_call.c: one request to the queues, on a connection of its own. */
#ifndef EBB_NATIVE_QUEUE_H
#define EBB_NATIVE_QUEUE_H

#include "loop.h"

#define QUEUE_NAME_SIZE 256

struct queue_call {
	struct ebb *loop;
	struct queue_call *next;
	struct ebb_request *rq; /* NULL: nobody waits for its end */
	ebb_queue_fn *fn;
	void *ctx;
	char topic[QUEUE_NAME_SIZE], consumer[QUEUE_NAME_SIZE];
	char *out, *in; /* owned; in has a NUL behind it at the end */
	size_t out_size, out_sent, in_size, in_room;
	/* Its end: err is 0 or -errno. Called once while somebody waits for it. */
	void (*on_end)(struct queue_call *c, int err);
	struct watch watch;
	struct ebb_timer limit;
	bool late;
};

/* Connects and sends out. It takes the call, also when it fails; on_end is not called then. */
int queue_call_begin(struct queue_call *c);
void queue_call_free(struct queue_call *c);

#endif
