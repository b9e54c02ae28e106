/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of the server; for server.c, conn.c, conn_state.c and reply.c only. A connection
 * knows nothing of the server, of routes or of the state of handlers; struct conn_shared has the
 * functions by which a connection reaches them.
 */
#ifndef EBB_API_CONN_H
#define EBB_API_CONN_H

#include "runtime/api/buffer.h"
#include "runtime/api/request.h"
#include "runtime/api/server.h"
#include "runtime/base/chain.h"
#include "runtime/base/loop.h"

struct route;

/* The common ground of all connections of a server. */
struct conn_shared {
	struct server_options options;
	struct chain todo; /* connections that can do something when the server turns */
};

enum conn_state {
	CONN_HEAD,     /* a request's head is awaited */
	CONN_BODY,     /* its body comes in */
	CONN_BUSY,     /* a handler has the request and has not answered */
	CONN_STREAM,   /* an answer without an end goes out */
	CONN_UPGRADED, /* bytes go both ways, for a handler */
	CONN_FINISH,   /* an answer is complete and goes out */
	CONN_LINGER,   /* answered before all was read: the rest is thrown away, then closed */
	CONN_STATE_COUNT,
};

struct conn {
	struct watch source; /* owns the descriptor */
	struct conn_shared *shared;
	struct chain in_todo;
	bool ending; /* upgraded: closed when all is sent */
	bool doomed, hung_up, chunked_answer, keep_alive;
	enum conn_state state;
	uint32_t interest;    /* epoll events asked for */
	uint64_t progress_ns; /* when bytes last moved; CLOCK_MONOTONIC */
	struct buffer in, out, body;
	size_t head_seen;
	char *head_text; /* owned copy that request.head points into */
	const struct route *route;
	uint64_t body_left, body_bytes;
	struct http_chunked chunked;
	int spool_write_fd;
	struct request request;
};

static inline struct conn *conn_of(const struct request *rq)
{
	return container_of(rq, struct conn, request);
}

/* conn_state.c */
void conn_enter(struct conn *c, enum conn_state next);
/* conn.c */
/* Does all that can be done now. */
void conn_advance(struct conn *c);
bool conn_expired(const struct conn *c, uint64_t now_ns);
/* NULL: no memory. fd stays the caller's then. */
struct conn *conn_new(struct conn_shared *shared, int fd);
void conn_free(struct conn *c);
/* Asks for conn_advance at the server's next turn. */
static inline void conn_todo(struct conn *c)
{
	if (!chain_is_linked(&c->in_todo))
		chain_add_last(&c->shared->todo, &c->in_todo);
}

#endif
