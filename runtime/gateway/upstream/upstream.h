/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to instances, and streams on them. This floor knows a request as text to send (struct
 * ask) and the owner of an upstream as a number. The owner hears what happens to its upstream as
 * events, and the owner alone decides what an event means.
 *
 * Life cycle: upstream_attach takes a connection out of the pool or makes a new one, and sends the
 * request. upstream_detach parts the upstream from its owner and pools or closes it. upstream_leave
 * leaves it to end by itself, with a ticket. A closed upstream goes back to the slab when the
 * kernel owes nothing more.
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
	struct chunk text;         /* head and received bytes of the body; stays the owner's */
	enum http_framing framing; /* of the body in text */
	bool idempotent, head;     /* head: the method HEAD, whose answers have no body */
	bool whole;                /* text has the whole request */
	bool fresh_only;           /* takes no pooled connection */
	bool grpc;
};

enum upstream_event {
	UPSTREAM_BYTES,    /* s.in has more of the answer */
	UPSTREAM_STRAY,    /* bytes that came before the request was sent */
	UPSTREAM_FULL,     /* more bytes came than a buffer holds */
	UPSTREAM_END,      /* the instance sends no more; err 0: it ended in order */
	UPSTREAM_SENT,     /* everything given to the upstream was sent */
	UPSTREAM_BROKEN,   /* a send failed; bytes may still be there to receive */
	UPSTREAM_READY,    /* ready, as stream_poll asked */
	UPSTREAM_REFUSED,  /* the connect failed: err */
	UPSTREAM_WAS_OVER, /* the connection had ended before the request was sent: err */
};

/* How a stream of HTTP/2 ended before its answer did. */
enum upstream_end_kind {
	UPSTREAM_RESET,     /* the instance reset it */
	UPSTREAM_GAVE_BACK, /* the instance reset it and did not begin with it */
	UPSTREAM_UNREAD,    /* the instance has not read it, and nothing is wrong */
	UPSTREAM_LOST,      /* the connection ended: err */
	UPSTREAM_NO_ANSWER, /* the answer is not valid: why */
	UPSTREAM_HTTP1,     /* the instance speaks HTTP/1.1 */
};

struct upstream_end {
	enum upstream_end_kind kind;
	uint8_t code; /* error code for a client that speaks HTTP/2 */
	int err;
	bool unread; /* of LOST: the instance has not read the request */
	bool others; /* all streams of the connection ended: maybe another one is to blame */
	const char *why;
};

/* The functions of the floor above. */
struct upstream_user {
	/* Events of u, only while u has an owner; err: -errno or 0. */
	void (*event)(void *self, struct upstream *u, enum upstream_event event, int err);
	void (*over)(void *self, struct upstream *u, const struct upstream_end *end);
	/* A connection or a stream of this instance may be had now. */
	void (*room)(void *self, struct instance *i);
	/* The ticket that u had kept was given back. */
	void (*gave)(void *self, const struct upstream *u);
};

/* The functions of a connection that carries other upstreams (h2up.h). */
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
	struct chain in_pool;  /* in the pool of its instance, while it idles */
	uint32_t freezes;      /* freezes of the instance when it was pooled */
	uint32_t service;      /* of its ticket, while it has one */
	bool left, has_ticket; /* left by its owner to end by itself, see leave.c */
	bool unproven;         /* no byte came yet; see room.h */
	bool connected;
	bool reused, http2;    /* how the request went out: on a pooled connection, over HTTP/2 */
	bool looking;          /* a look for bytes before the request is under way */
	uint8_t before, asked; /* enum before: of the last request, and of this one */
	uint8_t looks;         /* how often it was asked whether it is accepted */
	uint32_t epoch;        /* epoch of the instance when it was connected */
	uint32_t head_seen;
	uint32_t session; /* number of its session + 1; 0: it carries no others */
	const struct upstream_carrier *carrier;
	/* CLOCK_MONOTONIC; while idle, unproven or left: when that is over, see pool.c, room.c and
	 * leave.c. */
	uint64_t idle_until_ns, look_ns, end_by_ns;
	uint64_t connected_ns; /* set with look_ns */
};

struct h2up;

struct upstreams {
	struct stream_io io;
	struct timers *timers;
	uint32_t first_timer; /* timer of slots[0]; behind the last slot is the coarse timer */
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
	char looked_at; /* written by looks, never read; see attach.c */
};

static inline uint64_t upstreams_now(const struct upstreams *p)
{
	return p->io.ring->now_ns;
}
static inline bool upstream_is_idle(const struct upstream *u)
{
	return chain_is_linked(&u->in_pool);
}
/* The instance of u. NULL: it has ended. */
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

/* upstream.c: makes a slab of count upstreams; the caller has set the members that this does not
 * set. 0 or -ENOMEM. */
int upstreams_init(struct upstreams *p, uint32_t count);
/* A free slot, without a socket. NULL: none. */
struct upstream *upstream_slot(struct upstreams *p, struct instance *i);
/* A slot with a socket, which may be connected now. NULL: not now, the caller waits. */
struct upstream *upstream_socket(struct upstreams *p, struct instance *i);
/* Connects u to i. with_request: the send that follows waits for the connect. */
void upstream_connect(struct upstreams *p, struct upstream *u, struct instance *i,
		      bool with_request);
/* Gives u to this owner and sends the request on it. The text stays the owner's and must stay in
 * place until it was sent. */
void upstream_ask(struct upstreams *p, struct upstream *u, const struct ask *ask, uint32_t owner);
void upstream_close(struct upstreams *p, struct upstream *u);
/* Parts u from its owner: into the pool if it is good for another request, else closed. */
void upstream_detach(struct upstreams *p, struct upstream *u, bool reusable);
/* Puts a closing upstream back into the slab, once its last completion came. */
void upstream_settle(struct upstreams *p, struct upstream *u);

/* attach.c */
/* Sends a request on a pooled or new connection, or as a stream. NULL: not now, the owner waits. */
struct upstream *upstream_attach(struct upstreams *p, const struct ask *ask, uint32_t owner,
				 struct instance *i);
/* Closes all idle connections to i, also those of HTTP/2. */
void upstream_empty_pool(struct upstreams *p, struct instance *i);
/* Closes the pooled connections from before the last freeze. */
void upstream_drop_stale(struct upstreams *p, struct instance *i);
/* Tells the instance that nobody waits any more. The connection u and the ticket of its owner stay
 * until the instance ends the connection. False: the instance cannot be told. */
bool upstream_leave(struct upstreams *p, struct upstream *u, uint32_t service);
/* A send on u failed, because the instance closed or the kernel had no memory. Ends the sending
 * side, so that the instance does not wait for the rest of the request. It may still answer. */
void upstream_no_more(const struct upstream *u);
/* The instance has ended, and its slot is reused soon. */
void upstream_instance_down(struct upstreams *p, struct instance *i);
/* The gateway drains: idle connections of HTTP/2 end now, the others as soon as they idle. Pooled
 * connections of HTTP/1.1 stay. */
void upstream_drain(struct upstreams *p);

/* pool.c: idle connections, the last one first */
void pool_push(struct upstreams *p, struct upstream *u, struct instance *i);
void pool_remove(struct upstreams *p, struct upstream *u);
/* An idle connection that this request may have, still in the pool. NULL: none. */
struct upstream *pool_find(struct upstreams *p, const struct ask *ask, struct instance *i);
/* Whether an idle connection to i may be kept. */
bool pool_may_keep(const struct upstreams *p, const struct instance *i);
/* u begins to idle. A freeze, and more idling than any server allows, make it stale. */
void pool_begin(struct upstreams *p, struct upstream *u, struct instance *i);
bool pool_is_stale(const struct upstreams *p, const struct upstream *u);
/* Note how the instance treats a connection after a request like the last one on u: it kept u, or
 * it ended u without a word, or it ended u while idle (which counts if that was at once). */
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
