/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP request as a handler sees it, and its answer.
 *
 * A handler answers once, now or later, with exactly one of reply_*, problem_* (problem.h),
 * stream_begin or upgrade_begin. Until then the request stays valid, unless its client goes away:
 * then server_options.forget (server.h) tells every module that keeps the request.
 */
#ifndef EBB_API_REQUEST_H
#define EBB_API_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "runtime/base/json.h"
#include "runtime/http/head.h"

#define REQUEST_ARG_SIZE 512

struct api;

struct request {
	struct api *api;
	struct http_head head; /* points into head_text, which the connection owns */
	const char *head_text;
	size_t head_size;
	char arg[REQUEST_ARG_SIZE]; /* the part that ":" or "*" of the route matched, decoded */
	const char *body;           /* in memory, NUL-terminated */
	size_t body_size;
	int spool_fd; /* a body in a file without a name, open for reading; owned; else -1 */
	struct ucred peer;
	/* Called on an upgraded connection when bytes came or went out, and on a stream when bytes
	 * went out; NULL: nobody wants to know. */
	void (*on_input)(struct request *rq);
	/* Takes the answer of a request without a connection. NULL: the answer goes to
	 * the client. */
	void (*answered)(struct request *rq, int status, const char *bytes, size_t size);
};

/* The value of a query parameter, decoded, into buf. 1 if present, 0 if not, -EINVAL for a bad
 * encoding, a NUL or a value that does not fit. */
int request_query(const struct request *rq, const char *name, char *buf, size_t size);
/* ?name, ?name=1 or ?name=true */
bool request_flag(const struct request *rq, const char *name);
/* Whether Accept names this media type outright. */
bool request_accepts(const struct request *rq, const char *type);
/* Percent-decodes into buf, NUL-terminated. 0 or -EINVAL. */
int request_decode(struct http_slice s, bool plus_is_space, char *buf, size_t size);

/* extra: complete header lines ("ETag: x\r\n") or NULL. */
void reply_bytes(struct request *rq, int status, const char *type, const char *extra,
		 const char *bytes, size_t size);
/* Sends and finishes o; 500 if it failed. */
void reply_json(struct request *rq, int status, const char *extra, struct json_out *o);
void reply_empty(struct request *rq); /* 204 */

/* An answer without an end yet. */
void stream_begin(struct request *rq, const char *type);
void stream_send(struct request *rq, const void *bytes, size_t size);
/* The stream is whole: the client gets its end, and may ask the next question. */
void stream_end(struct request *rq);
/* Bytes that the client has not taken yet; a handler that sends without being asked must look. */
size_t stream_backlog(const struct request *rq);
/* Gives up on a client that is too slow, or on a stream that cannot become whole. The request is
 * gone when the loop turns. */
void stream_abort(struct request *rq);

/* Answers 101 (RFC 9110 section 7.8): from here on bytes of any kind go both ways; stream_backlog
 * and stream_abort work as for a stream. on_input is called at each turn of the connection. */
void upgrade_begin(struct request *rq, const char *protocol, void (*on_input)(struct request *rq));
/* The bytes that came and were not used yet; the handler may change them. While the buffer is full,
 * no more are read. */
char *upgrade_input(struct request *rq, size_t *size);
void upgrade_used(struct request *rq, size_t size);
void upgrade_send(struct request *rq, const void *bytes, size_t size);
/* Gives the connection a turn: waiting bytes are sent, and bytes are read again if there
 * is room. */
void upgrade_look(struct request *rq);
/* Closes the connection once all bytes are sent. */
void upgrade_end(struct request *rq);

#endif
