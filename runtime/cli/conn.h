/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP/1.1 exchange (RFC 9112) over a unix socket: the request goes out, with a text, a file or
 * a pipe as body; the head of the response comes in, then its body in slices. Each exchange has a
 * connection of its own. Prints nothing.
 */
#ifndef EBB_CLI_CONN_H
#define EBB_CLI_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/http/head.h"

#define CONN_BUFFER_BYTES (128 * 1024)

struct conn_request {
	const char *method, *target; /* target already percent-encoded */
	const char *accept;          /* or NULL */
	const char *upgrade;         /* the protocol to change to (101), or NULL */
	const char *content_type;    /* NULL: no body */
	const char *body;            /* or NULL, then body_fd */
	size_t body_size;
	bool repeatable;     /* the same twice is the same as once; GET and PUT are so anyway */
	int body_fd;         /* borrowed; used when body is NULL and content_type is not */
	uint64_t body_bytes; /* of body_fd; 0 = unknown, sent in chunks until end of file */
	/* Called with the bytes of body_fd sent so far; may be NULL. */
	void (*progress)(void *context, uint64_t sent);
	/* Called at the end of body_fd, before the server can take the body for whole: a negative
	 * result aborts the exchange. May be NULL. */
	int (*source_end)(void *context);
	void *context;
};

struct conn {
	int fd;
	int timeout_ms; /* for each wait; -1 for ever, 0 returns -EAGAIN */
	int status;
	bool ended;
	enum http_framing framing;
	uint64_t left;
	struct http_chunked chunked;
	char content_type[80], etag[80], location[128];
	size_t at, end; /* bytes received and not yet given out */
	char buf[CONN_BUFFER_BYTES];
};

/* Connects. 0 or -errno (-ENAMETOOLONG: longer than a socket's path may be). */
int conn_open(const char *socket_path, struct conn **out);
void conn_free(struct conn *conn); /* NULL is fine */
/* Sends the request. 0 or -errno. A server may answer before it has read all: that is 0 too, and
 * conn_head reads the answer. */
int conn_send(struct conn *conn, const struct conn_request *request);
/* Asks for a stream of this type, and reads the head of the answer. As conn_head. */
#define CONN_LINES "application/x-ndjson" /* lines of JSON */
int conn_ask_stream(struct conn *conn, const char *target, const char *accept);
/* Reads the response's head into status, content_type, etag, location. 0, -errno, -EPROTO. */
int conn_head(struct conn *conn);
/* The next part of the body, valid until the next call. 1; 0 at the end of the body; -EAGAIN with
 * timeout_ms 0 when no byte is there; -EPROTO for a body that is cut short or malformed; -errno. */
int conn_next(struct conn *conn, struct http_slice *out);

/* Percent-encodes text as one path segment or query value; the unreserved characters of RFC 3986
 * section 2.3 stay. 0 or -ENAMETOOLONG. */
int conn_encode(char *buf, size_t size, const char *text);

#endif
