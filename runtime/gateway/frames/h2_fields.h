/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines of a head that our serializer wrote, as fields for nghttp2. Nothing is copied, so the
 * text must stay until the frame is written. Names become lower case in place.
 */
#ifndef EBB_GATEWAY_H2_FIELDS_H
#define EBB_GATEWAY_H2_FIELDS_H

#include <nghttp2/nghttp2.h>

#include "runtime/http/head.h"

struct h2_fields {
	nghttp2_nv at[HTTP_HEADERS_MAX + 16];
	size_t count;
};

/* Adds a field; name and value are borrowed until the frame is written. A full list drops the
 * field: at has room for the fields of any head of ours. */
void h2_fields_add(struct h2_fields *f, char *name, size_t name_size, char *value,
		   size_t value_size);
/* Adds all fields of a head. */
void h2_fields_add_all(struct h2_fields *f, const struct http_head *head);
/* Reads the next line of a head into *out. line: the LF before that line; end: the CR of the empty
 * line. Returns the LF of the line that was read, NULL at the end. */
char *h2_fields_line(char *line, char *end, struct http_header *out);
/* Whether a field of HTTP/2 cannot change the meaning of the text around it; nghttp2 has checked
 * that too. */
bool h2_fields_clean(struct http_slice name, struct http_slice value);
/* Whether it is a field of an HTTP/1.1 connection, which a head of HTTP/2 must not have (RFC 9113
 * section 8.2.2). */
bool h2_fields_hop(struct http_slice name);

#endif
