/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of ebb-flow for workflows: runs ("work", because a run is one of a schedule), the log
 * of events of each, what the events made (parts: steps, hooks, waits), and streams. As store.h
 * says: every function may block on the disk, and changes are gathered until store_commit.
 *
 * An event has the bytes of the client; a run and a part name the events that they are made of.
 */
#ifndef EBB_FLOW_STORE_WORKFLOWS_H
#define EBB_FLOW_STORE_WORKFLOWS_H

#include <stddef.h>

#include "runtime/flow/store.h"

#define WORK_ID_SIZE         65
#define WORK_NAME_SIZE       513 /* of a workflow or a step, or a token */
#define WORK_DEPLOYMENT_SIZE 129
#define PART_ID_SIZE         129
#define ONCE_SIZE            65
#define STREAM_NAME_SIZE     256

enum work_state {
	WORK_PENDING,
	WORK_RUNNING,
	WORK_COMPLETED,
	WORK_FAILED,
	WORK_CANCELLED,
	WORK_STATE_COUNT
};
enum part_kind { PART_STEP, PART_HOOK, PART_WAIT, PART_KIND_COUNT };
/* States of a step; a hook is live or disposed, and a wait is not over or over. */
enum part_state {
	PART_PENDING = 0,
	PART_LIVE = 0,
	PART_RUNNING = 1,
	PART_DISPOSED = 1,
	PART_COMPLETED = 2,
	PART_FAILED = 3
};

/* All of a namespace. */
struct store_space {
	uint64_t id, works, open, bytes; /* open: runs that are not over */
	char name[SERVICE_NAME_SIZE];
};

/* Times are wall clock; 0 = not yet. */
struct store_work {
	uint64_t number, space;
	char id[WORK_ID_SIZE], name[WORK_NAME_SIZE], deployment[WORK_DEPLOYMENT_SIZE];
	char service[SERVICE_NAME_SIZE]; /* of the instance that began it */
	uint32_t state;                  /* enum work_state */
	uint64_t spec, events, ended_event, bytes;
	uint64_t created_us, updated_us, started_us, ended_us;
	uint64_t outside_us; /* of the last event that came from outside a replay */
};

struct store_event {
	uint64_t id, work, number, space;
	char work_id[WORK_ID_SIZE];
	uint32_t type; /* enum workflow_type */
	char correlation[PART_ID_SIZE], once[ONCE_SIZE];
	uint64_t spec, created_us, occurred_ms;
	const void *meta, *data; /* borrowed; of a question: until the next row */
	size_t meta_size, data_size;
};

struct store_part {
	uint64_t number, work, space;
	uint32_t kind, state;
	char id[PART_ID_SIZE], name[WORK_NAME_SIZE], work_id[WORK_ID_SIZE];
	uint64_t attempts, spec, created_event, ended_event;
	uint64_t created_us, updated_us, started_us, ended_us;
	uint64_t due_us; /* a step is not started again before; a wait ends then */
};

struct store_stream {
	uint64_t number, space, alone; /* alone: of a run that is not there */
	char name[STREAM_NAME_SIZE], work_id[WORK_ID_SIZE], once[ONCE_SIZE];
	uint64_t chunks, bytes, closed, touched_us;
};

/* ---- changes: 0 or -errno, and then the store is broken ---- */
int store_make_space(struct store *s, const char *name, uint64_t *id);
/* Sets its number, and takes streams of its id as its own. */
int store_make_work(struct store *s, struct store_work *work);
int store_put_work(struct store *s, const struct store_work *work);
int store_put_event(struct store *s, const struct store_event *event);
int store_put_part(struct store *s, const struct store_part *part);
int store_dispose_hooks(struct store *s, uint64_t work, uint64_t now_us);
int store_make_stream(struct store *s, struct store_stream *stream); /* sets number, alone */
int store_put_stream(struct store *s, const struct store_stream *stream);
int store_put_chunk(struct store *s, uint64_t stream, uint64_t number, const void *data,
		    size_t size);

/* ---- forgetting in steps, store_forget.c: 1, 0 (there is more), or -errno ---- */

/* A step is over when its cost is the most that it may be, and goes one row beyond. */
struct store_drop {
	uint64_t most, cost;
	uint64_t bytes; /* that are free now: the caller sets 0 */
};

uint64_t store_drop_cost(uint64_t bytes); /* of a row */
/* Forgets a run with all that it has. One that is there in part is over and never ended
 * (ended_us 0), so store_first_over finds it first. */
int store_drop_work(struct store *s, struct store_work *work, struct store_drop *d);
int store_drop_stream(struct store *s, struct store_stream *stream, struct store_drop *d);

/* ---- questions: 1, 0 (there is none), or -errno ---- */
int store_work(struct store *s, uint64_t space, const char *id, struct store_work *out);
/* The oldest run of a namespace that is over; and of all, the one that ended first. */
int store_oldest_over(struct store *s, uint64_t space, struct store_work *out);
int store_first_over(struct store *s, struct store_work *out);
int store_part(struct store *s, uint64_t work, enum part_kind kind, const char *id,
	       struct store_part *out);
/* The newest of that id in a namespace; of hooks, a live one. */
int store_any_part(struct store *s, uint64_t space, enum part_kind kind, const char *id,
		   struct store_part *out);
int store_hook_of_token(struct store *s, uint64_t space, const char *token, struct store_part *out);
int store_stream(struct store *s, uint64_t space, const char *name, struct store_stream *out);
/* Whether there is room for one more stream of that run: 1, 0: the run has as many as it may, or
 * -EDQUOT: the namespace has as many of no run as it may. */
int store_stream_room(struct store *s, uint64_t space, const char *work_id, uint32_t of_work,
		      uint32_t alone);
/* The stream of no run that was touched first. */
int store_first_alone(struct store *s, struct store_stream *out);

/* Called for each row; a value other than 0 ends the walk and is returned. They may ask, and may
 * not change the store. */
typedef int (*store_each_space_fn)(void *self, const struct store_space *space);
typedef int (*store_each_work_fn)(void *self, const struct store_work *work);
typedef int (*store_each_event_fn)(void *self, const struct store_event *event);
typedef int (*store_each_part_fn)(void *self, const struct store_part *part);
typedef int (*store_each_stream_fn)(void *self, const struct store_stream *stream);
typedef int (*store_each_chunk_fn)(void *self, uint64_t number, const void *data, size_t size);

int store_each_space(struct store *s, store_each_space_fn each, void *self);
/* One event, with its bytes. */
int store_event(struct store *s, uint64_t work, uint64_t number, store_each_event_fn each,
		void *self);
int store_event_once(struct store *s, uint64_t work, const char *once, store_each_event_fn each,
		     void *self);

/* A part of a list: rows behind `after` (a number), or before it when it goes down. */
struct store_page {
	uint64_t after; /* 0: from its beginning */
	bool down;
	uint32_t most;
};
/* state WORK_STATE_COUNT: all; name "": all. */
int store_each_work(struct store *s, uint64_t space, uint32_t state, const char *name,
		    const struct store_page *page, store_each_work_fn each, void *self);
int store_each_event(struct store *s, uint64_t work, const struct store_page *page,
		     store_each_event_fn each, void *self);
/* Events about a step, hook or wait, by id; work 0: of all runs of the namespace. */
int store_each_event_about(struct store *s, uint64_t space, const char *correlation, uint64_t work,
			   const struct store_page *page, store_each_event_fn each, void *self);
/* By id, behind the id after ("": from the beginning). */
int store_each_part(struct store *s, uint64_t work, enum part_kind kind, const char *after,
		    const struct store_page *page, store_each_part_fn each, void *self);
/* Live hooks of a namespace, by number. */
int store_each_hook(struct store *s, uint64_t space, const struct store_page *page,
		    store_each_part_fn each, void *self);
int store_each_stream(struct store *s, uint64_t space, const char *work_id, uint32_t most,
		      store_each_stream_fn each, void *self);
int store_each_chunk(struct store *s, uint64_t stream, uint64_t from, uint32_t most,
		     store_each_chunk_fn each, void *self);

#endif
