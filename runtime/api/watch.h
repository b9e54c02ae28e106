/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: the last 4096 in memory, and those who watch. Each has a number (rev) that only rises,
 * over restarts too. A client that asks for events which are no longer kept gets 410 and reads the
 * lists again.
 */
#ifndef EBB_API_WATCH_H
#define EBB_API_WATCH_H

struct request;
struct watch;
struct wire_event;

int watch_new(struct watch **out); /* 0 or -ENOMEM */
void watch_free(struct watch *watch);
void watch_add(struct watch *watch, const struct wire_event *event);
void watch_forget(struct watch *watch, const struct request *rq);

#endif
