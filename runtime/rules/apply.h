/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds what the rules of a site do with a request. Pure: no allocation, no I/O; it looks at a
 * table that rules_valid liked, and at the request.
 */
#ifndef EBB_RULES_APPLY_H
#define EBB_RULES_APPLY_H

#include "runtime/rules/regex.h"
#include "runtime/rules/table.h"

struct rules_slice {
	const char *at;
	size_t size;
};

/* The request, as rules may look at it. */
struct rules_request {
	struct rules_slice host, path, query; /* host: without a port, lower case; query: no ? */
	void *self;
	/* The nth header with this name, in any case, or a slice whose at is NULL. */
	struct rules_slice (*header)(void *self, struct rules_slice name, size_t n);
	/* The number of the service that a path leads to without rewrites, or RULES_NONE; for a
	 * table that passes. May be NULL. */
	uint16_t (*find)(void *self, struct rules_slice path);
};

enum rules_outcome {
	RULES_PASS,     /* no rewrite led into a service */
	RULES_REDIRECT, /* status and to */
	RULES_SERVICE,  /* service */
	RULES_NOWHERE,  /* a rewrite that ebb does not do */
	RULES_TOO_LONG, /* the path takes too much work, or what it becomes has no room */
};

struct rules_result {
	enum rules_outcome outcome;
	uint16_t status;
	uint16_t service;      /* number in the table, or RULES_NONE */
	struct rules_slice to; /* REDIRECT: the new place. Else the path and query that the rules
				* made, or at NULL: those of the request */
	/* The value of `to` when the rules of the service began. */
	struct rules_slice entered;
	bool seen;                 /* the service sees that path; else it only routes by it */
	struct rules_slice fields; /* header lines for the answer, each ended by CR LF */
};

/* Memory for one request at a time. */
struct rules_room;
struct rules_room *rules_room_new(void); /* NULL: no memory */
void rules_room_free(struct rules_room *room);

/* Applies the rules of group 0, and then those of the service's group. The slices of *out live
 * until the next call with this room, or as long as the request. */
void rules_apply(const struct rules_table *table, struct rules_room *room,
		 const struct rules_request *request, struct rules_result *out);
/* The same for a request that came to a service by another way: its own rules only. */
void rules_apply_of(const struct rules_table *table, uint16_t service, struct rules_room *room,
		    const struct rules_request *request, struct rules_result *out);

#endif
