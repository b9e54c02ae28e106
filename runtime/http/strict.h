/* SPDX-License-Identifier: Apache-2.0 */
/* The second opinion on a head: llhttp in strict mode. Private to runtime/http. */
#ifndef EBB_HTTP_STRICT_H
#define EBB_HTTP_STRICT_H

#include "runtime/http/head.h"

enum http_opinion { HTTP_AGREES, HTTP_BAD_METHOD, HTTP_REFUSED, HTTP_DIFFERS };

/* Runs llhttp over a whole head that our gate let pass, and compares the version, the framing and
 * the length that both read. Requests are smuggled where two parsers differ, so a difference is an
 * error. anew: runs llhttp over the head as it will be written, because of white space or line ends
 * that llhttp does not take. On HTTP_REFUSED *why is a static reason. */
enum http_opinion http_strict_check(const char *text, size_t size, bool is_request,
				    const struct http_head *head, bool has_length, bool has_coding,
				    bool anew, const char **why);

#endif
