// SPDX-License-Identifier: Apache-2.0
/* Traffic between revisions: reading it, changing it, ending it at a deployment, and telling it to
 * ebbd after a start. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/calls.h"
#include "runtime/api/handlers.h"
#include "runtime/api/images.h"
#include "runtime/api/known.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/service_record.h"
#include "runtime/api/services.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define BODY_DEPTH_MAX 8
#define MEND           "send {\"traffic\": [{\"revision\": N, \"percent\": P}, ...]}, 100 in all"

/* One change on its way to ebbd, a record at a time: first the revisions that begin to serve, then
 * the revisions that end. */
struct job {
	char name[SERVICE_NAME_SIZE];
	struct traffic wanted, before;
	size_t at; /* below wanted.count: the share to put; else: the one of `before` to delete */
	bool save;
	char cause[ERROR_TEXT_SIZE];
	traffic_done done; /* answers the request; or NULL */
	void *ctx;
};

static void step(struct api *api, struct request *rq, struct job *job);

static bool has(const struct traffic *t, uint32_t revision)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->shares[i].revision == revision)
			return true;
	return false;
}

static void reply_traffic(struct request *rq, const struct service *s)
{
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "name", s->name);
	traffic_write(&o, s);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

static void finish(struct api *api, struct request *rq, struct job *job)
{
	struct service *s = services_find(api->services, job->name);
	int r = 0;

	must(s);
	s->changing = false;
	s->traffic = job->wanted;
	if (job->save)
		r = services_save_traffic(api->services, s);
	if (r < 0)
		log_error("event=traffic_not_saved service=%s err=\"%s\"", s->name, strerror(-r));
	if (job->done)
		job->done(api, rq, job->ctx);
	else if (rq && r < 0)
		problem_reply(rq, 507, "make room in the state directory and send it again",
			      "the traffic of service '%s' is shared so, but cannot be saved: %s",
			      s->name, strerror(-r));
	else if (rq)
		reply_traffic(rq, s);
	free(job);
}

/* Shares that ebbd has taken already stay: a change that failed loses no requests. */
static void give_up(struct api *api, struct request *rq, struct job *job,
		    const struct answer *answer)
{
	struct service *s = services_find(api->services, job->name);

	must(s);
	s->changing = false;
	if (job->done)
		job->done(api, rq, job->ctx);
	else
		problem_reply_answer(rq, "share the traffic", answer);
	free(job);
}

static void on_step(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	struct job *job = ctx;

	if (answer->err && answer->err != ENOENT && job->at < job->wanted.count) {
		give_up(api, rq, job, answer);
		return;
	}
	job->at++;
	step(api, rq, job);
}

/* The record of an earlier revision, or NULL with a cause. */
static struct wire_service_put *record_of(struct api *api, struct job *job,
					  const struct traffic_share *share, const char **cause)
{
	struct revision rev;
	struct problem_list errors = {0};
	struct wire_service_put *put;
	const struct image *image;

	*cause = "its revision file cannot be read";
	if (services_load_revision(api->services, job->name, share->revision, &rev) < 0)
		return NULL;
	*cause = "its image is not in the store any more";
	image = images_by_digest(api->images, rev.digest);
	if (!image || image->removing)
		return NULL;
	put = service_record(api, job->name, &rev, image, &errors);
	if (put && errors.count > 0)
		(void)text_format(job->cause, sizeof(job->cause), "%s: %s", errors.items[0].path,
				  errors.items[0].message);
	if (!put || errors.count > 0) {
		*cause = put ? job->cause : "out of memory";
		service_record_free(put);
		return NULL;
	}
	put->variant = rev.number;
	put->share_permille = share->percent * 10;
	return put;
}

static void put_one(struct api *api, struct request *rq, struct job *job)
{
	const char *cause;
	SCOPED_RECORD *put = record_of(api, job, &job->wanted.shares[job->at], &cause);

	if (!put) {
		give_up(api, rq, job, &(struct answer){.err = EINVAL, .text = cause});
		return;
	}
	calls_ask(api, &(struct call_ask){.peer = CALL_EBBD,
					  .type = WIRE_SERVICE_PUT,
					  .record = put,
					  .size = sizeof(*put),
					  .rq = rq,
					  .done = on_step,
					  .ctx = job});
}

static void step(struct api *api, struct request *rq, struct job *job)
{
	struct wire_service_del del = {0};
	size_t old;

	if (job->at < job->wanted.count) {
		put_one(api, rq, job);
		return;
	}
	for (old = job->at - job->wanted.count; old < job->before.count; old++, job->at++)
		if (!has(&job->wanted, job->before.shares[old].revision))
			break;
	if (old == job->before.count) {
		finish(api, rq, job);
		return;
	}
	del.variant = job->before.shares[old].revision;
	must(text_copy(del.name, sizeof(del.name), job->name) == 0);
	calls_ask(api, &(struct call_ask){.peer = CALL_EBBD,
					  .type = WIRE_SERVICE_DEL,
					  .record = &del,
					  .size = sizeof(del),
					  .rq = rq,
					  .done = on_step,
					  .ctx = job});
}

/* Begins a change; s must not be changing. False without memory. */
static bool begin(struct api *api, struct request *rq, struct service *s,
		  const struct traffic *wanted, const struct job *how)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return false;
	*job = *how;
	job->wanted = *wanted;
	job->before = s->traffic;
	must(text_copy(job->name, sizeof(job->name), s->name) == 0);
	s->changing = true;
	step(api, rq, job);
	return true;
}

void traffic_end(struct api *api, struct request *rq, struct service *s, traffic_done done,
		 void *ctx)
{
	static const struct traffic none;
	const struct job how = {.save = true, .done = done, .ctx = ctx};

	if (s->traffic.count > 0 && begin(api, rq, s, &none, &how))
		return;
	if (s->traffic.count > 0)
		log_error("event=traffic_not_ended service=%s err=\"out of memory\"", s->name);
	done(api, rq, ctx);
}

void traffic_resend(struct api *api, struct service *s, traffic_done done, void *ctx)
{
	const struct traffic wanted = s->traffic;

	if (wanted.count == 0 ||
	    !begin(api, NULL, s, &wanted, &(struct job){.done = done, .ctx = ctx}))
		done(api, NULL, ctx);
}

/* ---- requests ---- */

void get_traffic(struct request *rq)
{
	const struct service *s = service_or_404(rq);

	if (s)
		reply_traffic(rq, s);
}

static bool is_kept(const struct service *s, int64_t revision)
{
	for (size_t i = 0; i < s->note_count; i++)
		if (s->notes[i].number == revision)
			return true;
	return false;
}

/* One element of the list. *sum grows; the current revision's share is what the others leave. */
static void read_share(const struct service *s, const struct json *item, size_t number,
		       struct traffic *out, uint32_t *sum, struct problem_list *errors)
{
	int64_t revision = 0, percent = -1;
	char path[48];

	(void)text_format(path, sizeof(path), "traffic[%zu]", number);
	if (json_int(json_get(item, "revision"), &revision) < 0 || !is_kept(s, revision)) {
		problem_add(errors, path, "revision: it is not one of the %zu revisions kept",
			    s->note_count);
		return;
	}
	if (json_int(json_get(item, "percent"), &percent) < 0 || percent < 0 || percent > 100) {
		problem_add(errors, path, "percent: it is not a whole number (0..100)");
		return;
	}
	*sum += (uint32_t)percent;
	if (revision == s->current.number || percent == 0)
		return;
	if (has(out, (uint32_t)revision))
		problem_add(errors, path, "revision: %lld is named twice", (long long)revision);
	else if (out->count == TRAFFIC_MAX)
		problem_add(errors, path, "no more than %d earlier revisions at once", TRAFFIC_MAX);
	else
		out->shares[out->count++] = (struct traffic_share){.revision = (uint32_t)revision,
								   .percent = (uint32_t)percent};
}

/* False after having answered. */
static bool read_traffic(struct request *rq, const struct service *s, struct traffic *out)
{
	struct problem_list errors = {0};
	struct json *document = NULL;
	const struct json *list;
	char err[200];
	uint32_t sum = 0;

	*out = (struct traffic){0};
	if (json_parse(rq->body, rq->body_size, BODY_DEPTH_MAX, &document, err, sizeof(err)) < 0) {
		problem_reply(rq, 400, MEND, "the body is not JSON: %s", err);
		return false;
	}
	list = json_get(document, "traffic");
	if (json_kind(list) != JSON_ARRAY)
		problem_add(&errors, "traffic", "it is not a list");
	for (size_t i = 0; i < json_count(list); i++)
		read_share(s, json_at(list, i), i, out, &sum, &errors);
	if (errors.count == 0 && sum != 100)
		problem_add(&errors, "traffic", "the percents add up to %u, not to 100", sum);
	json_free(document);
	if (errors.count > 0)
		problem_reply_list(rq, &errors);
	return errors.count == 0;
}

/* Answers as if the wanted shares were set; nothing changes. */
static void show_traffic(struct request *rq, struct service *s, const struct traffic *wanted)
{
	const struct traffic now = s->traffic;

	s->traffic = *wanted;
	reply_traffic(rq, s);
	s->traffic = now;
}

void put_traffic(struct request *rq)
{
	struct service *s = service_or_404(rq);
	struct traffic wanted;

	if (!s || !api_ready_or_503(rq) || !service_matches_or_412(rq, s) ||
	    !read_traffic(rq, s, &wanted))
		return;
	if (request_flag(rq, "dryRun")) {
		show_traffic(rq, s, &wanted);
		return;
	}
	if (s->changing)
		problem_reply(rq, 409, "try again in a moment",
			      "another change of service '%s' is under way", s->name);
	else if (!begin(rq->api, rq, s, &wanted, &(struct job){.save = true}))
		problem_reply(rq, 503, NULL, "out of memory");
}
