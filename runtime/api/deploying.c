// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/deploying.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/calls.h"
#include "runtime/api/images.h"
#include "runtime/api/request.h"
#include "runtime/api/schedules.h"
#include "runtime/api/service_record.h"
#include "runtime/api/sites.h"
#include "runtime/base/clock.h"
#include "runtime/base/container_of.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define PROOF_SLACK_MS 20000 /* beyond initTimeout: a start may wait for room */

static void stage(struct deploying *d);
static void prove(struct deploying *d);
static void show(struct deploying *d);
static void change_places(struct deploying *d);
static void finish(struct deploying *d);

struct deploying *deploying_new(struct request *rq, const char *site,
				void (*reply)(struct deploying *d, bool dry_run, bool unchanged))
{
	struct deploying *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->parts = calloc(DEPLOYMENT_PARTS, sizeof(*d->parts));
	if (!d->parts) {
		free(d);
		return NULL;
	}
	d->api = rq->api;
	d->rq = rq;
	d->reply = reply;
	d->promote = true;
	(void)text_copy(d->site, sizeof(d->site), site);
	return d;
}

void deploying_free(struct deploying *d)
{
	struct deploys *all = &d->api->deploys;

	loop_timer_off(d->api->loop, &d->timer);
	for (size_t i = 0; i < DEPLOYING_MAX; i++)
		if (all->list[i] == d)
			all->list[i] = NULL;
	site_free(d->itself);
	site_free(d->deployment);
	free(d->parts);
	free(d);
}

bool deploying_busy(const struct api *api, const char *site)
{
	size_t n = 0;

	for (size_t i = 0; i < DEPLOYING_MAX; i++) {
		const struct deploying *d = api->deploys.list[i];

		n += d != NULL;
		if (d && strcmp(d->site, site) == 0)
			return true;
	}
	return n == DEPLOYING_MAX;
}

void deploying_forget(struct api *api, const struct request *rq)
{
	for (size_t i = 0; i < DEPLOYING_MAX; i++)
		if (api->deploys.list[i] && api->deploys.list[i]->rq == rq)
			api->deploys.list[i]->rq = NULL;
}

void deploying_end_all(struct api *api)
{
	for (size_t i = 0; i < DEPLOYING_MAX; i++)
		if (api->deploys.list[i])
			deploying_free(api->deploys.list[i]);
}

static bool is_new(const struct part *p)
{
	return p->kind == PART_CHANGED || p->kind == PART_CREATED;
}

/* ---- the end of one that fails ---- */

static void fail(struct deploying *d, const struct answer *answer, const char *what)
{
	deploying_undo(d);
	if (d->rq)
		problem_reply_answer(d->rq, what, answer);
	deploying_free(d);
}

static void fail_start(struct deploying *d, const struct part *p, const char *why)
{
	struct problem_list errors = {0};
	char path[96];

	(void)text_format(path, sizeof(path), "services.%.63s", p->name);
	problem_add(&errors, path, "%.63s failed: %s; nothing is deployed", p->name, why);
	deploying_undo(d);
	if (d->rq)
		problem_reply_failed(
			d->rq, 409,
			"ebb logs and ebb events tell more; the revision before serves on",
			&errors);
	deploying_free(d);
}

/* ---- STAGE ---- */

/* The record of a part, or NULL after it failed. variant: it serves beside its service. */
static struct wire_service_put *record_of(struct deploying *d, const struct part *p, bool variant)
{
	const struct image *image = images_by_digest(d->api->images, p->rev.digest);
	struct problem_list errors = {0};
	struct wire_service_put *put = NULL;
	struct answer answer = {.err = ENOENT, .text = "its image is not in the store any more"};

	if (image && !image->removing)
		put = service_record(d->api, p->name, &p->rev, image, &errors);
	if (put && errors.count == 0) {
		put->variant = variant ? p->rev.number : 0;
		return put;
	}
	if (errors.count > 0)
		answer = (struct answer){.err = EINVAL, .text = errors.items[0].message};
	service_record_free(put);
	(void)text_format(d->cause, sizeof(d->cause), "service '%s': %s", p->name, answer.text);
	return NULL;
}

static void ask(struct deploying *d, uint32_t type, void *record, size_t size, answer_fn done)
{
	calls_ask(d->api, &(struct call_ask){.peer = CALL_EBBD,
					     .type = type,
					     .record = record,
					     .size = size,
					     .done = done,
					     .ctx = d});
}

/* A host without a network for instances: those that do not ask for one go on without. */
static bool goes_on_without(struct deploying *d, struct part *p, const struct answer *answer)
{
	char path[96];

	if (answer->err != ENETDOWN || !p->egress_unsaid)
		return false;
	(void)text_format(path, sizeof(path), "services.%.63s.ebb.egress", p->name);
	problem_add(&d->warnings, path, "it has no network (%s)", answer->text ? answer->text : "");
	p->egress_unsaid = false;
	p->rev.spec.egress.mode = WIRE_EGRESS_NONE;
	return services_save_kept(d->api->services, p->name, &p->rev) == 0;
}

static void on_staged(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	struct deploying *d = ctx;
	struct part *p = &d->parts[d->at];

	(void)rq;
	if (answer->err && !goes_on_without(d, p, answer)) {
		fail(d, answer, "apply the services");
		return;
	}
	p->told = answer->err == 0;
	d->at += p->told;
	stage(d);
}

static void stage(struct deploying *d)
{
	while (d->at < d->count && d->parts[d->at].kind == PART_SAME)
		d->at++;
	if (d->at < d->count) {
		const struct part *p = &d->parts[d->at];
		SCOPED_RECORD *put = record_of(d, p, p->kind != PART_CREATED);

		if (put)
			ask(d, WIRE_SERVICE_PUT, put, sizeof(*put), on_staged);
		else
			fail(d, &(struct answer){.err = EINVAL, .text = d->cause}, "deploy");
		return;
	}
	d->at = 0;
	prove(d);
}

/* ---- PROVE ---- */

static bool all_proven(const struct deploying *d)
{
	for (size_t i = 0; i < d->count; i++)
		if (is_new(&d->parts[i]) && !d->parts[i].proven)
			return false;
	return true;
}

static void go_on_if_proven(struct deploying *d)
{
	if (d->at < d->count || !all_proven(d))
		return;
	loop_timer_off(d->api->loop, &d->timer);
	show(d);
}

static void on_proof_late(struct timer *t)
{
	struct deploying *d = container_of(t, struct deploying, timer);

	for (size_t i = 0; i < d->count; i++)
		if (is_new(&d->parts[i]) && !d->parts[i].proven) {
			fail_start(d, &d->parts[i], "no instance of it was ready in time");
			return;
		}
}

static void on_start_asked(struct api *api, struct request *rq, void *ctx,
			   const struct answer *answer)
{
	struct deploying *d = ctx;

	(void)api;
	(void)rq;
	if (answer->err) {
		fail(d, answer, "start the services");
		return;
	}
	d->at++;
	prove(d);
}

/* A service that has served until now must not get a revision that cannot start. A service of which
 * nobody knew starts when it is asked, as after any deployment: a file of many would not fit a
 * small host otherwise. */
static bool needs_proof(const struct deploying *d, const struct part *p)
{
	return d->prove && p->kind == PART_CHANGED;
}

/* Asks for an instance of each revision that needs proof; events say how that ended. */
static void prove(struct deploying *d)
{
	struct wire_service_start start = {0};
	uint64_t longest_ms = 0;

	while (d->at < d->count && !needs_proof(d, &d->parts[d->at]))
		d->parts[d->at++].proven = true;
	if (d->at < d->count) {
		const struct part *p = &d->parts[d->at];

		start.variant = p->rev.number;
		must(text_copy(start.name, sizeof(start.name), p->name) == 0);
		ask(d, WIRE_SERVICE_START, &start, sizeof(start), on_start_asked);
		return;
	}
	for (size_t i = 0; i < d->count; i++)
		if (d->parts[i].rev.spec.init_timeout_ms > longest_ms)
			longest_ms = d->parts[i].rev.spec.init_timeout_ms;
	d->timer.on_due = on_proof_late;
	d->timer.name = "deployment";
	if (loop_timer_at(d->api->loop, &d->timer,
			  clock_mono_ns() + (longest_ms + PROOF_SLACK_MS) * NS_PER_MS) < 0)
		on_proof_late(&d->timer);
	else
		go_on_if_proven(d);
}

static struct part *part_of(struct deploying *d, const struct wire_event *event)
{
	for (size_t i = 0; i < d->count; i++) {
		struct part *p = &d->parts[i];

		if (is_new(p) && p->told && p->rev.number == event->revision &&
		    strcmp(p->name, event->service) == 0)
			return p;
	}
	return NULL;
}

void deploying_hear(struct api *api, const struct wire_event *event)
{
	for (size_t i = 0; i < DEPLOYING_MAX; i++) {
		struct deploying *d = api->deploys.list[i];
		struct part *p = d && !all_proven(d) ? part_of(d, event) : NULL;

		if (!p)
			continue;
		if (event->kind == WIRE_EVENT_INSTANCE_READY) {
			p->proven = true;
			go_on_if_proven(d);
		} else if (event->kind == WIRE_EVENT_INSTANCE_FAILED && event->unready &&
			   d->at == d->count) {
			fail_start(d, p, event->text);
		}
	}
}

/* ---- SHOW ---- */

static int put_site(struct deploying *d, struct site **site, answer_fn done)
{
	SCOPED_FD fd = sites_table_file(d->api->sites, *site);
	struct wire_site record = (*site)->record;
	int r = fd < 0 ? fd : sites_keep(d->api->sites, *site);

	if (r < 0)
		return r;
	*site = NULL; /* the store has it */
	calls_ask(d->api, &(struct call_ask){.peer = CALL_EBBD,
					     .type = WIRE_SITE_PUT,
					     .record = &record,
					     .size = sizeof(record),
					     .fd = fd,
					     .has_fd = true,
					     .done = done,
					     .ctx = d});
	return 0;
}

static struct deployment *note(struct deploying *d, struct deployed *all)
{
	struct deployment *one = deployed_find(all, d->id);

	if (!one) {
		must(all->count < ARRAY_LEN(all->list));
		one = &all->list[all->count++];
		*one = (struct deployment){.created_us = clock_real_us()};
		(void)text_copy(one->id, sizeof(one->id), d->id);
		all->age_us = d->age_us;
		all->next++;
	}
	one->count = d->count;
	for (size_t i = 0; i < d->count; i++) {
		memcpy(one->parts[i].service, d->parts[i].name, SERVICE_NAME_SIZE);
		one->parts[i].revision = d->parts[i].rev.number;
	}
	return one;
}

/* One that is not promoted ends here: its revisions are kept. */
static int keep_parts(struct deploying *d)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->count; i++) {
		struct part *p = &d->parts[i];

		if (!p->held)
			continue;
		r = p->kind == PART_CREATED ? services_commit(d->api->services, p->name, &p->rev)
					    : services_keep(d->api->services, p->name, &p->rev);
		p->held = r < 0;
		schedules_say(d->api, p->name);
	}
	return r;
}

static void on_shown(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	struct deploying *d = ctx;
	struct deployed *all = deployments_of(api->deployments, d->site);
	int r;

	(void)rq;
	if (answer->err) {
		fail(d, answer, "show the deployment");
		return;
	}
	must(all);
	(void)note(d, all);
	if (d->promote)
		(void)text_copy(all->switching, sizeof(all->switching), d->id);
	r = deployments_save(api->deployments, all);
	if (r == 0 && !d->promote)
		r = keep_parts(d);
	if (r < 0) {
		all->switching[0] = '\0';
		fail(d, &(struct answer){.err = -r, .text = strerror(-r)}, "keep the deployment");
		return;
	}
	d->at = 0;
	if (d->promote)
		change_places(d);
	else
		finish(d);
}

static void show(struct deploying *d)
{
	struct answer ok = {0};
	int r;

	if (!d->deployment) {
		on_shown(d->api, NULL, d, &ok);
		return;
	}
	r = put_site(d, &d->deployment, on_shown);
	if (r < 0)
		fail(d, &(struct answer){.err = -r, .text = strerror(-r)}, "keep the rules");
}

/* ---- SWITCH ---- */

static void on_changed_places(struct api *api, struct request *rq, void *ctx,
			      const struct answer *answer)
{
	struct deploying *d = ctx;
	struct part *p = &d->parts[d->at];
	int r;

	(void)rq;
	r = is_new(p) ? services_commit(api->services, p->name, &p->rev)
		      : services_go_back(api->services, p->name, &p->rev);
	p->held = false;
	schedules_say(api, p->name);
	if (answer->err || r < 0) {
		d->err = answer->err ? answer->err : -r;
		(void)text_format(d->cause, sizeof(d->cause), "service '%s': %s", p->name,
				  answer->err && answer->text ? answer->text : strerror(d->err));
		log_error("event=service_not_switched service=%s errno=%d", p->name, d->err);
	}
	d->at++;
	change_places(d);
}

static void on_switched(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	struct deploying *d = ctx;

	(void)api;
	(void)rq;
	if (answer->err && !d->err) {
		d->err = answer->err;
		(void)text_copy(d->cause, sizeof(d->cause), answer->text ? answer->text : "");
	}
	finish(d);
}

static void change_places(struct deploying *d)
{
	static const struct answer ok;
	int r;

	while (d->at < d->count && d->parts[d->at].kind == PART_SAME)
		d->at++;
	if (d->at < d->count) {
		const struct part *p = &d->parts[d->at];
		SCOPED_RECORD *put = p->kind == PART_CREATED ? NULL : record_of(d, p, false);

		if (put)
			ask(d, WIRE_SERVICE_PUT, put, sizeof(*put), on_changed_places);
		else
			on_changed_places(d->api, NULL, d, &ok);
		return;
	}
	r = d->itself ? put_site(d, &d->itself, on_switched) : 0;
	if (r < 0)
		on_switched(d->api, NULL, d, &(struct answer){.err = -r, .text = strerror(-r)});
}

/* ---- the end ---- */

static void note_switch(struct deploying *d, struct deployed *all)
{
	struct deployment *before = deployed_find(all, all->current);
	uint64_t now_us = clock_real_us();

	if (before && strcmp(before->id, d->id) != 0)
		before->left_us = now_us;
	deployed_find(all, d->id)->promoted_us = now_us;
	deployed_find(all, d->id)->left_us = 0;
	(void)text_copy(all->current, sizeof(all->current), d->id);
	all->switching[0] = '\0';
}

static void finish(struct deploying *d)
{
	struct deployed *all = deployments_of(d->api->deployments, d->site);
	int r = 0;

	must(all);
	if (d->promote && d->err == 0) {
		note_switch(d, all);
		r = deployments_save(d->api->deployments, all);
	}
	if (d->err == 0)
		deploying_tidy(d, all);
	if (d->rq && d->err)
		problem_reply(d->rq, 500, "deploy again: a start of ebb-api goes on with it, too",
			      "the deployment is not switched whole: %s", d->cause);
	else if (d->rq && r < 0)
		problem_reply(d->rq, 507, "make room in the state directory and deploy again",
			      "the deployment serves, but cannot be saved: %s", strerror(-r));
	else if (d->rq)
		d->reply(d, false, false);
	deploying_free(d);
}

/* ---- the beginning ---- */

/* Marks every service as changing, with its new revision on disk. */
static int hold(struct deploying *d)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->count; i++) {
		struct part *p = &d->parts[i];
		uint32_t number = p->rev.number;

		if (p->kind == PART_SAME)
			continue;
		r = is_new(p) ? services_prepare(d->api->services, p->name, &p->rev)
			      : services_hold(d->api->services, p->name);
		p->held = r == 0;
		must(r < 0 || p->rev.number == number);
		if (r < 0)
			(void)text_format(d->cause, sizeof(d->cause), "service '%s': %s", p->name,
					  r == -EBUSY ? "another change of it is under way"
						      : strerror(-r));
	}
	return r;
}

void deploying_run(struct deploying *d)
{
	struct deploys *all = &d->api->deploys;
	int r = deployments_make(d->api->deployments, d->site) ? hold(d) : -EMFILE;

	if (r < 0) {
		if (!d->cause[0])
			(void)text_copy(d->cause, sizeof(d->cause), strerror(-r));
		problem_reply(d->rq, r == -EBUSY ? 409 : 507, "try again in a moment",
			      "nothing is deployed: %s", d->cause);
		deploying_undo(d);
		deploying_free(d);
		return;
	}
	for (size_t i = 0; i < DEPLOYING_MAX; i++)
		if (!all->list[i]) {
			all->list[i] = d;
			break;
		}
	d->prove = !d->api->drain.on;
	stage(d);
}
