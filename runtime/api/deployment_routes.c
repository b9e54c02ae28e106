// SPDX-License-Identifier: Apache-2.0
/* Deployments: made, listed, promoted, removed. */
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/deploying.h"
#include "runtime/api/handlers.h"
#include "runtime/api/known.h"
#include "runtime/api/request.h"
#include "runtime/api/sites.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define BODY_DEPTH_MAX 4

static void write_time(struct json_out *o, const char *key, uint64_t when_us)
{
	char text[28];

	json_out_string(o, key, when_us ? clock_rfc3339(when_us, text) : NULL);
}

static void write_one(struct json_out *o, const struct deployed *all, const struct deployment *one)
{
	uint64_t until_us = deployed_until_us(all, one);

	json_out_object(o, NULL);
	json_out_string(o, "site", all->site);
	json_out_string(o, "id", one->id);
	json_out_bool(o, "current", strcmp(all->current, one->id) == 0);
	write_time(o, "created_at", one->created_us);
	write_time(o, "promoted_at", one->promoted_us);
	write_time(o, "kept_for_clients_until", until_us == UINT64_MAX ? 0 : until_us);
	json_out_array(o, "services");
	for (size_t i = 0; i < one->count; i++) {
		json_out_object(o, NULL);
		json_out_string(o, "name", one->parts[i].service);
		json_out_u64(o, "revision", one->parts[i].revision);
		json_out_end_object(o);
	}
	json_out_end_array(o);
	json_out_end_object(o);
}

static void write_site(struct json_out *o, const struct deployed *all)
{
	for (size_t i = all->count; i-- > 0;)
		write_one(o, all, &all->list[i]);
}

void get_deployments(struct request *rq)
{
	const struct deployment_store *store = rq->api->deployments;
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_array(&o, "deployments");
	for (size_t i = 0; i < deployments_count(store); i++)
		write_site(&o, deployments_at(store, i));
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

static struct deployed *site_or_404(struct request *rq)
{
	struct deployed *all = deployments_of(rq->api->deployments, rq->arg);

	if (all && all->count > 0)
		return all;
	problem_reply(rq, 404, "GET /v1/deployments lists them", "site '%.64s' has no deployment",
		      rq->arg);
	return NULL;
}

void get_deployments_of(struct request *rq)
{
	const struct deployed *all = site_or_404(rq);
	struct json_out o;

	if (!all)
		return;
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_array(&o, "deployments");
	write_site(&o, all);
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

/* ---- a change ---- */

static void write_part(struct json_out *o, const struct part *p, bool dry_run)
{
	static const char *const changes[PART_KINDS] = {[PART_SAME] = "unchanged",
							[PART_KEPT] = "kept",
							[PART_CHANGED] = "updated",
							[PART_CREATED] = "created"};
	char etag[ETAG_SIZE];

	revision_etag(&p->rev, etag);
	json_out_object(o, NULL);
	revision_write(o, p->name, &p->rev, SPEC_SHOWN);
	json_out_string(o, "etag", etag);
	json_out_string(o, "change", changes[p->kind]);
	json_out_bool(o, "dry_run", dry_run);
	json_out_array(o, "warnings");
	json_out_end_array(o);
	json_out_end_object(o);
}

static void reply(struct deploying *d, bool dry_run, bool unchanged)
{
	const struct deployed *all = deployments_of(d->api->deployments, d->site);
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "site", d->site);
	json_out_string(&o, "id", unchanged ? all->current : d->id);
	json_out_string(&o, "change", unchanged ? "unchanged" : d->again ? "again" : "created");
	json_out_bool(&o, "current", unchanged || d->promote);
	json_out_bool(&o, "dry_run", dry_run);
	json_out_array(&o, "services");
	for (size_t i = 0; i < d->count; i++)
		write_part(&o, &d->parts[i], dry_run);
	json_out_end_array(&o);
	json_out_array(&o, "warnings");
	for (size_t i = 0; i < d->warnings.count && i < PROBLEM_ITEMS_MAX; i++) {
		char text[420];

		(void)text_format(text, sizeof(text), "%s: %s", d->warnings.items[i].path,
				  d->warnings.items[i].message);
		json_out_string(&o, NULL, text);
	}
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(d->rq, unchanged || dry_run || d->again ? 200 : 201, NULL, &o);
}

/* NULL after having answered. */
static struct deploying *begin(struct request *rq)
{
	struct deploying *d;

	if (!api_ready_or_503(rq))
		return NULL;
	if (deploying_busy(rq->api, rq->arg)) {
		problem_reply(rq, 409, "try again in a moment",
			      "another deployment of site '%.64s' is under way", rq->arg);
		return NULL;
	}
	d = deploying_new(rq, rq->arg, reply);
	if (!d)
		problem_reply(rq, 503, NULL, "out of memory");
	return d;
}

void post_deployment(struct request *rq)
{
	struct deploying *d = begin(rq);
	bool same;

	if (!d)
		return;
	if (!deploying_read(d)) {
		deploying_free(d);
		return;
	}
	same = d->promote && deploying_is_same(d);
	if (!same && !request_flag(rq, "dryRun")) {
		deploying_run(d);
		return;
	}
	reply(d, request_flag(rq, "dryRun"), same);
	deploying_free(d);
}

/* The one that the body names, or the one before the current one. NULL after having answered. */
static const struct deployment *wanted(struct request *rq, struct deployed *all)
{
	struct json *body = NULL;
	const struct deployment *found = NULL;
	char why[200], id[DEPLOYMENT_ID_SIZE] = "";

	if (rq->body_size > 0 &&
	    json_parse(rq->body, rq->body_size, BODY_DEPTH_MAX, &body, why, sizeof(why)) < 0) {
		problem_reply(rq, 400, "send {\"id\": ID} or nothing", "the body is not JSON: %s",
			      why);
		return NULL;
	}
	if (json_string(json_get(body, "id")))
		(void)text_format(id, sizeof(id), "%.32s", json_string(json_get(body, "id")));
	json_free(body);
	found = *id ? deployed_find(all, id) : deployed_before(all);
	if (!found)
		problem_reply(rq, 409, "ebb deployments shows those that are kept",
			      *id ? "site '%s' has no deployment '%s'"
				  : "site '%s' has no deployment before the current one%s",
			      all->site, id);
	return found;
}

void post_promotion(struct request *rq)
{
	struct deployed *all = site_or_404(rq);
	const struct deployment *one = all ? wanted(rq, all) : NULL;
	struct deploying *d = one ? begin(rq) : NULL;

	if (!d)
		return;
	if (!deploying_take(d, one)) {
		deploying_free(d);
		return;
	}
	if (!request_flag(rq, "dryRun")) {
		deploying_run(d);
		return;
	}
	reply(d, true, false);
	deploying_free(d);
}

void delete_deployments(struct request *rq)
{
	struct deployed *all = deployments_of(rq->api->deployments, rq->arg);
	int r;

	if (!api_ready_or_503(rq))
		return;
	if (deploying_busy(rq->api, rq->arg)) {
		problem_reply(rq, 409, "try again in a moment",
			      "a deployment of site '%.64s' is under way", rq->arg);
		return;
	}
	if (!all) {
		(void)site_or_404(rq);
		return;
	}
	r = deployments_end(rq->api, all);
	if (r < 0)
		problem_reply(rq, 507, "look after the state directory, then remove it again",
			      "site '%.64s' stays: %s", rq->arg, strerror(-r));
	else
		reply_empty(rq);
}
