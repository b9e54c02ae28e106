/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of an HTTP/2 request become the text of an HTTP/1.1 head, which then passes the same
 * gate as any other (http_request_parse): one set of rules, one way into the gateway. A field that
 * could make that text mean something else is refused here, before it is written (RFC 9113 sections
 * 8.2, 8.3, 10.3). This file needs no library of HTTP/2.
 */
#ifndef EBB_HTTP_H2_HEAD_H
#define EBB_HTTP_H2_HEAD_H

#include "runtime/http/head.h"

/* A place in the text. */
struct h2_span {
	uint32_t at, size;
};

struct h2_head {
	char *text; /* memory of the caller */
	uint32_t room, size, size_max;
	uint32_t begin; /* of the head in text; before it stand the values of the pseudo-fields */
	uint32_t cookies, lines;
	struct h2_span method, path, scheme, authority, host;
	int status;      /* 0, or the status that refuses the head */
	const char *why; /* static, for that status */
};

/* text: room bytes of the caller. size_max: bytes of a whole head; a larger head is refused with
 * 431. */
void h2_head_init(struct h2_head *h, char *text, uint32_t room, uint32_t size_max);
/* The caller copied the text to a larger place. */
void h2_head_move(struct h2_head *h, char *text, uint32_t room);
/* Takes a field; call it in the order received. 0, also for a refused field (h->status), or
 * -ENOBUFS: there is no room, so call h2_head_move and then this again. */
int h2_head_field(struct h2_head *h, struct http_slice name, struct http_slice value);
/* All fields came. ended: no body follows. The head is then text[begin..size). 0 or -ENOBUFS, as
 * h2_head_field. */
int h2_head_end(struct h2_head *h, bool ended);

/* Parses the fields behind a body (RFC 9110 section 6.5): lines up to and with the empty one.
 * Fields that may not stand there are left out; a malformed line is an error. 0, or 502 with a
 * static sentence in *why. */
int http_trailers_parse(const char *text, size_t size, struct http_head *out, const char **why);

#endif
