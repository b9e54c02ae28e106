// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/buffer.h"
#include "runtime/base/clock.h"
#include "runtime/base/text.h"

#define CALLS_MAX          256
#define TIMEOUT_DEFAULT_MS 30000
#define ANSWER_BYTES_MAX   (64u << 20)

struct call {
	uint64_t cookie; /* 0: this place is free */
	uint64_t deadline_ns;
	enum call_peer peer;
	uint32_t cancel;
	struct request *rq;
	answer_fn done;
	void *ctx;
	struct buffer records;
	size_t count;
};

struct calls {
	uint64_t last_cookie;
	struct call table[CALLS_MAX];
};

int calls_new(struct calls **out)
{
	struct calls *calls = calloc(1, sizeof(*calls));

	if (!calls)
		return -ENOMEM;
	*out = calls;
	return 0;
}

void calls_free(struct calls *calls)
{
	if (!calls)
		return;
	for (size_t i = 0; i < CALLS_MAX; i++)
		buffer_fini(&calls->table[i].records);
	free(calls);
}

static struct call *find(struct calls *calls, uint64_t cookie)
{
	for (size_t i = 0; i < CALLS_MAX; i++)
		if (calls->table[i].cookie == cookie)
			return &calls->table[i];
	return NULL;
}

/* The place is free again before done runs, because done may ask the next question. */
static void finish(struct api *api, struct call *call, int err, const char *text)
{
	struct call ended = *call;
	struct answer answer = {.err = err,
				.text = text,
				.records = buffer_at(&ended.records),
				.count = ended.count};

	*call = (struct call){0};
	ended.done(api, ended.rq, ended.ctx, &answer);
	buffer_fini(&ended.records);
}

static struct wire_link *link_to(struct api *api, enum call_peer peer)
{
	struct wire_link *const links[] = {[CALL_EBBD] = &api->control,
					   [CALL_LEDGER] = &api->ledger,
					   [CALL_FLOW] = &api->flow};

	return links[peer];
}

static const char *const unreachable[] = {[CALL_EBBD] = "ebbd cannot be reached",
					  [CALL_LEDGER] = "the ledger cannot be reached",
					  [CALL_FLOW] = "ebb-flow cannot be reached"};

static int send_it(struct api *api, const struct call_ask *ask, uint64_t cookie)
{
	memcpy(ask->record, &cookie, sizeof(cookie));
	return wire_link_send(link_to(api, ask->peer), ask->type, ask->record, ask->size, &ask->fd,
			      ask->has_fd ? 1 : 0);
}

void calls_ask(struct api *api, const struct call_ask *ask)
{
	struct calls *calls = api->calls;
	struct call *call = find(calls, 0);
	uint32_t timeout_ms = ask->timeout_ms ? ask->timeout_ms : TIMEOUT_DEFAULT_MS;
	struct answer failed = {.err = EBUSY, .text = "too many requests are in progress"};
	int r;

	if (!call) {
		ask->done(api, ask->rq, ask->ctx, &failed);
		return;
	}
	r = send_it(api, ask, calls->last_cookie + 1);
	if (r < 0) {
		failed.err = -r;
		failed.text = unreachable[ask->peer];
		ask->done(api, ask->rq, ask->ctx, &failed);
		return;
	}
	*call = (struct call){
		.cookie = ++calls->last_cookie,
		.deadline_ns = clock_mono_ns() + timeout_ms * NS_PER_MS,
		.peer = ask->peer,
		.cancel = ask->cancel,
		.rq = ask->rq,
		.done = ask->done,
		.ctx = ask->ctx,
	};
}

void calls_take(struct api *api, const struct call_part *part)
{
	struct call *call;
	uint64_t cookie;

	memcpy(&cookie, part->record, sizeof(cookie));
	call = cookie ? find(api->calls, cookie) : NULL;
	if (!call)
		return;
	if (part->append) {
		if (call->records.size + part->size > ANSWER_BYTES_MAX ||
		    buffer_add(&call->records, part->record, part->size) < 0) {
			finish(api, call, E2BIG, "the answer is too large; ask for less at once");
			return;
		}
		call->count++;
	}
	if (part->last || part->err)
		finish(api, call, part->err, part->text);
}

static void send_cancel(struct api *api, const struct call *call)
{
	if (call->cancel)
		(void)wire_link_send(link_to(api, call->peer), call->cancel, &call->cookie,
				     sizeof(call->cookie), NULL, 0);
}

void calls_take_row(struct api *api, const void *row, size_t size, const char *name, bool last,
		    int err)
{
	calls_take(api,
		   &(struct call_part){
			   .record = row, .size = size, .append = *name, .last = last, .err = err});
}

int calls_on_result(void *self, struct wire_message *m)
{
	const struct wire_result *r = (const void *)m->record;

	if (!text_terminated(r->text, sizeof(r->text)))
		return -EPROTO;
	calls_take(self, &(struct call_part){.record = r,
					     .size = sizeof(*r),
					     .append = true,
					     .last = true,
					     .err = r->err,
					     .text = r->text});
	return 0;
}

void calls_forget(struct api *api, const struct request *rq)
{
	for (size_t i = 0; i < CALLS_MAX; i++) {
		if (api->calls->table[i].rq != rq)
			continue;
		api->calls->table[i].rq = NULL;
		if (api->calls->table[i].cookie)
			send_cancel(api, &api->calls->table[i]);
	}
}

void calls_peer_lost(struct api *api, enum call_peer peer)
{
	for (size_t i = 0; i < CALLS_MAX; i++)
		if (api->calls->table[i].cookie && api->calls->table[i].peer == peer)
			finish(api, &api->calls->table[i], EPIPE, "the answering process is gone");
}

bool calls_expire(struct api *api, uint64_t now_ns)
{
	bool any = false;

	for (size_t i = 0; i < CALLS_MAX; i++) {
		struct call *call = &api->calls->table[i];

		if (call->cookie && now_ns >= call->deadline_ns) {
			send_cancel(api, call);
			finish(api, call, ETIMEDOUT, "no answer came in time");
		}
		any |= call->cookie != 0;
	}
	return any;
}
