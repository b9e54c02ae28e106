/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways in for instances: a listening socket inside each one's network namespace, and connections
 * that speak HTTP/1.1 (queue_calls.h). A connection has one request in hand; its answer goes out
 * when all that it did is durable.
 *
 * An instance that says nothing, or half of a request, holds a connection of its own and no timer.
 */
#ifndef EBB_FLOW_INLETS_H
#define EBB_FLOW_INLETS_H

#include "runtime/flow/inside.h"

#define CONNS_MAX      2048
#define CONNS_OF_INLET 64
#define BODY_MAX       (4u << 20) /* of a message, or of a batch */
#define BODIES_MAX     (64u << 20)

/* The bindings of an instance that lead to queues. */
struct inlet {
	struct chain all, conns; /* conns: by of_inlet */
	struct flow *flow;
	uint32_t slot, generation, count, open;
	char service[SERVICE_NAME_SIZE]; /* that the instance is of */
	struct inlet_door {
		struct watch watch; /* owns the listening socket */
		struct inlet *inlet;
		char space[SERVICE_NAME_SIZE];
	} doors[BINDINGS_MAX];
};

struct conn {
	struct chain of_inlet, answer; /* answer: in flow.answers, until a commit */
	struct inlet_door *door;
	struct watch watch; /* owns the socket */
	char *in;           /* received, not looked at yet */
	size_t in_size, in_room;
	char *head; /* of the request in hand, whole */
	size_t head_size;
	char *body;
	size_t body_size, body_room;
	enum http_framing framing;
	uint64_t left;
	struct http_chunked chunks;
	char *out; /* the answer */
	size_t out_size, out_sent;
	bool waits;   /* for a commit */
	bool last;    /* the connection ends behind the answer */
	bool discard; /* the rest of the request is read and dropped */
};

/* Takes descriptors out of fds. 0, or -EPROTO for a bad record. */
int inlets_put(struct flow *f, const struct wire_bindings *record, int *fds, unsigned int fd_count);
void inlets_gone(struct flow *f, uint32_t slot, uint32_t generation);
void inlets_free(struct flow *f);
/* Sends the answers that waited; result < 0: nothing of them is durable. */
void inlets_answer(struct flow *f, int result);

/* ---- conn.c ---- */

void conn_begin(struct inlet_door *door, int fd); /* takes fd */
void conn_end(struct conn *c);
void conn_flush(struct conn *c, int result);
/* The answer to the request in hand. fields: whole lines, or "". */
void conn_answer(struct conn *c, int status, const char *fields, const char *type, const void *body,
		 size_t size);
/* The same with a sentence, as JSON. */
void conn_refuse(struct conn *c, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
