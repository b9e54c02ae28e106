// SPDX-License-Identifier: Apache-2.0
/* Services: reading them, and the one way in which they change. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/binding_use.h"
#include "runtime/api/change.h"
#include "runtime/api/handlers.h"
#include "runtime/api/images.h"
#include "runtime/api/known.h"
#include "runtime/api/request.h"
#include "runtime/api/secret_use.h"
#include "runtime/api/schedules.h"
#include "runtime/api/services.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define DOCUMENT_DEPTH_MAX 16

static void write_service(struct json_out *o, const struct service *s)
{
	const char *error = *s->error ? s->error : s->start_error;
	char etag[ETAG_SIZE];

	json_out_object(o, NULL);
	revision_write(o, s->name, &s->current, SPEC_SHOWN);
	revision_etag(&s->current, etag);
	json_out_string(o, "etag", etag);
	traffic_write(o, s);
	json_out_string(o, "state", *error ? "failed" : "applied");
	if (*error)
		json_out_string(o, "error", error);
	json_out_end_object(o);
}

void get_services(struct request *rq)
{
	struct services *services = rq->api->services;
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_array(&o, "services");
	for (size_t i = 0; i < services_count(services); i++)
		if (services_at(services, i)->current.number)
			write_service(&o, services_at(services, i));
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

void get_service(struct request *rq)
{
	const struct service *s = service_or_404(rq);
	char etag[ETAG_SIZE], extra[ETAG_SIZE + 16];
	struct json_out o;

	if (!s)
		return;
	revision_etag(&s->current, etag);
	(void)text_format(extra, sizeof(extra), "ETag: %s\r\n", etag);
	json_out_init(&o);
	write_service(&o, s);
	reply_json(rq, 200, extra, &o);
}

void get_revisions(struct request *rq)
{
	const struct service *s = service_or_404(rq);
	struct json_out o;

	if (!s)
		return;
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_array(&o, "revisions");
	for (size_t i = s->note_count; i-- > 0;) {
		char text[DIGEST_TEXT_SIZE], when[28];

		image_digest_text(s->notes[i].digest, text);
		json_out_object(&o, NULL);
		json_out_u64(&o, "revision", s->notes[i].number);
		json_out_string(&o, "digest", text);
		json_out_string(&o, "created_at", clock_rfc3339(s->notes[i].created_us, when));
		json_out_bool(&o, "current", s->notes[i].number == s->current.number);
		json_out_end_object(&o);
	}
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

/* Reads the body into change; s is the present service, or NULL. False after having answered. */
static bool read_body(struct request *rq, const struct service *s, struct change *change)
{
	struct service_spec *spec = &change->revision.spec;
	struct problem_list errors = {0};
	struct json *document = NULL;
	char err[200];

	if (json_parse(rq->body, rq->body_size, DOCUMENT_DEPTH_MAX, &document, err, sizeof(err)) <
	    0) {
		problem_reply(rq, 400, "send the service as one JSON object",
			      "the body is not JSON: %s", err);
		return false;
	}
	service_spec_read(document, s ? &s->current.spec : NULL, spec, &errors, &change->warnings);
	/* The host's default is taken once, here: a later change of the host's setting does not
	 * change which addresses a service reaches. */
	change->egress_unsaid =
		json_kind(json_get(json_get(document, "ebb"), "egress")) == JSON_NULL;
	if (change->egress_unsaid)
		spec->egress.mode = rq->api->config.egress;
	json_free(document);
	secrets_pin(rq->api, spec, &errors);
	bindings_pin(rq, rq->arg, spec, &errors);
	if (!text_is_label(rq->arg))
		problem_add(&errors, "name", "'%.64s' is not a name of a service ([a-z0-9-], ..63)",
			    rq->arg);
	if (errors.count > 0)
		problem_reply_list(rq, &errors);
	return errors.count == 0;
}

void put_service(struct request *rq)
{
	const struct service *s = services_find(rq->api->services, rq->arg);
	struct change *change = change_new(rq->arg, s ? CHANGE_UPDATE : CHANGE_CREATE);
	const struct image *image;

	if (!change) {
		problem_reply(rq, 503, NULL, "out of memory");
		return;
	}
	if (!service_matches_or_412(rq, s) || !read_body(rq, s, change)) {
		change_free(change);
		return;
	}
	image = images_resolve(rq->api->images, change->revision.spec.image);
	if (!image) {
		problem_reply(rq, 422,
			      "ebb image ls shows what there is; ebb image import adds one",
			      "image: \"%s\" is not in the store", change->revision.spec.image);
		change_free(change);
		return;
	}
	memcpy(change->revision.digest, image->digest, DIGEST_SIZE);
	change_run(rq, change, image, request_flag(rq, "dryRun"));
}

/* The wanted number, or that of the revision before the current one; 0 after having answered. */
static uint32_t rollback_target(struct request *rq, const struct service *s)
{
	struct json *document = NULL;
	int64_t wanted = 0;
	char err[200];
	uint32_t before = 0;

	if (rq->body_size > 0 && json_parse(rq->body, rq->body_size, DOCUMENT_DEPTH_MAX, &document,
					    err, sizeof(err)) < 0) {
		problem_reply(rq, 400, "send {\"revision\": N} or nothing",
			      "the body is not JSON: %s", err);
		return 0;
	}
	(void)json_int(json_get(document, "revision"), &wanted);
	json_free(document);
	for (size_t i = 0; i < s->note_count; i++) {
		if (wanted && s->notes[i].number == wanted)
			return s->notes[i].number;
		if (s->notes[i].number < s->current.number)
			before = s->notes[i].number;
	}
	if (!wanted && before)
		return before;
	problem_reply(rq, 409, "the last 10 revisions are kept: ebb revisions NAME shows them",
		      "service '%s' has no %s revision to go back to", s->name,
		      wanted ? "such" : "earlier");
	return 0;
}

/* Reads a kept revision into change, with the secrets as they are now: a value that was replaced
 * does not come back. False after having answered. */
static bool read_kept(struct request *rq, const struct service *s, uint32_t number,
		      struct change *change)
{
	struct problem_list errors = {0};
	int r = services_load_revision(rq->api->services, s->name, number, &change->revision);

	if (r < 0) {
		problem_reply(rq, 500, "deploy the service anew",
			      "cannot read revision %u of service '%s': %s", number, s->name,
			      strerror(-r));
		return false;
	}
	change->repeats = number;
	secrets_pin(rq->api, &change->revision.spec, &errors);
	bindings_pin(rq, s->name, &change->revision.spec, &errors);
	if (errors.count > 0)
		problem_reply_list(rq, &errors);
	return errors.count == 0;
}

/* Makes a new revision of a kept one. */
static void repeat(struct request *rq, const struct service *s, uint32_t number)
{
	struct change *change = change_new(s->name, CHANGE_UPDATE);
	const struct image *image;

	if (!change) {
		problem_reply(rq, 503, NULL, "out of memory");
		return;
	}
	if (!read_kept(rq, s, number, change)) {
		change_free(change);
		return;
	}
	image = images_by_digest(rq->api->images, change->revision.digest);
	if (!image || image->removing) {
		problem_reply(rq, 409, "import that image again",
			      "the image of revision %u, '%s', is not in the store any more",
			      number, change->revision.spec.image);
		change_free(change);
		return;
	}
	change_run(rq, change, image, request_flag(rq, "dryRun"));
}

void post_rollback(struct request *rq)
{
	const struct service *s = service_or_404(rq);
	uint32_t number = s && service_matches_or_412(rq, s) ? rollback_target(rq, s) : 0;

	if (number)
		repeat(rq, s, number);
}

void post_redeploy(struct request *rq)
{
	const struct service *s = service_or_404(rq);

	if (s && service_matches_or_412(rq, s))
		repeat(rq, s, s->current.number);
}

/* ---- a start without a request ---- */

static void on_started(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	(void)api;
	(void)ctx;
	if (!rq)
		return;
	if (answer->err)
		problem_reply_answer(rq, "start the service", answer);
	else
		reply_empty(rq);
}

void post_start(struct request *rq)
{
	const struct service *s = service_or_404(rq);
	struct wire_service_start record = {0};

	if (!s || !api_ready_or_503(rq))
		return;
	must(text_copy(record.name, sizeof(record.name), s->name) == 0);
	calls_ask(rq->api, &(struct call_ask){.peer = CALL_EBBD,
					      .type = WIRE_SERVICE_START,
					      .record = &record,
					      .size = sizeof(record),
					      .rq = rq,
					      .done = on_started});
}

/* ---- removal ---- */

struct removal {
	char name[SERVICE_NAME_SIZE];
};

static void on_removed(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	struct removal *removal = ctx;
	struct service *s = services_find(api->services, removal->name);
	int r;

	must(s);
	s->changing = false;
	/* ENOENT: ebbd does not have the service, as is wanted. */
	if (answer->err && answer->err != ENOENT) {
		problem_reply_answer(rq, "remove the service", answer);
	} else {
		r = services_remove(api->services, removal->name);
		schedules_say(api, removal->name);
		if (rq && r < 0)
			problem_reply(
				rq, 507, "look after the state directory, then remove it again",
				"service '%s' is stopped, but its files cannot be removed: %s",
				removal->name, strerror(-r));
		else if (rq)
			reply_empty(rq);
	}
	free(removal);
}

void delete_service(struct request *rq)
{
	struct service *s = service_or_404(rq);
	struct wire_service_del record = {0};
	struct removal *removal;
	int r;

	if (!s || !api_ready_or_503(rq) || !service_matches_or_412(rq, s))
		return;
	r = services_can_remove(rq->api->services, s->name);
	if (r < 0) {
		problem_reply(rq, 507, "look after the state directory, then remove it again",
			      "service '%s' stays as it is: %s", s->name, strerror(-r));
		return;
	}
	removal = calloc(1, sizeof(*removal));
	if (s->changing || !removal) {
		problem_reply(rq, 409, "try again in a moment",
			      "another change of service '%s' is under way", s->name);
		free(removal);
		return;
	}
	s->changing = true;
	must(text_copy(record.name, sizeof(record.name), s->name) == 0);
	must(text_copy(removal->name, sizeof(removal->name), s->name) == 0);
	calls_ask(rq->api, &(struct call_ask){.peer = CALL_EBBD,
					      .type = WIRE_SERVICE_DEL,
					      .record = &record,
					      .size = sizeof(record),
					      .timeout_ms = 60000,
					      .rq = rq,
					      .done = on_removed,
					      .ctx = removal});
}
