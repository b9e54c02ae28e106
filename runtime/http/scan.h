/* SPDX-License-Identifier: Apache-2.0 */
/* The lexical part of our gate: lines, fields, character sets. Private to runtime/http. */
#ifndef EBB_HTTP_SCAN_H
#define EBB_HTTP_SCAN_H

#include "runtime/http/head.h"

/* Facts about the framing of one head, collected while its fields are scanned. */
struct http_fields {
	size_t count_max; /* at most so many fields */
	bool own;         /* the answer of our own function, see http_response_parse_own */
	bool spaced;      /* a tab stands around some value; llhttp may refuse that */
	unsigned int host_count, length_count, coding_count;
	struct http_slice host, length, coding;
	bool connection_close, connection_keep_alive, connection_upgrade, has_upgrade;
	bool expect_continue, expect_other, te_trailers;
};

/* tchar of RFC 9110 section 5.6.2. */
bool http_is_token_char(unsigned char c);
/* Takes the first line off the front of text, without its line end. 0, or 400 for a line that does
 * not end in CRLF, or in a bare LF where bare_lf allows that. */
int http_take_line(struct http_slice *text, struct http_slice *line, bool bare_lf,
		   const char **why);
/* Scans the field lines up to and with the empty one into out->headers. 0, 400 or 431, with a
 * static sentence in *why. */
int http_scan_fields(struct http_slice text, struct http_head *out, struct http_fields *fields,
		     const char **why);
/* Checks uri-host [":" port] (RFC 9110 section 7.2) and splits it. */
bool http_split_host(struct http_slice authority, struct http_slice *host, bool *has_port);
/* Whether every byte may stand in a request target. */
bool http_target_clean(struct http_slice target);
/* Whether text has no control bytes but HTAB (field values, reason phrases). */
bool http_text_clean(struct http_slice text);

#endif
