/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long actions that no client has to wait for. A request with ?async=1 on a route that has a name
 * for its action (routes.c) is answered 202 at once. The answer of the handler is kept; a client
 * can read it, and wait for it, at /v1/operations/ID.
 *
 * The handler gets a request like any other. That request belongs to the operation and is never
 * forgotten. An ended operation is kept for ten minutes, among the last 128; then its ID gets 410.
 */
#ifndef EBB_API_OPERATIONS_H
#define EBB_API_OPERATIONS_H

#include <stdint.h>

struct api;
struct operations;
struct request;
struct route;

int operations_new(struct operations **out); /* 0 or -ENOMEM */
void operations_free(struct operations *operations);
/* Runs the route's handler as an operation, and answers rq 202 with it (or 503). */
void operation_run(struct request *rq, const struct route *route);
/* The client of this request is gone: it waits for no operation any more. */
void operations_forget(struct operations *operations, const struct request *rq);
/* Answers clients that waited long enough. Returns when the next one will have (CLOCK_MONOTONIC,
 * ns), or UINT64_MAX. */
uint64_t operations_expire(struct operations *operations, uint64_t now_ns);

#endif
