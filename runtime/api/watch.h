/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: the last 4,096 in memory, and their watchers. Each event has a number (rev), which ebbd
 * has given it; a new ebb-api hears of the last EVENTS_KEPT_MAX again, under their numbers. A
 * client that asks for events which are no longer kept gets 410 and reads the lists again.
 */
#ifndef EBB_API_WATCH_H
#define EBB_API_WATCH_H

struct request;
struct events_watch;
struct wire_event;

int events_watch_new(struct events_watch **out); /* 0 or -ENOMEM */
void events_watch_free(struct events_watch *watch);
/* Keeps the event, copied, and sends it to everybody who watches. */
void events_watch_add(struct events_watch *watch, const struct wire_event *event);
/* The client of rq is gone; nothing happens if it watches nothing. */
void events_watch_forget(struct events_watch *watch, const struct request *rq);

#endif
