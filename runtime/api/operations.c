// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/operations.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/handlers.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/routes.h"
#include "runtime/base/clock.h"
#include "runtime/base/container_of.h"
#include "runtime/base/duration.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define OPERATIONS_MAX   128
#define WAITERS_MAX      64
#define KEPT_NS          (600 * NS_PER_SEC)
#define WAIT_MS_MAX      600000
#define RESULT_BYTES_MAX 65536u
#define RESULT_DEPTH_MAX 16

struct operation {
	uint64_t id;
	const char *action; /* the route's */
	uint64_t begun_us, ended_us, ended_ns;
	int status;          /* of the answer; 0: under way */
	struct json *result; /* owned; NULL: none, or it was too large */
	char *head, *body;   /* owned; request points into it */
	struct request request;
};

struct waiter {
	struct request *rq; /* NULL: free */
	const struct operation *operation;
	uint64_t deadline_ns;
};

struct operations {
	uint64_t next_id;
	struct operation *table[OPERATIONS_MAX]; /* in no order; NULL: never used */
	struct waiter waiters[WAITERS_MAX];
};

int operations_new(struct operations **out)
{
	struct operations *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	/* Numbers begin at the date in us, as those of events do, so that a new ebb-api never uses
	 * a number of an earlier one. */
	all->next_id = clock_real_us();
	*out = all;
	return 0;
}

static void operation_free(struct operation *op)
{
	if (!op)
		return;
	fd_close(&op->request.spool_fd);
	json_free(op->result);
	free(op->head);
	free(op->body);
	free(op);
}

void operations_free(struct operations *all)
{
	for (size_t i = 0; all && i < OPERATIONS_MAX; i++)
		operation_free(all->table[i]);
	free(all);
}

/* ---- the document of one ---- */

static void write_operation(struct json_out *o, const char *key, const struct operation *op)
{
	char id[24], when[28];

	(void)text_format(id, sizeof(id), "%" PRIu64, op->id);
	json_out_object(o, key);
	json_out_string(o, "id", id);
	json_out_string(o, "action", op->action);
	json_out_string(o, "of", op->request.arg);
	json_out_string(o, "state",
			op->status == 0    ? "running"
			: op->status < 400 ? "done"
					   : "failed");
	json_out_string(o, "started_at", clock_rfc3339(op->begun_us, when));
	if (op->status) {
		json_out_string(o, "ended_at", clock_rfc3339(op->ended_us, when));
		json_out_u64(o, "status", (uint64_t)op->status);
	}
	if (op->result)
		json_out_value(o, "result", op->result);
	json_out_end_object(o);
}

static void reply_operation(struct request *rq, int status, const struct operation *op)
{
	char extra[64];
	struct json_out o;

	(void)text_format(extra, sizeof(extra), "Location: /v1/operations/%" PRIu64 "\r\n", op->id);
	json_out_init(&o);
	write_operation(&o, NULL, op);
	reply_json(rq, status, status == 202 ? extra : NULL, &o);
}

/* ---- its life ---- */

static void wake(struct operations *all, const struct operation *op)
{
	for (size_t i = 0; i < WAITERS_MAX; i++) {
		struct request *rq = all->waiters[i].rq;

		if (!rq || all->waiters[i].operation != op)
			continue;
		all->waiters[i].rq = NULL;
		reply_operation(rq, 200, op);
	}
}

/* The handler's answer. */
static void on_answered(struct request *rq, int status, const char *bytes, size_t size)
{
	struct operation *op = container_of(rq, struct operation, request);
	char err[128];

	must(op->status == 0 && status > 0);
	op->status = status;
	op->ended_us = clock_real_us();
	op->ended_ns = clock_mono_ns();
	fd_close(&rq->spool_fd); /* an upload is a file without a name: it goes now */
	if (size > 0 && size <= RESULT_BYTES_MAX)
		(void)json_parse(bytes, size, RESULT_DEPTH_MAX, &op->result, err, sizeof(err));
	wake(rq->api->operations, op);
}

static char *copy_of(const char *bytes, size_t size)
{
	char *copy = malloc(size + 1);

	if (!copy)
		return NULL;
	memcpy(copy, bytes, size);
	copy[size] = '\0';
	return copy;
}

/* Makes an operation with a copy of the request rq; the upload moves to it. NULL without memory. */
static struct operation *operation_new(struct request *rq, const struct route *route)
{
	struct operation *op = calloc(1, sizeof(*op));
	const char *why;

	if (!op)
		return NULL;
	op->request = *rq;
	op->request.spool_fd = -1;
	op->head = copy_of(rq->head_text, rq->head_size);
	op->body = copy_of(rq->body, rq->body_size);
	if (!op->head || !op->body) {
		operation_free(op);
		return NULL;
	}
	op->request.spool_fd = keep_fd(&rq->spool_fd);
	op->request.head_text = op->head;
	op->request.body = op->body;
	op->request.answered = on_answered;
	op->action = route->action;
	op->begun_us = clock_real_us();
	must(http_request_parse(op->head, rq->head_size, &op->request.head, &why) == 0);
	return op;
}

/* A place that is free, or that of the operation that ended first. NULL: all are under way. One
 * that never ends keeps its own place and no other. */
static struct operation **find_place(struct operations *all)
{
	struct operation **found = NULL;

	for (size_t i = 0; i < OPERATIONS_MAX; i++) {
		struct operation *op = all->table[i];

		if (!op)
			return &all->table[i];
		if (op->status != 0 && (!found || op->ended_ns < (*found)->ended_ns))
			found = &all->table[i];
	}
	return found;
}

void operation_run(struct request *rq, const struct route *route)
{
	struct operations *all = rq->api->operations;
	struct operation **place = find_place(all);
	struct operation *op;

	if (!place) {
		problem_reply(rq, 503, "wait for one of them to end",
			      "too many operations are under way (%d)", OPERATIONS_MAX);
		return;
	}
	op = operation_new(rq, route);
	if (!op) {
		problem_reply(rq, 503, NULL, "out of memory");
		return;
	}
	must(!*place || (*place)->status != 0); /* one under way keeps its place */
	operation_free(*place);
	*place = op;
	op->id = all->next_id++;
	route->handle(&op->request);
	reply_operation(rq, 202, op);
}

/* ---- requests ---- */

/* The operation with the lowest number that is not below id; NULL: there is none. */
static const struct operation *find_from(const struct operations *all, uint64_t id)
{
	const struct operation *found = NULL;

	for (size_t i = 0; i < OPERATIONS_MAX; i++) {
		const struct operation *op = all->table[i];

		if (op && op->id >= id && (!found || op->id < found->id))
			found = op;
	}
	return found;
}

/* NULL after having answered. */
static const struct operation *find_or_answer(struct request *rq)
{
	const struct operations *all = rq->api->operations;
	const struct operation *op;
	uint64_t id;

	if (text_parse_u64(rq->arg, 1, INT64_MAX, &id) < 0 || id >= all->next_id) {
		problem_reply(rq, 404, "GET /v1/operations lists what there is",
			      "there is no operation '%.64s'", rq->arg);
		return NULL;
	}
	op = find_from(all, id);
	if (op && op->id == id && (op->status == 0 || clock_mono_ns() - op->ended_ns < KEPT_NS))
		return op;
	problem_reply(rq, 410, "look at what it was to change",
		      "operation %" PRIu64 " is not kept any more", id);
	return NULL;
}

static void wait_for(struct request *rq, const struct operation *op, uint64_t wait_ms)
{
	struct operations *all = rq->api->operations;

	for (size_t i = 0; i < WAITERS_MAX; i++) {
		if (all->waiters[i].rq)
			continue;
		all->waiters[i] = (struct waiter){rq, op, clock_mono_ns() + wait_ms * NS_PER_MS};
		return;
	}
	problem_reply(rq, 503, "end one of the others", "%d are waiting already", WAITERS_MAX);
}

void get_operation(struct request *rq)
{
	const struct operation *op = find_or_answer(rq);
	char text[24] = "";
	uint64_t wait_ms = 0;
	int r;

	if (!op)
		return;
	r = request_query(rq, "wait", text, sizeof(text));
	if (r < 0 || (r == 1 && (duration_parse_ms(text, &wait_ms) < 0 || wait_ms > WAIT_MS_MAX)))
		problem_reply(rq, 400, "such as 500ms, 30s or 10m, which is the most",
			      "wait: it is not a duration");
	else if (op->status || wait_ms == 0)
		reply_operation(rq, 200, op);
	else
		wait_for(rq, op, wait_ms);
}

void get_operations(struct request *rq)
{
	const struct operations *all = rq->api->operations;
	const struct operation *op = find_from(all, 0);
	uint64_t now_ns = clock_mono_ns();
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_array(&o, "operations");
	for (; op; op = find_from(all, op->id + 1))
		if (op->status == 0 || now_ns - op->ended_ns < KEPT_NS)
			write_operation(&o, NULL, op);
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

void operations_forget(struct operations *all, const struct request *rq)
{
	for (size_t i = 0; i < WAITERS_MAX; i++)
		if (all->waiters[i].rq == rq)
			all->waiters[i].rq = NULL;
}

uint64_t operations_expire(struct operations *all, uint64_t now_ns)
{
	uint64_t next_ns = UINT64_MAX;

	for (size_t i = 0; i < WAITERS_MAX; i++) {
		struct waiter *w = &all->waiters[i];
		struct request *rq = w->rq;

		if (rq && now_ns >= w->deadline_ns) {
			w->rq = NULL;
			reply_operation(rq, 200, w->operation);
		} else if (rq && w->deadline_ns < next_ns) {
			next_ns = w->deadline_ns;
		}
	}
	return next_ns;
}
