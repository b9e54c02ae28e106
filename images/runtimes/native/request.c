// SPDX-License-Identifier: Apache-2.0
/* The functions by which a handler reads its request, and the request's beginning and end. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "loop.h"

static struct ebb_request *request_of(struct ebb_timer *t)
{
	return t->ctx;
}

static void on_deadline(struct ebb_timer *t)
{
	struct ebb_request *rq = request_of(t);

	log_line(rq->id, "ebb: the request was cut at its deadline");
	conn_gone(rq);
}

static void on_awake(struct ebb_timer *t)
{
	struct ebb_request *rq = request_of(t);

	rq->on_awake(rq, rq->awake_ctx);
}

static void begin(struct ebb_request *rq)
{
	struct ebb *e = rq->loop;
	int r;

	rq->phase = PHASE_OPEN;
	e->open++;
	rq->awake = (struct ebb_timer){.on_due = on_awake, .ctx = rq};
	rq->deadline = (struct ebb_timer){.on_due = on_deadline, .ctx = rq};
	if (e->draining) {
		(void)ebb_nack(rq);
		return;
	}
	if (rq->deadline_ms)
		(void)ebb_timer_set(e, &rq->deadline, deadline_in_ms(rq->deadline_ms));
	r = e->handler(rq, e->ctx);
	if (r < 0)
		ebb_fail(rq, "the handler failed with %d (%s)", r, strerror(-r));
}

static void over(struct ebb_request *rq)
{
	ebb_timer_off(rq->loop, &rq->awake);
	ebb_timer_off(rq->loop, &rq->deadline);
	queue_calls_forget(rq);
	rq->on_body = NULL;
	rq->on_writable = NULL;
	rq->on_cancel = NULL;
	rq->phase = PHASE_REST;
	rq->loop->open--;
}

const struct conn_user request_user = {.begin = begin, .over = over, .refuse = answer_refuse};

const char *ebb_method(const struct ebb_request *rq)
{
	return rq->method;
}

const char *ebb_path(const struct ebb_request *rq)
{
	return rq->path;
}

const char *ebb_query(const struct ebb_request *rq)
{
	return rq->query;
}

const char *ebb_id(const struct ebb_request *rq)
{
	return rq->id;
}

uint64_t ebb_deadline(const struct ebb_request *rq)
{
	return rq->deadline_ms;
}

void *ebb_scratch(struct ebb_request *rq)
{
	return rq->scratch;
}

struct ebb *ebb_loop(const struct ebb_request *rq)
{
	return rq->loop;
}

int64_t ebb_body_length(const struct ebb_request *rq)
{
	return rq->body_length;
}

const char *ebb_header(const struct ebb_request *rq, const char *name)
{
	for (size_t i = 0; i < rq->header_count; i++)
		if (strcasecmp(rq->headers[i].name, name) == 0)
			return rq->headers[i].value;
	return NULL;
}

uint64_t ebb_query_number(const struct ebb_request *rq, const char *name, uint64_t otherwise)
{
	size_t n = strlen(name);

	for (const char *at = rq->query; *at; at += strcspn(at, "&"), at += *at == '&')
		if (strncmp(at, name, n) == 0 && at[n] == '=' && at[n + 1] >= '0' &&
		    at[n + 1] <= '9')
			return strtoull(at + n + 1, NULL, 10);
	return otherwise;
}

int ebb_body_read(struct ebb_request *rq, ebb_body_fn *fn, void *ctx)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	rq->on_body = fn;
	rq->body_ctx = ctx;
	if (rq->expects && rq->answer == ANSWER_NONE && rq->frame != FRAME_DONE) {
		rq->expects = false;
		memcpy(rq->out + rq->out_used, go_on, sizeof(go_on) - 1);
		rq->out_used += sizeof(go_on) - 1;
		conn_flush(rq);
	}
	conn_go(rq);
	return 0;
}

void ebb_body_pause(struct ebb_request *rq)
{
	rq->paused = true;
}

void ebb_body_resume(struct ebb_request *rq)
{
	rq->paused = false;
	conn_go(rq);
}

void ebb_on_writable(struct ebb_request *rq, ebb_callback *fn, void *ctx)
{
	rq->on_writable = fn;
	rq->writable_ctx = ctx;
}

void ebb_on_cancel(struct ebb_request *rq, ebb_callback *fn, void *ctx)
{
	rq->on_cancel = fn;
	rq->cancel_ctx = ctx;
}

void ebb_sleep(struct ebb_request *rq, uint64_t ms, ebb_callback *fn, void *ctx)
{
	rq->on_awake = fn;
	rq->awake_ctx = ctx;
	if (ebb_timer_set(rq->loop, &rq->awake, ms) < 0)
		ebb_fail(rq, "no memory for a timer");
}
