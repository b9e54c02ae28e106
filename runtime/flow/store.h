/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of ebb-flow: when each schedule is due next, and its runs. This is the interface;
 * store_sqlite.c is the one implementation so far. Every function may block on the disk.
 *
 * Changes are gathered, and store_commit makes them durable together. A run that was committed
 * survives a power cut. After a failed write nothing is written any more (sql.h says why).
 */
#ifndef EBB_FLOW_STORE_H
#define EBB_FLOW_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/wire/records.h"

struct store;

/* A run; times are wall clock in us. Has no pointers. */
struct store_run {
	char id[RUN_ID_SIZE];
	char service[SERVICE_NAME_SIZE], schedule[SCHEDULE_NAME_SIZE];
	uint32_t state; /* enum wire_run_state */
	uint32_t cause; /* enum wire_run_cause */
	uint32_t attempts;
	uint32_t failures; /* answers that said no */
	uint32_t status;   /* of the last answer, or 0 */
	uint64_t scheduled_us, due_us, begun_us, ended_us;
	char text[RUN_TEXT_SIZE];
};

struct store_schedule {
	char service[SERVICE_NAME_SIZE], schedule[SCHEDULE_NAME_SIZE];
	char rule[SCHEDULE_TEXT_SIZE + SCHEDULE_ZONE_SIZE]; /* expression and zone: if they change,
							       next_us is void */
	uint64_t last_us, next_us;                          /* 0 = never */
};

/* Opens or makes the store in the present directory. 0 or -errno with a sentence in why (256
 * bytes). */
int store_open(struct store **out, char *why);
void store_close(struct store *s); /* NULL is fine; changes since the last commit are lost */
/* 0, or the positive errno of the first write that failed; why: words about it. */
int store_broken(const struct store *s, const char **why);

/* ---- changes: 0 or -errno, and then the store is broken ---- */
int store_put_schedule(struct store *s, const struct store_schedule *schedule);
/* Forgets a schedule with its runs. */
int store_drop_schedule(struct store *s, const char *service, const char *schedule);
int store_put_run(struct store *s, const struct store_run *run);
/* Keeps so many runs of the schedule that are over, the newest. */
int store_trim(struct store *s, const char *service, const char *schedule, uint32_t keep);
int store_commit(struct store *s); /* also when there is nothing to commit */

/* ---- questions ---- */
/* 1 and *out, 0: there is none, or -errno. */
int store_schedule(struct store *s, const char *service, const char *schedule,
		   struct store_schedule *out);
typedef int (*store_each_schedule_fn)(void *self, const struct store_schedule *schedule);
typedef int (*store_each_run_fn)(void *self, const struct store_run *run);
/* Calls each for every one; a value other than 0 ends the walk. each may not change the store. */
int store_each_schedule(struct store *s, store_each_schedule_fn each, void *self);
/* Runs that are not over, by their time. */
int store_each_open(struct store *s, store_each_run_fn each, void *self);
/* The newest runs of a service and schedule ("": of all), the newest first. */
int store_each_run(struct store *s, const char *service, const char *schedule, uint32_t most,
		   store_each_run_fn each, void *self);

#endif
