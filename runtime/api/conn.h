/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of the server; for server.c, conn.c and reply.c only. */
#ifndef EBB_API_CONN_H
#define EBB_API_CONN_H

#include "runtime/api/buffer.h"
#include "runtime/api/loop.h"
#include "runtime/api/request.h"

struct route;
struct server;

enum conn_state {
	CONN_HEAD,   /* a request's head is awaited */
	CONN_BODY,   /* its body comes in */
	CONN_BUSY,   /* a handler has it and has not answered */
	CONN_STREAM, /* an answer without an end goes out */
	CONN_FINISH, /* an answer is complete and goes out */
	CONN_LINGER, /* answered before all was read: the rest is thrown away, then closed */
	CONN_STATE_COUNT,
};

struct conn {
	struct loop_source source; /* owns the descriptor */
	struct server *server;
	struct conn *next_todo;
	bool in_todo, doomed, hung_up, chunked_answer, keep_alive;
	enum conn_state state;
	uint32_t interest;    /* epoll events asked for */
	uint64_t progress_ns; /* when it last moved */
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

/* conn.c */
void conn_on_ready(struct loop_source *source, uint32_t events);
/* Does all that can be done now. */
void conn_advance(struct conn *c);
bool conn_expired(const struct conn *c, uint64_t now_ns);
void conn_free(struct conn *c);

/* server.c */
void server_todo(struct server *server, struct conn *c);
struct api *server_api(struct server *server);
struct loop *server_loop(struct server *server);
uint64_t server_upload_bytes_max(struct server *server);
/* A file without a name, once to write and once to read. 0 or -errno. */
int server_spool(struct server *server, int *write_fd, int *read_fd);

#endif
