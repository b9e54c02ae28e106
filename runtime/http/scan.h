/* SPDX-License-Identifier: Apache-2.0 */
/* The lexical part of our gate: lines, fields, character sets. Private to runtime/http. */
#ifndef EBB_HTTP_SCAN_H
#define EBB_HTTP_SCAN_H

#include "runtime/http/head.h"

/* Facts of one head's fields about its framing, collected while they are scanned. */
struct http_fields {
	size_t count_max; /* how many there may be */
	bool own;         /* lines of one's own function, see http_response_parse_own */
	bool spaced;      /* llhttp takes for a part of a value what is white space here */
	unsigned int host_count, length_count, coding_count;
	struct http_slice host, length, coding;
	bool connection_close, connection_keep_alive, connection_upgrade, has_upgrade;
	bool expect_continue, expect_other, te_trailers;
};

/* tchar of RFC 9110 section 5.6.2. */
bool http_is_token_char(unsigned char c);
/* Takes the line at text off its front (without CRLF). 0, or 400 for a line that does not end in
 * exactly CRLF, or in a bare LF where that is allowed. */
int http_take_line(struct http_slice *text, struct http_slice *line, bool bare_lf,
		   const char **why);
/* Scans the field lines up to and with the empty one into out->headers. 0, 400 or 431. */
int http_scan_fields(struct http_slice text, struct http_head *out, struct http_fields *fields,
		     const char **why);
/* Checks uri-host [":" port] (RFC 9110 section 7.2) and splits it. */
bool http_split_host(struct http_slice authority, struct http_slice *host, bool *has_port);
/* Whether every byte may stand in a request target. */
bool http_target_clean(struct http_slice target);
/* Whether it is free of control bytes other than HTAB (field values, reason phrases). */
bool http_text_clean(struct http_slice text);

#endif
