/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes heads anew from their parsed fields (RFC 9110 section 7.6): no byte of a head is passed on
 * that was not understood. Pure functions over memory, without state or I/O.
 */
#ifndef EBB_GATEWAY_SERIALIZE_H
#define EBB_GATEWAY_SERIALIZE_H

#include "runtime/gateway/message/writer.h"

/* A written head has at most so many bytes more than the received one. */
#define HEAD_GROWTH_MAX 1664u

struct request_extras {
	struct http_slice peer;       /* address of the client, without port */
	struct http_slice request_id; /* ours; 32 hexadecimal digits */
	uint64_t deadline_ms;         /* milliseconds since the epoch */
	bool chunked;                 /* the body will be sent chunked, and its trailers */
	bool trusted;                 /* the client is believed about other clients */
	bool http2;                   /* the client speaks HTTP/2: it may take trailers */
	struct http_slice caller;     /* the service that calls through a binding, or empty */
	uint32_t depth;               /* of such calls, or NO_DEPTH */
	struct http_slice target;     /* made by rules; at NULL: as the client asked */
	bool delivery;                /* of ebb-flow: its words about the run go on */
	struct http_slice fallback;   /* x-ebb-fallback: a file in place of a missing one */
};
#define NO_DEPTH UINT32_MAX
/* Writes the head of a request. deadline_at: set to the 13 digits of x-ebb-deadline, for
 * request_set_deadline. A full writer says so (writer.h). */
void request_write(struct writer *w, const struct http_head *head, const struct request_extras *x,
		   char **deadline_at);
/* Writes the digits of the deadline again. */
void request_set_deadline(char *deadline_at, uint64_t deadline_ms);

struct response_extras {
	struct http_slice request_id, instance, start; /* start: cold, thaw or warm */
	struct http_slice date;                        /* for an answer that has none */
	bool chunked;                                  /* the body will be sent chunked */
	bool trailers;                                 /* trailers go on */
	bool close, keep_alive_10; /* Connection: close, or keep-alive to an HTTP/1.0 client */
	struct http_slice fields;  /* lines that take the place of fields with their names */
	bool timing;
	uint64_t queue_us, thaw_us, fn_us;
};
/* Writes the head of an answer; a full writer says so (writer.h). */
void response_write(struct writer *w, const struct http_head *head,
		    const struct response_extras *x);

#endif
