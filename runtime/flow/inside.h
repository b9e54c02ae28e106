/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of ebb-flow, for the files of this folder. */
#ifndef EBB_FLOW_INSIDE_H
#define EBB_FLOW_INSIDE_H

#include "runtime/base/allowance.h"
#include "runtime/base/chain.h"
#include "runtime/base/clock.h"
#include "runtime/base/heap.h"
#include "runtime/base/loop.h"
#include "runtime/cron/next.h"
#include "runtime/flow/store.h"
#include "runtime/http/head.h"
#include "runtime/wire/link.h"

#define RUNS_OPEN_MAX        4096 /* of all schedules; beyond: left out */
#define RUNS_OF_SCHEDULE_MAX 64   /* of one schedule that wait */
#define RUNS_KEPT            20   /* that are over, of a schedule */
#define DELIVERIES_MAX       256  /* at once */
#define ANSWER_HEAD_MAX      32768
#define LATE_US              (50 * US_PER_MS) /* a thing that begins later is late */

#define NEWS_SOURCES 64 /* allowances of events, by services and namespaces */

struct flow;
struct topic;
struct conn;
struct store_work;

struct schedule {
	struct wire_flow_schedule is; /* without its zone's bytes */
	struct cron cron;
	struct zone *zone;         /* owned; NULL = UTC */
	struct heap_item item;     /* in flow.plans, by next_us */
	uint64_t last_us, next_us; /* next_us 0: it never comes */
	bool said;                 /* since its service was said */
	struct chain runs;         /* of struct run by of_schedule, the oldest first */
	uint32_t open;
};

/* A run that is not over. */
struct run {
	struct store_run is;
	struct schedule *of; /* NULL: not said yet */
	struct chain of_schedule, all;
	struct heap_item item; /* in flow.waiting, by due_us */
	bool fresh;            /* it is in the store when the next commit is done */
	uint32_t held;         /* times that ebb itself refused it, since it was last answered */
	uint64_t cookie;       /* of the SCHEDULE_RUN that wants its id; 0 = none */
	struct delivery *delivery;
};

/* One request and its answer. */
typedef void (*delivery_ended_fn)(struct flow *f, void *owner, const char *lost);
struct delivery {
	struct flow *flow;
	void *owner;
	delivery_ended_fn ended;
	struct watch watch; /* owns the socket */
	char *request;      /* owned, until it is sent */
	size_t request_size, sent;
	char *head; /* of the answer, until it is whole */
	size_t size;
	int status;   /* 0: the head of the answer is not there yet */
	bool refused; /* by ebb, not by the service */
	uint64_t retry_after_s;
	enum http_framing framing;
	uint64_t left; /* of a body with a length */
	uint64_t body; /* bytes of it so far */
	struct http_chunked chunks;
	bool whole;
};

/* Events of a service or a namespace: one that has many pushes those of others out of ebbd's memory
 * otherwise. */
struct news {
	struct allowance left;
	uint64_t untold; /* since the last one that was told */
};

struct flow {
	struct loop *loop;
	struct wire_link control, api;
	int dir_fd;
	struct store *store;
	struct watch clock;      /* owns a timer of the wall clock: the next thing due */
	uint64_t armed_us;       /* that time; 0 = it is off */
	int64_t clock_offset_us; /* wall clock less monotonic clock */
	struct timer retry;      /* while the store is broken */
	bool known;              /* every schedule was said once */
	bool broken_said;
	struct schedule **schedules; /* sorted by service and name */
	uint32_t schedule_count, schedule_room;
	struct wire_flow_service saying; /* the service whose schedules come now */
	struct heap plans, waiting;
	struct chain runs; /* all open ones, by all */
	uint32_t open, deliveries;
	/* queues */
	struct chain topics, triggers, pushes; /* by all */
	uint32_t topic_count, consumer_count, push_count;
	uint64_t push_bytes;    /* of the pushes under way */
	bool push_starved;      /* a consumer waits for pushes of its service to end */
	struct heap pushes_due; /* consumers by the first thing due */
	uint64_t uncommitted;   /* bytes of messages, since the last commit */
	uint64_t expire_us;     /* nothing is dropped before */
	/* workflows */
	struct chain workspaces; /* by all */
	uint64_t work_expire_us,
		work_first_us; /* nothing is forgotten before; the next one is then */
	struct pages *pages;   /* NULL: nobody asked yet, or it is broken */
	uint64_t pages_ns;     /* it is not opened again before (monotonic clock) */
	bool pages_damaged;    /* it is made anew then */
	struct chain inlets;   /* of instances, by all */
	struct chain parked;   /* connections that wait for a stream, by park */
	struct chain answers;  /* of connections, that wait for a commit */
	uint32_t conn_count;
	size_t held_bytes;      /* of all connections */
	uint64_t charged_ns;    /* CPU time when an instance was charged last */
	struct http_head *head; /* of the request in hand */
	/* Calls upwards: a topic is new (triggers.c), an instance asks for something
	 * (queue_calls.h). */
	void (*greet)(struct flow *f, struct topic *t);
	void (*call)(struct conn *c, const struct http_head *head);
	struct wire_flow_totals totals, totals_said;
	struct news news[NEWS_SOURCES];
};

/* ---- schedules.c ---- */

/* Adds the schedule, or replaces it. 0, -EINVAL: it is none, -ENOMEM, or the store's -errno. */
int schedules_put(struct flow *f, const struct wire_flow_schedule *record);
struct schedule *schedules_find(const struct flow *f, const char *service, const char *name);
/* Before and behind the schedules of a service: those that were not said between are gone. */
void schedules_unsay(struct flow *f, const char *service);
void schedules_settle(struct flow *f, const char *service);
/* Forgets what the store has of schedules that nobody said. */
void schedules_known(struct flow *f);
/* Makes the runs that are due. */
void schedules_plan(struct flow *f, uint64_t now_us);
/* The clock was set: by so many us. */
void schedules_clock_set(struct flow *f, int64_t by_us);
void schedules_free(struct flow *f);

/* ---- runs.c ---- */

/* Loads those that are not over. 0 or -errno. */
int runs_load(struct flow *f);
/* Makes a run and puts it into the store. NULL: it was left out, or there is no memory. */
struct run *runs_add(struct flow *f, struct schedule *s, uint32_t cause, uint64_t scheduled_us,
		     uint64_t due_us);
/* Gives runs from an earlier life to their schedule. */
void runs_adopt(struct flow *f, struct schedule *s);
/* The schedule is gone: so are its runs. */
void runs_orphan(struct flow *f, struct schedule *s);
/* Takes the runs that are due now and may begin: their attempt is written down. */
void runs_take(struct flow *f, uint64_t now_us);
/* Delivers those, once that is durable. */
void runs_deliver(struct flow *f);
/* It is not durable: they are not delivered by this process. */
void runs_put_back(struct flow *f);
/* Takes a run out of memory. */
void run_free(struct flow *f, struct run *r);

/* ---- deliver.c ---- */

/* Sends a request, which it takes over (malloc). 0 and *out, or -errno: nobody took it. ended is
 * called once, from the loop: the answer is the status of the delivery, or lost is a word about the
 * cause. */
int deliver(struct flow *f, char *request, size_t size, void *owner, delivery_ended_fn ended,
	    struct delivery **out);
void delivery_end(struct delivery *d); /* NULL is fine */

/* ---- told.c ---- */

extern const struct wire_rule told_rules[];
extern const size_t told_rule_count;

/* ---- told_queues.c ---- */

int told_queues_get(void *self, struct wire_message *m);
int told_letters_get(void *self, struct wire_message *m);
int told_letters_move(void *self, struct wire_message *m);

/* ---- told_workflows.c ---- */

int told_works_get(void *self, struct wire_message *m);
int told_work_events_get(void *self, struct wire_message *m);
int told_work_move(void *self, struct wire_message *m);

/* ---- tell.c ---- */

void tell(struct flow *f, uint32_t type, const void *record, size_t size);
void tell_event(struct flow *f, uint32_t kind, const struct store_run *run, const char *text);
/* consumer: NULL = of none. */
void tell_queue(struct flow *f, uint32_t kind, const struct topic *t, const char *consumer,
		const char *text);
/* A run of a workflow failed. space: its namespace. */
void tell_failed(struct flow *f, const char *space, const struct store_work *run);
/* Answers a SCHEDULE_RUN. */
void tell_result(struct flow *f, uint64_t cookie, int err, const char *text);
void tell_totals(struct flow *f);

#endif
