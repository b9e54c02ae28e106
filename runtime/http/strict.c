// SPDX-License-Identifier: Apache-2.0
#include "runtime/http/strict.h"

#include <llhttp.h>
#include <string.h>

#if LLHTTP_VERSION_MAJOR < 9 && !LLHTTP_STRICT_MODE
#error "llhttp before 9 must be built with LLHTTP_STRICT_MODE=1"
#endif

/* Stops llhttp at the end of the head, because bodies are parsed elsewhere. */
static int stop_at_body(llhttp_t *parser)
{
	return -1;
}

static const llhttp_settings_t settings = {.on_headers_complete = stop_at_body};

static llhttp_errno_t feed_slice(llhttp_t *parser, const char *at, size_t size)
{
	return size ? llhttp_execute(parser, at, size) : HPE_OK;
}

/* Feeds the head as it will be written, piece by piece, without a copy. */
static llhttp_errno_t feed_anew(llhttp_t *parser, const char *text, size_t size,
				const struct http_head *head)
{
	const char *end = memchr(text, '\n', size);
	size_t line = end ? (size_t)(end - text) : size;
	llhttp_errno_t err;

	if (line && text[line - 1] == '\r')
		line--;
	err = feed_slice(parser, text, line);
	for (size_t i = 0; err == HPE_OK && i < head->header_count; i++) {
		const struct http_header *h = &head->headers[i];

		err = feed_slice(parser, "\r\n", 2);
		if (err == HPE_OK)
			err = feed_slice(parser, h->name.at, h->name.size);
		if (err == HPE_OK)
			err = feed_slice(parser, ": ", 2);
		if (err == HPE_OK)
			err = feed_slice(parser, h->value.at, h->value.size);
	}
	return err == HPE_OK ? feed_slice(parser, "\r\n\r\n", 4) : err;
}

enum http_opinion http_strict_check(const char *text, size_t size, bool is_request,
				    const struct http_head *head, bool has_length, bool has_coding,
				    bool anew, const char **why)
{
	llhttp_t parser;
	llhttp_errno_t err;

	llhttp_init(&parser, is_request ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
	err = anew ? feed_anew(&parser, text, size, head) : llhttp_execute(&parser, text, size);
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
