// SPDX-License-Identifier: Apache-2.0
#include "runtime/http/strict.h"

#include <llhttp.h>

#if LLHTTP_VERSION_MAJOR < 9 && !LLHTTP_STRICT_MODE
#error "llhttp before 9 must be built with LLHTTP_STRICT_MODE=1"
#endif

/* Stops llhttp at the end of the head: bodies are not its work here. */
static int stop_at_body(llhttp_t *parser)
{
	return -1;
}

static const llhttp_settings_t settings = {.on_headers_complete = stop_at_body};

enum http_opinion http_strict_check(const char *text, size_t size, bool is_request,
				    const struct http_head *head, bool has_length, bool has_coding,
				    const char **why)
{
	llhttp_t parser;
	llhttp_errno_t err;

	llhttp_init(&parser, is_request ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
	err = llhttp_execute(&parser, text, size);
	if (err == HPE_INVALID_METHOD)
		return HTTP_BAD_METHOD;
	if (err != HPE_CB_HEADERS_COMPLETE) {
		*why = err == HPE_OK ? "the head is not complete"
				     : llhttp_get_error_reason(&parser);
		return HTTP_REFUSED;
	}
	if (parser.http_major != 1 || parser.http_minor != head->minor_version ||
	    !!(parser.flags & F_CONTENT_LENGTH) != has_length ||
	    !!(parser.flags & F_TRANSFER_ENCODING) != has_coding ||
	    (has_coding && !(parser.flags & F_CHUNKED)) ||
	    (head->framing == HTTP_LENGTH && parser.content_length != head->body_bytes) ||
	    (!is_request && parser.status_code != head->status))
		return HTTP_DIFFERS;
	return HTTP_AGREES;
}
