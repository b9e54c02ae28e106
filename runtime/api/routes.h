/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what the REST API offers. */
#ifndef EBB_API_ROUTES_H
#define EBB_API_ROUTES_H

#include <stdbool.h>

#include "runtime/http/head.h"

struct request;

enum route_body {
	ROUTE_BODY_SMALL, /* in memory */
	ROUTE_BODY_SPOOL, /* in a file */
};

struct route {
	const char *method;
	const char *pattern; /* ":" stands for one segment, "*" for the rest */
	void (*handle)(struct request *rq);
	enum route_body body;
	const char *action; /* name as an operation (operations.h) if it takes ?async; or NULL */
	const char *query;  /* the parameters that it takes (query.h); NULL: none */
	bool status; /* offered at status_listen too: tells what ebb-api has in memory, no more */
};

/* Finds the row and fills rq->arg; NULL after having answered 404, 405 or 400. */
const struct route *route_find(struct request *rq);
/* The same, for clients of status_listen. */
const struct route *route_find_status(struct request *rq);
/* Calls the row's handler, or runs the handler as an operation for ?async. */
void route_handle(const struct route *route, struct request *rq);
/* The rows, in order; NULL behind the last. */
const struct route *route_at(size_t index);
/* Whether path matches pattern. *arg is then the part that ":" or "*" matched. */
bool route_matches(const char *pattern, struct http_slice path, struct http_slice *arg);

#endif
