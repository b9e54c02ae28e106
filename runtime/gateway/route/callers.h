/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances that call other services through bindings: which services, how many connections they
 * have open here, and how deep in a chain of calls the requests are that they work on.
 *
 * A call is one deeper than the deepest request that its caller works on, unless it says which of
 * those depths it belongs to (x-ebb-depth). A gateway knows only its own requests, so the depths of
 * an instance stand on the board.
 */
#ifndef EBB_GATEWAY_CALLERS_H
#define EBB_GATEWAY_CALLERS_H

#include <stdbool.h>

#include "runtime/http/head.h"
#include "runtime/wire/board.h"

struct binding {
	int fd;     /* listens inside the instance; owned */
	bool armed; /* an accept is under way */
	struct wire_binding to;
};

struct caller {
	uint32_t generation;
	uint32_t count;             /* of bindings; 0: nobody is here */
	bool said;                  /* by the ebbd that takes over: hear/resume.c */
	uint32_t open;              /* clients that are connections or streams of it */
	uint32_t depths[DEPTH_MAX]; /* tickets that this gateway has here, by depth */
	char id[INSTANCE_ID_SIZE];
	char service[SERVICE_NAME_SIZE];
	struct binding bindings[BINDINGS_MAX];
};

struct callers {
	struct caller *slots; /* INSTANCES_MAX */
	uint32_t open, open_max, one_max;
	struct board *board;
	uint32_t gateway;
};

/* client_count: the size of the slab of clients. All callers together get half, and one of them a
 * sixteenth. 0 or -ENOMEM. */
int callers_init(struct callers *all, struct board *board, uint32_t gateway, uint32_t client_count);
/* Takes the descriptors out of fds. 0, or -EINVAL for a bad record. */
int callers_put(struct callers *all, const struct wire_bindings *record, int *fds);
/* The caller of this generation; NULL: it is gone, or never was. */
struct caller *callers_get(const struct callers *all, uint32_t slot, uint32_t generation);
/* Closes its listeners and forgets it; no accept may be under way that anybody counts on. */
void callers_drop(struct callers *all, struct caller *k);

/* Whether it may have one more client. Counts it if so. */
bool callers_admit(struct callers *all, struct caller *k);
/* A client of the caller with this slot is gone. */
void callers_leave(struct callers *all, uint32_t slot, uint32_t generation);

/* A request of this depth begins or ends on the instance; nothing happens if it has no bindings. */
void callers_begin(struct callers *all, uint32_t slot, uint32_t generation, uint32_t depth);
void callers_end(struct callers *all, uint32_t slot, uint32_t generation, uint32_t depth);
/* The depth of a call with this head; DEPTH_MAX: it is a loop. */
uint32_t callers_depth(const struct callers *all, uint32_t slot, const struct http_head *head);

#endif
