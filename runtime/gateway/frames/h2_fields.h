/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a head as our serializer wrote them, as fields for nghttp2. Nothing is copied: the text
 * stays until the frame is written. Names become lower case in place.
 */
#ifndef EBB_GATEWAY_H2_FIELDS_H
#define EBB_GATEWAY_H2_FIELDS_H

#include <nghttp2/nghttp2.h>

#include "runtime/http/head.h"

struct h2_fields {
	nghttp2_nv at[HTTP_HEADERS_MAX + 16];
	size_t count;
};

/* name and value are borrowed until the frame is written; a list that is full is a bug. */
void h2_fields_add(struct h2_fields *f, char *name, size_t name_size, char *value,
		   size_t value_size);
/* The next line of a head: line is the LF before it, end the CR of the empty one. NULL at the end.
 */
char *h2_fields_line(char *line, char *end, struct http_header *out);
/* Fields of an HTTP/1.1 connection, which HTTP/2 does otherwise (RFC 9113 section 8.2.2). */
bool h2_fields_hop(struct http_slice name);

#endif
