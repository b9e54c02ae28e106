/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes that come before ebbd knows every service. A new ebb-api takes up what there is in some
 * milliseconds; a client that asks for a change meanwhile waits, and hears nothing of the restart.
 * After EARLY_WAIT_NS the handlers answer for themselves (api_ready_or_503).
 */
#ifndef EBB_API_EARLY_H
#define EBB_API_EARLY_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/clock.h"

#define EARLY_WAIT_NS (10 * NS_PER_SEC)

struct api;
struct early;
struct request;
struct route;

/* now_ns: of the start of ebb-api. 0 or -ENOMEM. */
int early_new(uint64_t now_ns, struct early **out);
void early_free(struct early *early); /* NULL is fine */
/* Keeps a request for its route's handler. False: the request is not too early, and its handler is
 * called now. */
bool early_keeps(const struct api *api, const struct route *route, struct request *rq);
/* The client of rq is gone. */
void early_forget(struct early *early, const struct request *rq);
/* Hands over what waits, if ebbd knows every service or the time is up. Returns when the time is
 * up (CLOCK_MONOTONIC, ns), or UINT64_MAX if nothing waits. */
uint64_t early_turn(const struct api *api, uint64_t now_ns);

#endif
