/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of an HTTP/2 request become the text of an HTTP/1.1 head, which then passes the same
 * gate as any other (http_request_parse): one set of rules, one way into the gateway. A field that
 * could make that text mean something else is refused here, before it is written (RFC 9113 section
 * 8.2, 8.3, 10.3). No library of HTTP/2 is needed or known here.
 */
#ifndef EBB_HTTP_H2_HEAD_H
#define EBB_HTTP_H2_HEAD_H

#include "runtime/http/head.h"

/* A place in the text. */
struct h2_span {
	uint32_t at, size;
};

struct h2_head {
	char *text; /* of the caller */
	uint32_t room, size, size_max;
	uint32_t begin; /* of the head; before it the pseudo-fields wait for the first line */
	uint32_t cookies, lines;
	struct h2_span method, path, scheme, authority, host;
	int status; /* 0, or how it is refused, and: */
	const char *why;
};

/* text: room bytes of the caller's; size_max: bytes of a whole head, beyond it the request is
 * refused. */
void h2_head_init(struct h2_head *h, char *text, uint32_t room, uint32_t size_max);
/* The text was copied to a larger place. */
void h2_head_move(struct h2_head *h, char *text, uint32_t room);
/* Takes a field, in the order received. 0 (refused ones too), or -ENOBUFS: move, then again. */
int h2_head_field(struct h2_head *h, struct http_slice name, struct http_slice value);
/* All fields came; ended: and no body follows. Then the head is text[begin..size). As above. */
int h2_head_end(struct h2_head *h, bool ended);

/* Fields behind a body (RFC 9110 section 6.5): lines up to and with the empty one. Fields that may
 * not stand there are left out; a malformed line is an error. 0 or 502 with *why. */
int http_trailers_parse(const char *text, size_t size, struct http_head *out, const char **why);

#endif
