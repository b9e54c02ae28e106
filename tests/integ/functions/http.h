/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small threaded HTTP/1.1 server for test functions: an ordinary program that knows nothing of
 * ebb. It has a detached thread for each connection, keep-alive, and bodies by length or in chunks,
 * which it never buffers whole. Hostile clients can harm it; the gateway in front keeps them away.
 */
#ifndef PROBE_HTTP_H
#define PROBE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct call {
	int fd;
	char method[16], path[2048];
	char *query;      /* inside path; "" when there is none */
	char head[65536]; /* the whole head as it came, NUL-terminated */
	bool chunked, close;
	uint64_t length; /* of the body, when not chunked */
	char in[65536];  /* bytes read behind the head */
	size_t in_start, in_end;
	uint64_t left; /* of the body or of the present chunk */
	bool body_done;
	char buf[128 * 1024]; /* the handler's to use */
};

/* Serves on fd (any listening socket) for ever; handler answers one call. */
void http_serve_fd(int fd, void (*handler)(struct call *c));
/* The same on 0.0.0.0:port. */
void http_serve(int port, void (*handler)(struct call *c));
/* Up to size bytes of the request body. 0 at its end, -1 when the client went away. */
long call_read(struct call *c, char *buf, size_t size);
/* A header's value up to the end of its line, or NULL. name is lower case. */
const char *call_header(const struct call *c, const char *name);
/* The number or text of a query parameter. */
long call_number(const struct call *c, const char *name, long otherwise);
void call_text(const struct call *c, const char *name, char *buf, size_t size);
/* A whole answer. */
void call_answer(struct call *c, int status, const char *type, const char *body, size_t size);
void call_printf(struct call *c, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A streamed answer: length < 0 means chunked. */
void call_begin(struct call *c, int status, const char *type, int64_t length);
int call_write(struct call *c, const char *buf, size_t size, bool chunked);
void call_end_chunks(struct call *c);

#endif
