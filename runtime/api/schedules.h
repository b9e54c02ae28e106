/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schedules of services on their way to ebb-flow, which keeps and runs them. ebb-api says them
 * all to each new ebb-flow, and those of a service when it changes.
 */
#ifndef EBB_API_SCHEDULES_H
#define EBB_API_SCHEDULES_H

#include "runtime/api/problem.h"
#include "runtime/api/service_schema.h"

struct api;
struct buffer;

/* Takes flow_fd. A lost ebb-flow leaves api->flow closed. 0 or -errno. */
int flow_open(struct api *api, int flow_fd);
/* Whether this host can do what the schedules of spec want: time zones, a token that fits a header.
 */
void schedules_check(struct api *api, const struct service_spec *spec, struct problem_list *errors);
/* Says what a service has now; one that is gone has none. */
void schedules_say(struct api *api, const char *service);
/* Says all, once ebb-api is ready. */
void schedules_say_all(struct api *api);
bool schedules_up(const struct api *api); /* whether ebb-flow answers and can write */
/* Adds the counters of ebb-flow. 0 or -ENOMEM. */
int schedules_metrics(const struct api *api, struct buffer *out);

#endif
