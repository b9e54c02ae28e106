// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/drain.h"

#include <errno.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/calls.h"
#include "runtime/api/handlers.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/state.h"
#include "runtime/base/clock.h"
#include "runtime/base/duration.h"
#include "runtime/base/fault.h"

#define FILE_NAME       "drain.json"
#define DEADLINE_MS_MAX (UINT64_C(7) * 24 * 3600 * 1000)
/* The call to ebbd may last this much longer than the deadline: instances may use their stopGrace,
 * and many that end at once take time. */
#define MARGIN_MS  (15 * 60 * 1000)
#define FOREVER_MS UINT32_MAX
#define AGAIN_NS   NS_PER_SEC

void drain_write(struct json_out *o, const struct drain *drain)
{
	char when[28];

	json_out_bool(o, "drained", drain->on);
	if (drain->on)
		json_out_string(o, "since", clock_rfc3339(drain->since_us, when));
	if (drain->on && drain->deadline_us)
		json_out_string(o, "deadline", clock_rfc3339(drain->deadline_us, when));
}

static int read_time(const struct json *document, const char *key, uint64_t *out_us)
{
	const char *text = json_string(json_get(document, key));

	return text ? clock_parse_rfc3339(text, out_us) : -EINVAL;
}

int drain_load(struct api *api, struct fault *f)
{
	struct json *document = NULL;
	struct drain drain = {.on = true};
	int r = state_read_json(api->state_dir_fd, FILE_NAME, &document, f);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (read_time(document, "since", &drain.since_us) < 0 ||
	    (json_get(document, "deadline") &&
	     read_time(document, "deadline", &drain.deadline_us) < 0)) {
		r = fault_say(f, -EINVAL, FILE_NAME ": it is not what ebb wrote");
	} else {
		api->drain = drain;
	}
	json_free(document);
	return r;
}

static int save(struct api *api, const struct drain *drain)
{
	struct json_out o;
	int r;

	json_out_init(&o);
	json_out_object(&o, NULL);
	drain_write(&o, drain);
	json_out_end_object(&o);
	r = state_write_json(api->state_dir_fd, FILE_NAME, &o);
	json_out_fini(&o);
	return r;
}

static void reply_drain(struct request *rq)
{
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	drain_write(&o, &rq->api->drain);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

/* A drain that another word replaced, or that takes long, was heard. */
static void on_done(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	(void)ctx;
	if (answer->err && answer->err != ECANCELED && answer->err != ETIMEDOUT)
		api->drain_word =
			(struct drain_word){.lost = true, .again_ns = clock_mono_ns() + AGAIN_NS};
	if (answer->err)
		problem_reply_answer(rq, "do that with this host", answer);
	else if (rq)
		reply_drain(rq);
}

/* deadline_ms: from now; 0 = none. */
static void tell(struct api *api, struct request *rq, bool on, uint64_t deadline_ms)
{
	struct wire_node_drain record = {.drain = on, .deadline_ms = deadline_ms};
	uint32_t timeout_ms = deadline_ms ? (uint32_t)deadline_ms + MARGIN_MS : FOREVER_MS;

	api->drain_word.lost = false;
	calls_ask(api, &(struct call_ask){.peer = CALL_EBBD,
					  .type = WIRE_NODE_DRAIN,
					  .record = &record,
					  .size = sizeof(record),
					  .timeout_ms = on ? timeout_ms : 0,
					  .rq = rq,
					  .done = on_done});
}

void drain_resend(struct api *api)
{
	uint64_t now_us = clock_real_us(), deadline_us = api->drain.deadline_us, left_ms = 0;

	if (!api->drain.on) {
		tell(api, NULL, false, 0);
		return;
	}
	if (deadline_us)
		left_ms = deadline_us > now_us ? (deadline_us - now_us) / US_PER_MS + 1 : 1;
	/* A clock that was set back must not make the deadline longer than a deadline may be. */
	tell(api, NULL, true, left_ms > DEADLINE_MS_MAX ? DEADLINE_MS_MAX : left_ms);
}

uint64_t drain_retry(struct api *api, uint64_t now_ns)
{
	if (api->drain_word.lost && now_ns >= api->drain_word.again_ns)
		drain_resend(api);
	return api->drain_word.lost ? api->drain_word.again_ns : UINT64_MAX;
}

static bool read_deadline(struct request *rq, uint64_t *out_ms)
{
	char text[24] = "";
	int r = request_query(rq, "deadline", text, sizeof(text));

	*out_ms = 0;
	if (r == 0 || (r == 1 && duration_parse_ms(text, out_ms) == 0 && *out_ms > 0 &&
		       *out_ms <= DEADLINE_MS_MAX))
		return true;
	problem_reply(rq, 400, "such as 30s or 10m, at most 7d", "deadline: it is not a duration");
	return false;
}

/* Answers when the last instance is gone. */
void post_drain(struct request *rq)
{
	struct api *api = rq->api;
	struct drain drain = {.on = true, .since_us = clock_real_us()};
	uint64_t deadline_ms;
	int r;

	if (!read_deadline(rq, &deadline_ms))
		return;
	if (api->drain.on)
		drain.since_us = api->drain.since_us;
	if (deadline_ms)
		drain.deadline_us = clock_real_us() + deadline_ms * US_PER_MS;
	r = save(api, &drain);
	if (r < 0) {
		problem_reply(rq, 507, "make room in the state directory and drain again",
			      "the host is not drained, as that cannot be saved: %s", strerror(-r));
		return;
	}
	api->drain = drain;
	tell(api, rq, true, deadline_ms);
}

void post_undrain(struct request *rq)
{
	struct api *api = rq->api;
	int r = state_remove(api->state_dir_fd, FILE_NAME);

	if (r < 0) {
		problem_reply(rq, 507, "look after the state directory and try again",
			      "the host stays drained: %s", strerror(-r));
		return;
	}
	api->drain = (struct drain){0};
	tell(api, rq, false, 0);
}
