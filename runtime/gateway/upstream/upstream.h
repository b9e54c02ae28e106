/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to instances, and streams on them. This floor knows a request as text to send (struct
 * ask) and its owner as a number; the owner hears of an upstream's fate as an event. The owner
 * alone decides what an event means.
 *
 * Life cycle: upstream_attach takes one of the pool or connects a new one and sends the request;
 * upstream_detach parts it from its owner, into the pool or closed; upstream_leave leaves it to end
 * by itself, with a ticket. A closed one goes back to the slab when the kernel owes nothing more.
 */
#ifndef EBB_GATEWAY_UPSTREAM_H
#define EBB_GATEWAY_UPSTREAM_H

#include "runtime/gateway/ring/starved.h"
#include "runtime/gateway/ring/timers.h"
#include "runtime/gateway/route/instances.h"
#include "runtime/gateway/tell/counters.h"
#include "runtime/gateway/tell/tell.h"

struct upstream;
struct upstreams;

/* A request, as it is to be sent. */
struct ask {
	struct chunk text;         /* its head and what is here of its body; stays the owner's */
	enum http_framing framing; /* of the body in it */
	bool idempotent, head;     /* head: the method, which has answers without a body */
	bool whole;                /* nothing of it is missing */
	bool fresh_only;           /* no pooled connection */
	bool grpc;
};

enum upstream_event {
	UPSTREAM_BYTES,    /* s.in has more of the answer */
	UPSTREAM_STRAY,    /* it has, but they came before the request was sent */
	UPSTREAM_FULL,     /* more than a buffer holds */
	UPSTREAM_END,      /* nothing follows; err 0: it ended in order */
	UPSTREAM_SENT,     /* everything given to it was sent */
	UPSTREAM_BROKEN,   /* it takes no more; bytes may still be there to receive */
	UPSTREAM_READY,    /* as stream_poll asked */
	UPSTREAM_REFUSED,  /* no connection: err */
	UPSTREAM_WAS_OVER, /* the connection had ended before the request was sent: err */
};

/* How a stream of HTTP/2 ended before its answer did. */
enum upstream_end_kind {
	UPSTREAM_RESET,     /* by the instance */
	UPSTREAM_GAVE_BACK, /* so, and it did not begin */
	UPSTREAM_UNREAD,    /* nobody has read it, and nothing is wrong */
	UPSTREAM_LOST,      /* its connection ended: err */
	UPSTREAM_NO_ANSWER, /* the answer was none: why */
	UPSTREAM_HTTP1,     /* the instance speaks HTTP/1.1 */
};

struct upstream_end {
	enum upstream_end_kind kind;
	uint8_t code; /* of the reset that a client with HTTP/2 gets */
	int err;
	bool unread; /* of LOST: nobody has read it */
	bool others; /* it may have been another's fault: the connection is broken */
	const char *why;
};

/* Events for the floor above. */
struct upstream_user {
	/* Only while u has an owner. */
	void (*event)(void *self, struct upstream *u, enum upstream_event event, int err);
	void (*over)(void *self, struct upstream *u, const struct upstream_end *end);
	/* A connection or a stream of this instance may be had now. */
	void (*room)(void *self, struct instance *i);
	/* The ticket that u was left with was given back. */
	void (*gave)(void *self, const struct upstream *u);
};

/* A carrier of other upstreams hears of its connection; see h2up.h. */
struct upstream_carrier {
	void (*connected)(struct upstreams *p, struct upstream *u, int res);
	void (*received)(struct upstreams *p, struct upstream *u, enum stream_result r, int err);
	void (*sent)(struct upstreams *p, struct upstream *u, enum stream_result r);
	void (*timer)(struct upstreams *p, struct upstream *u);
	void (*ended)(struct upstreams *p, struct upstream *u);
};

struct upstream {
	struct stream s; /* first */
	uint32_t owner;  /* number + 1; 0 while pooled, left or closing */
	uint32_t slot, generation;
	struct chain in_pool;  /* of the instance; idle */
	uint32_t freezes;      /* of the instance, when it was pooled */
	uint32_t service;      /* while it has a ticket */
	bool left, has_ticket; /* left to end by itself, see leave.c */
	bool unproven;         /* no byte came yet, maybe it was not even accepted */
	bool connected;
	bool reused, http2;    /* how the request went out */
	bool looking;          /* whether it said something before it was asked */
	uint8_t before, asked; /* enum before: of the last request, and of this one */
	uint8_t looks;         /* at whether it was accepted */
	uint32_t epoch;        /* of the instance, when it was connected */
	uint32_t head_seen;
	uint32_t session; /* + 1: it carries others */
	const struct upstream_carrier *carrier;
	/* While idle, unproven, left: when that has lasted long enough; see the files of each. */
	uint64_t idle_until_ns, look_ns, end_by_ns;
};

struct h2up;

struct upstreams {
	struct stream_io io;
	struct timers *timers;
	uint32_t first_timer; /* theirs follow; behind them is the coarse one of the gateway */
	struct routes *routes;
	struct instances *instances;
	struct board *board;
	struct tell *tell;
	struct counters *count;
	struct starved *starved;
	const struct wire_gateway_config *config;
	const struct upstream_user *user;
	void *self;
	bool draining;

	struct upstream *slots;
	uint32_t slot_count, *free, free_count;
	struct chain room_due; /* of struct instance, by in_room: to be asked for room again */
	struct h2up *h2up;
	char looked_at; /* a byte that nobody reads, see attach.c */
};

static inline uint64_t upstreams_now(const struct upstreams *p)
{
	return p->io.ring->now_ns;
}
static inline bool upstream_is_idle(const struct upstream *u)
{
	return chain_is_linked(&u->in_pool);
}
/* NULL: it has ended. */
static inline struct instance *upstream_instance(const struct upstreams *p,
						 const struct upstream *u)
{
	return instances_get(p->instances, u->slot, u->generation);
}
static inline void upstream_set_timer(struct upstreams *p, const struct upstream *u,
				      uint64_t when_ns)
{
	timers_set(p->timers, p->first_timer + u->s.index, when_ns);
}

/* upstream.c; the caller has set in p what is not set here. 0 or -ENOMEM */
int upstreams_init(struct upstreams *p, uint32_t count);
/* A free slot for one, without a socket; NULL. */
struct upstream *upstream_slot(struct upstreams *p, struct instance *i);
/* One with a socket, which may be connected. NULL: not now, the caller waits. */
struct upstream *upstream_socket(struct upstreams *p, struct instance *i);
/* with_request: the send that follows waits for it. */
void upstream_connect(struct upstreams *p, struct upstream *u, struct instance *i,
		      bool with_request);
/* u is owner's from now on, and gets its request. */
void upstream_ask(struct upstreams *p, struct upstream *u, const struct ask *ask, uint32_t owner);
void upstream_close(struct upstreams *p, struct upstream *u);
/* Parts it from its owner: into the pool if it is good for another request, else closed. */
void upstream_detach(struct upstreams *p, struct upstream *u, bool reusable);
/* A closing one whose last completion came goes back to the slab. */
void upstream_settle(struct upstreams *p, struct upstream *u);

/* attach.c */
/* Sends a request on a pooled or new connection. NULL: no socket now, the owner waits. */
struct upstream *upstream_attach(struct upstreams *p, const struct ask *ask, uint32_t owner,
				 struct instance *i);
/* Closes what idles; of streams' connections too. */
void upstream_empty_pool(struct upstreams *p, struct instance *i);
/* Closes the pooled connections from before the last freeze. */
void upstream_drop_stale(struct upstreams *p, struct instance *i);
/* Tells the instance that nobody waits any more. The connection u and the ticket of its owner stay
 * until the instance ends the connection. False: the instance cannot be told. */
bool upstream_leave(struct upstreams *p, struct upstream *u, uint32_t service);
/* A send to it failed, as the instance closed or as the kernel had no memory: it hears that the
 * request ends here, and does not wait for a rest that cannot come. It may still answer. */
void upstream_no_more(const struct upstream *u);
/* Its slot is another's soon. */
void upstream_instance_down(struct upstreams *p, struct instance *i);
/* No new streams, and nothing is kept. */
void upstream_drain(struct upstreams *p);

/* pool.c: idle connections, the last one first */
void pool_push(struct upstreams *p, struct upstream *u, struct instance *i);
void pool_remove(struct upstreams *p, struct upstream *u);
/* One that is good for this request, NULL. */
struct upstream *pool_find(struct upstreams *p, const struct ask *ask, struct instance *i);
/* Whether an idle connection to it may be kept. */
bool pool_may_keep(const struct upstreams *p, const struct instance *i);
/* Its time begins: a freeze and more idling than any server allows make it stale. */
void pool_begin(struct upstreams *p, struct upstream *u, struct instance *i);
bool pool_is_stale(const struct upstreams *p, const struct upstream *u);
/* Notes how this instance treats a connection after a request like the last one on u. The instance
 * kept u, or ended u without a word, or ended the idle u (which counts if that was at once). */
void pool_note_kept(struct upstreams *p, const struct upstream *u);
void pool_note_ended(struct upstreams *p, const struct upstream *u);
void pool_note_idle_end(struct upstreams *p, const struct upstream *u);

/* leave.c: left by their owners, with a ticket, to be ended by their instance */
void leave_begin(struct upstreams *p, struct upstream *u, uint32_t service);
void leave_on_recv(struct upstreams *p, struct upstream *u, enum stream_result r);
void leave_on_timer(struct upstreams *p, struct upstream *u);
void leave_instance_down(struct upstreams *p, uint32_t slot, uint32_t generation);

/* deliver.c: received bytes go to the owner, or to nobody */
void upstream_deliver(struct upstreams *p, struct upstream *u, enum stream_result r, int err);

/* events.c: completions */
void upstream_on_recv(struct upstreams *p, const struct ring_event *e);
void upstream_on_send(struct upstreams *p, const struct ring_event *e);
void upstream_on_poll(struct upstreams *p, const struct ring_event *e);
void upstream_on_connect(struct upstreams *p, const struct ring_event *e);
void upstream_on_look(struct upstreams *p, const struct ring_event *e);
void upstream_on_timer(struct upstreams *p, struct upstream *u);

#endif
