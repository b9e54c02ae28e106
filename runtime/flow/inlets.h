/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways in for instances: a listening socket inside each one's network namespace, and connections
 * that speak HTTP/1.1 (queue_calls.h). A connection has one request in hand; its answer goes out
 * when all that it did is durable.
 *
 * An instance that says nothing, or half of a request, holds a connection of its own and no timer.
 * Bytes and connections of all instances are bounded and divided by need: an instance that comes
 * when all are taken gets them from the instance with the most. CPU time is bounded by pace.h.
 */
#ifndef EBB_FLOW_INLETS_H
#define EBB_FLOW_INLETS_H

#include "runtime/base/pace.h"
#include "runtime/flow/inside.h"

#define CONNS_MAX      2048
#define CONNS_OF_INLET 64
#define BODY_MAX       (4u << 20)  /* of a message, or of a batch */
#define HELD_OF_INLET  (32u << 20) /* bytes of requests and answers */
#define HELD_MAX       (256u << 20)
#define ANSWER_MAX     (2 * BODY_MAX) /* of a poll */

/* The bindings of an instance that lead to queues. */
struct inlet {
	struct chain all, conns; /* conns: by of_inlet */
	struct flow *flow;
	uint32_t slot, generation, count, open;
	size_t held;            /* bytes of its connections */
	struct pace pace;       /* CPU time */
	struct allowance pages; /* bytes of pages that it writes */
	struct timer resume;
	bool paused;                     /* not heard, because it costs too much */
	char service[SERVICE_NAME_SIZE]; /* that the instance is of */
	struct inlet_door {
		struct watch watch; /* owns the listening socket */
		struct inlet *inlet;
		char space[SERVICE_NAME_SIZE];
	} doors[BINDINGS_MAX];
};

struct conn {
	struct chain of_inlet, answer; /* answer: in flow.answers, until a commit */
	struct chain park;             /* in flow.parked, while its request waits for a stream */
	struct timer patience;         /* of that */
	uint64_t parked_for;           /* a hash of the stream */
	struct inlet_door *door;
	struct watch watch; /* owns the socket */
	uint32_t events;    /* that the loop watches it for */
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
	bool waits;   /* for a commit, or parked */
	bool due;     /* parked, and to be woken */
	bool woken;   /* it was parked: now it is answered, whatever there is */
	bool pending; /* the next request came along with the one before */
	bool last;    /* the connection ends behind the answer */
	bool discard; /* the rest of the request is read and dropped */
};

/* Takes descriptors out of fds. 0, or -EPROTO for a bad record. */
int inlets_put(struct flow *f, const struct wire_bindings *record, int *fds, unsigned int fd_count);
void inlets_gone(struct flow *f, uint32_t slot, uint32_t generation);
void inlets_free(struct flow *f);
/* Sends the answers that waited; result < 0: nothing of them is durable. work_ns: CPU time of their
 * commit, which their instances pay. */
void inlets_answer(struct flow *f, int result, uint64_t work_ns);
/* ---- share.c ---- */

void inlet_share(struct inlet *i); /* its full share */
/* Charges an instance for CPU time. It is not heard for a while when it has used up its share. */
void inlet_worked(struct inlet *i, uint64_t work_ns);
/* Whether an instance may hold so many bytes more. Room is made at the cost of the instance that
 * holds the most of all, if that is another one. */
bool inlet_has_room(struct inlet *i, size_t more);
/* The same of one connection more. */
bool inlet_may_connect(struct inlet *i);

/* ---- held.c ---- */

void conn_end(struct conn *c);
size_t conn_held(const struct conn *c); /* bytes */
/* Notes that it holds other bytes than before. */
void conn_account(struct conn *c, size_t before);
/* The loop watches it for the thing that it waits for now. */
void conn_watch(struct conn *c);
/* The same for one that is not watched; it may end. */
void conn_resume(struct conn *c);

/* ---- conn.c ---- */

void conn_begin(struct inlet_door *door, int fd); /* takes fd */
void conn_flush(struct conn *c, int result);
/* The answer to the request in hand. fields: whole lines, or "". */
void conn_answer(struct conn *c, int status, const char *fields, const char *type, const void *body,
		 size_t size);
/* The request is not answered now. It is called again behind this round when conns_wake names the
 * same thing of its namespace, or so many seconds later; conn.woken says so to the call. */
void conn_park(struct conn *c, uint64_t thing, uint64_t seconds);
void conns_wake(struct flow *f, const char *space, uint64_t thing);
void conns_answer_woken(struct flow *f);
/* The same with a sentence, as JSON. */
void conn_refuse(struct conn *c, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
