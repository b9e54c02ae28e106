// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/change.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/deploying.h"
#include "runtime/api/images.h"
#include "runtime/api/known.h"
#include "runtime/api/request.h"
#include "runtime/api/schedules.h"
#include "runtime/api/service_record.h"
#include "runtime/api/sites.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

struct change *change_new(const char *name, enum change_kind kind)
{
	struct change *change = calloc(1, sizeof(*change));

	if (!change)
		return NULL;
	/* A name that does not fit is no label either, and is refused as that. */
	(void)text_copy(change->name, sizeof(change->name), name);
	change->kind = kind;
	return change;
}

void change_free(struct change *change)
{
	free(change);
}

/* state: the outcome of the change ("unchanged", "created", ...). */
static void reply_change(struct request *rq, int status, const struct change *change,
			 const char *state, bool dry_run)
{
	char etag[ETAG_SIZE], extra[ETAG_SIZE + 16];
	struct json_out o;

	revision_etag(&change->revision, etag);
	(void)text_format(extra, sizeof(extra), "ETag: %s\r\n", etag);
	json_out_init(&o);
	json_out_object(&o, NULL);
	revision_write(&o, change->name, &change->revision, SPEC_SHOWN);
	json_out_string(&o, "etag", etag);
	json_out_string(&o, "change", state);
	if (change->repeats)
		json_out_u64(&o, "repeats", change->repeats);
	json_out_bool(&o, "dry_run", dry_run);
	json_out_array(&o, "warnings");
	for (size_t i = 0; i < change->warnings.count && i < PROBLEM_ITEMS_MAX; i++) {
		char text[420];

		(void)text_format(text, sizeof(text), "%s: %s", change->warnings.items[i].path,
				  change->warnings.items[i].message);
		json_out_string(&o, NULL, text);
	}
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, status, dry_run ? NULL : extra, &o);
}

static void on_traffic_ended(struct api *api, struct request *rq, void *ctx)
{
	struct change *change = ctx;

	(void)api;
	if (rq)
		reply_change(rq, 201, change, change->kind == CHANGE_CREATE ? "created" : "updated",
			     false);
	change_free(change);
}

/* A host that has no network for instances refuses only services that ask for one. Those that do
 * not say get none, with a warning. False: this was refused for another reason. */
static bool goes_on_without(struct api *api, struct request *rq, struct change *change,
			    const struct answer *answer)
{
	const struct image *image = images_by_digest(api->images, change->revision.digest);
	char quoted[ERROR_TEXT_SIZE];

	if (answer->err != ENETDOWN || !change->egress_unsaid || !rq || !image)
		return false;
	log_warn("event=no_network service=%s cause=%s", change->name,
		 log_quote(quoted, sizeof(quoted), answer->text ? answer->text : ""));
	problem_add(&change->warnings, "ebb.egress", "it has no network (%s)",
		    answer->text ? answer->text : "");
	change->egress_unsaid = false;
	change->revision.spec.egress.mode = WIRE_EGRESS_NONE;
	change_run(rq, change, image, false);
	return true;
}

static void on_applied(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	struct change *change = ctx;
	char quoted[128];
	int r;

	if (answer->err) {
		services_drop(api->services, change->name, &change->revision);
		if (goes_on_without(api, rq, change, answer))
			return;
		problem_reply_answer(rq, "apply the service", answer);
		change_free(change);
		return;
	}
	r = services_commit(api->services, change->name, &change->revision);
	schedules_say(api, change->name);
	if (r == 0) { /* the answer comes last, so the client's next change finds none under way */
		traffic_end(api, rq, services_find(api->services, change->name), on_traffic_ended,
			    change);
		return;
	}
	log_error("event=service_not_saved service=%s err=%s", change->name,
		  log_quote(quoted, sizeof(quoted), strerror(-r)));
	if (rq)
		problem_reply(rq, 507, "make room in the state directory and deploy again",
			      "service '%s' runs, but cannot be saved: %s", change->name,
			      strerror(-r));
	change_free(change);
}

static void reply_busy(struct request *rq, const char *name, int err)
{
	if (err == EBUSY)
		problem_reply(rq, 409, "try again in a moment",
			      "another change of service '%s' is under way", name);
	else if (err == EMFILE)
		problem_reply(rq, 507, "remove services",
			      "service '%s' cannot be added: there is no room (..%d services)",
			      name, SERVICES_MAX);
	else
		problem_reply(rq, 507, "look after the state directory and deploy again",
			      "cannot save service '%s': %s", name, strerror(err));
}

static void apply(struct request *rq, struct change *change, struct wire_service_put *put)
{
	int r = services_prepare(rq->api->services, change->name, &change->revision);

	if (r < 0) {
		reply_busy(rq, change->name, -r);
		change_free(change);
		return;
	}
	must(put->revision == change->revision.number);
	calls_ask(rq->api, &(struct call_ask){.peer = CALL_EBBD,
					      .type = WIRE_SERVICE_PUT,
					      .record = put,
					      .size = sizeof(*put),
					      .rq = rq,
					      .done = on_applied,
					      .ctx = change});
}

void change_run(struct request *rq, struct change *change, const struct image *image, bool dry_run)
{
	const struct service *s = services_find(rq->api->services, change->name);
	struct revision *rev = &change->revision;
	struct problem_list errors = {0};
	SCOPED_RECORD *put = NULL;

	if (!api_ready_or_503(rq)) {
		change_free(change);
		return;
	}
	if (s && !s->changing && !*s->error && revision_same(&s->current, rev)) {
		*rev = s->current;
		reply_change(rq, 200, change, "unchanged", dry_run);
		change_free(change);
		return;
	}
	rev->number = services_next_number(rq->api->services, change->name);
	rev->created_us = clock_real_us();
	put = service_record(rq->api, change->name, rev, image, &errors);
	schedules_check(rq->api, &rev->spec, &errors);
	if (put && errors.count == 0 && !dry_run) {
		apply(rq, change, put);
		return;
	}
	if (!put)
		problem_reply(rq, 503, NULL, "out of memory");
	else if (errors.count > 0)
		problem_reply_list(rq, &errors);
	else
		reply_change(rq, 200, change, s ? "update" : "create", true);
	change_free(change);
}

/* ---- after a start ---- */

static void resend_from(struct api *api, size_t index);

static void on_traffic_resent(struct api *api, struct request *rq, void *ctx)
{
	(void)rq;
	resend_from(api, (size_t)(uintptr_t)ctx + 1);
}

static void on_resent(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	size_t index = (size_t)(uintptr_t)ctx;
	struct service *s = services_at(api->services, index);
	char quoted[ERROR_TEXT_SIZE];

	(void)rq;
	if (answer->err == EPIPE)
		return; /* ebbd is gone, and so are we in a moment */
	if (answer->err) {
		(void)text_format(s->error, sizeof(s->error), "%s",
				  answer->text && *answer->text ? answer->text
								: strerror(answer->err));
		log_error("event=service_not_applied service=%s err=%s", s->name,
			  log_quote(quoted, sizeof(quoted), s->error));
	}
	s->changing = false;
	if (answer->err)
		resend_from(api, index + 1);
	else
		traffic_resend(api, s, on_traffic_resent, ctx);
}

/* Asks ebbd for the service and returns NULL, or the reason why it cannot be asked for at all. */
static const char *resend_one(struct api *api, struct service *s, size_t index)
{
	const struct image *image = images_by_digest(api->images, s->current.digest);
	struct problem_list errors = {0};
	SCOPED_RECORD *put = NULL;

	if (s->refused)
		return s->error;
	if (!image || image->removing)
		return "its image is not in the store";
	put = service_record(api, s->name, &s->current, image, &errors);
	if (!put)
		return "out of memory";
	if (errors.count > 0) {
		(void)text_format(s->error, sizeof(s->error), "%s: %s", errors.items[0].path,
				  errors.items[0].message);
		return s->error;
	}
	s->changing = true;
	calls_ask(api, &(struct call_ask){.peer = CALL_EBBD,
					  .type = WIRE_SERVICE_PUT,
					  .record = put,
					  .size = sizeof(*put),
					  .done = on_resent,
					  .ctx = (void *)(uintptr_t)index});
	return NULL;
}

/* ebb-api is ready only when ebbd has told its gateways of every service, so requests
 * are routed. */
static void on_settled(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	(void)rq;
	(void)ctx;
	if (answer->err)
		return; /* ebbd is gone, and so are we in a moment */
	api->ready = true;
	schedules_say_all(api);
	log_info("event=ready services=%zu images=%zu", services_count(api->services),
		 images_count(api->images));
}

static void settle(struct api *api);

static void resend_from(struct api *api, size_t index)
{
	for (; index < services_count(api->services); index++) {
		struct service *s = services_at(api->services, index);
		const char *fault = resend_one(api, s, index);
		char quoted[ERROR_TEXT_SIZE];

		if (!fault)
			return; /* on_resent goes on */
		if (fault != s->error)
			(void)text_copy(s->error, sizeof(s->error), fault);
		log_error("event=service_not_applied service=%s err=%s", s->name,
			  log_quote(quoted, sizeof(quoted), s->error));
	}
	deployments_resend(api, settle);
}

static void settle(struct api *api)
{
	uint64_t cookie = 0;

	sites_resend(api);
	calls_ask(api, &(struct call_ask){.peer = CALL_EBBD,
					  .type = WIRE_API_SETTLED,
					  .record = &cookie,
					  .size = sizeof(cookie),
					  .done = on_settled});
}

void change_resend_all(struct api *api)
{
	resend_from(api, 0);
}
