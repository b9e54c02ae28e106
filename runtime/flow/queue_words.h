/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of the queue protocol (npm @vercel/queue 0.6): targets, receipts, numbers of headers
 * and bodies of several parts. Pure: no memory of their own, no store.
 */
#ifndef EBB_FLOW_QUEUE_WORDS_H
#define EBB_FLOW_QUEUE_WORDS_H

#include "runtime/http/head.h"
#include "runtime/wire/flow_records.h"

enum queue_action { QUEUE_SEND, QUEUE_BATCH, QUEUE_RECEIVE, QUEUE_BY_ID, QUEUE_LEASE };

struct queue_target {
	enum queue_action action;
	char topic[QUEUE_NAME_SIZE], consumer[QUEUE_NAME_SIZE];
	uint64_t message;
	uint64_t receipt;
	uint64_t receipt_consumer; /* of the receipt */
};

/* Reads /api/v3/topic/T and what may follow. 0, -ENOENT: it is none of these, or -EINVAL with a
 * static sentence in *why. */
int queue_target_parse(struct http_slice path, struct queue_target *out, const char **why);
bool queue_name_valid(const char *name);
/* Reads a number from min to max; one that is absent (at NULL) leaves out. 0 or -EINVAL. */
int queue_number(struct http_slice value, uint64_t min, uint64_t max, uint64_t *out);

/* A body of several parts (RFC 2046 section 5.1). */
struct queue_parts {
	const char *at, *end;
	char boundary[80]; /* with the dashes before it */
	size_t boundary_size;
};
/* From a content type; 0 or -EINVAL: it is no multipart with a boundary. */
int queue_parts_init(struct queue_parts *p, struct http_slice type, const char *body, size_t size);
/* The next part: its head, as lines with CRLF, and its body. 1, 0 at the end, -EBADMSG. */
int queue_parts_next(struct queue_parts *p, struct http_slice *head, struct http_slice *body);
/* The value of a line of such a head; size 0: there is none. */
struct http_slice queue_part_field(struct http_slice head, const char *name);

#endif
