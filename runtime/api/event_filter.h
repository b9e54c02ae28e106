/* SPDX-License-Identifier: Apache-2.0 */
/* Which events somebody wants: ?of=NAME (a service or an instance) and ?kind=KIND. */
#ifndef EBB_API_EVENT_FILTER_H
#define EBB_API_EVENT_FILTER_H

#include <stdbool.h>

#include "runtime/wire/records.h"

struct request;

struct event_filter {
	char of[INSTANCE_ID_SIZE]; /* "" = of all */
	uint32_t kind;             /* enum wire_event_kind; WIRE_EVENT_KIND_COUNT = any */
};

/* From the query of rq. False after having answered 400. */
bool event_filter_read(struct request *rq, struct event_filter *out);
bool event_filter_takes(const struct event_filter *f, const struct wire_event *e);

#endif
