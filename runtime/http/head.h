/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 heads: parsing and checking (RFC 9110, 9112) by our own gate, and then by llhttp in
 * strict mode (strict.h). Used by the gateway, api and cli; never by root.
 *
 * A head is parsed in a buffer that the caller owns; every slice points into it. Nothing is
 * allocated.
 */
#ifndef EBB_HTTP_HEAD_H
#define EBB_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At most so many header lines of an answer; and of a request, which may come from anybody. */
#define HTTP_HEADERS_MAX        1024
#define HTTP_REQUEST_FIELDS_MAX 128

struct http_slice {
	const char *at;
	size_t size;
};

enum http_framing {
	HTTP_NO_BODY, /* no body is announced or allowed, or Content-Length: 0 */
	HTTP_LENGTH,  /* body_bytes */
	HTTP_CHUNKED,
	HTTP_UNTIL_CLOSE, /* responses only */
};

/* Fields that mean something to the message itself or to ebb, recognised while parsing. */
enum http_field {
	HTTP_FIELD_OTHER,
	HTTP_FIELD_HOST,
	HTTP_FIELD_CONTENT_LENGTH,
	HTTP_FIELD_TRANSFER_ENCODING,
	HTTP_FIELD_CONNECTION,
	HTTP_FIELD_UPGRADE,
	HTTP_FIELD_EXPECT,
	HTTP_FIELD_HOP,        /* keep-alive, proxy-connection, proxy-auth*, te */
	HTTP_FIELD_TRAILER,    /* trailer: goes on where trailers go on */
	HTTP_FIELD_FORWARDED,  /* forwarded, x-forwarded-*, x-real-ip */
	HTTP_FIELD_REQUEST_ID, /* x-request-id */
	HTTP_FIELD_EBB,        /* x-ebb-*, x-vercel-internal-* */
	HTTP_FIELD_TRACE,      /* traceparent, tracestate */
	HTTP_FIELD_DATE,
	HTTP_FIELD_LOOKALIKE, /* one of these with _ for -; some servers read it as the same */
};

struct http_header {
	struct http_slice name, value; /* as received; value without surrounding white space */
	enum http_field field;
};

struct http_head {
	/* requests */
	struct http_slice method, target; /* target as received */
	struct http_slice path, query;    /* of origin-form and absolute-form */
	struct http_slice host;           /* valid; of the target or of Host; without port */
	bool host_has_port;
	/* responses */
	int status;
	struct http_slice reason;
	/* both */
	int minor_version; /* 0 or 1 */
	enum http_framing framing;
	uint64_t body_bytes; /* with HTTP_LENGTH */
	bool keep_alive;
	bool upgrade;      /* Connection: upgrade with an Upgrade field, or 101 */
	bool asks_upgrade; /* an Upgrade field, for http_upgrade_request() to judge */
	bool websocket;    /* a valid opening handshake (handshake.h) */
	bool expect_continue;
	bool te_trailers; /* the sender takes trailers (RFC 9110 section 10.1.4) */
	size_t header_count;
	struct http_header headers[HTTP_HEADERS_MAX];
};

/* Looks for the end of a head in text[0..size). Returns the bytes of the head with its empty line,
 * 0 if it is not complete, -EMSGSIZE if it has more than max bytes. seen: bytes that an earlier
 * call looked at. */
long http_head_end(const char *text, size_t size, size_t seen, size_t max);

/* Parses a complete head of exactly size bytes. 0, or an HTTP status (400, 417, 431, 501, 505) with
 * a static sentence in *why. Every error of a response is 502. method_was_head: an answer to HEAD
 * has no body. */
int http_request_parse(const char *text, size_t size, struct http_head *out, const char **why);
int http_response_parse(const char *text, size_t size, bool method_was_head, struct http_head *out,
			const char **why);
/* The same for an answer of our own function, which is written anew before anybody else reads it.
 * Lines may end in a bare LF, be folded (RFC 9112 section 5.2; text is unfolded in place) and have
 * white space before the colon (section 5.1). The meaning of such a head is never in doubt either.
 */
int http_response_parse_own(char *text, size_t size, bool method_was_head, struct http_head *out,
			    const char **why);

/* Whether a comma-separated list holds this token, in any case of letters. */
bool http_list_has(struct http_slice list, const char *token);
bool http_list_names(struct http_slice list, struct http_slice token);
/* Whether a Connection field of this head names the field (RFC 9110 section 7.6.1). */
bool http_connection_names(const struct http_head *head, struct http_slice name);

/* The first field with this name, in any case of letters. NULL: none. */
const struct http_header *http_find(const struct http_head *head, const char *name);
bool http_slice_is(struct http_slice s, const char *text); /* exact */
bool http_slice_is_nocase(struct http_slice s, const char *text);

/* Chunked bodies (RFC 9112 section 7.1), decoded in place, byte by byte if need be. */
struct http_chunked {
	uint64_t left;
	uint32_t state, line_bytes;
	bool keep_trailers; /* the caller sets this to get trailers as data */
	bool in_trailers;   /* *data holds trailers: lines up to and with the empty one */
};
void http_chunked_init(struct http_chunked *c);
/* Looks at in[0..size). Sets *used to the bytes it consumed and *data to the run of body bytes (or
 * trailers) among them, which may be empty. Returns 1 at the end of the body (trailers included), 0
 * to go on with the rest or with more bytes, -EBADMSG. Call it until *used == size. */
int http_chunked_next(struct http_chunked *c, const char *in, size_t size, size_t *used,
		      struct http_slice *data);

#endif
