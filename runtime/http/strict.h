/* SPDX-License-Identifier: Apache-2.0 */
/* The second opinion on a head: llhttp in strict mode. Private to runtime/http. */
#ifndef EBB_HTTP_STRICT_H
#define EBB_HTTP_STRICT_H

#include "runtime/http/head.h"

enum http_opinion { HTTP_AGREES, HTTP_BAD_METHOD, HTTP_REFUSED, HTTP_DIFFERS };

/* Runs llhttp over a whole head that our gate let pass and compares what both understood: version,
 * framing, length. anew: over the head as it will be written, for white space and line ends that
 * llhttp does not know. Requests are smuggled where two parsers differ, so a difference is an
 * error. On HTTP_REFUSED *why is llhttp's static reason. */
enum http_opinion http_strict_check(const char *text, size_t size, bool is_request,
				    const struct http_head *head, bool has_length, bool has_coding,
				    bool anew, const char **why);

#endif
