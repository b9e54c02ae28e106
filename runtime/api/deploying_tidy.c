// SPDX-License-Identifier: Apache-2.0
/* Deployments: things that go behind one, or behind one that failed; words that a start says again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/calls.h"
#include "runtime/api/deploying.h"
#include "runtime/api/images.h"
#include "runtime/api/service_record.h"
#include "runtime/api/sites.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

/* ENOENT: ebbd does not have it, as is wanted. EPIPE: it is gone, and so are we in a moment. */
static void on_told(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	(void)api;
	(void)rq;
	if (answer->err && answer->err != ENOENT && answer->err != EPIPE)
		log_error("event=deployment_not_tidied what=%s errno=%d", (const char *)ctx,
			  answer->err);
}

static void drop_revision(struct api *api, const char *name, uint32_t variant)
{
	static char what[] = "revision";
	struct wire_service_del del = {.variant = variant};

	must(text_copy(del.name, sizeof(del.name), name) == 0);
	calls_ask(api, &(struct call_ask){.peer = CALL_EBBD,
					  .type = WIRE_SERVICE_DEL,
					  .record = &del,
					  .size = sizeof(del),
					  .done = on_told,
					  .ctx = what});
}

static void drop_site(struct api *api, const char *name)
{
	static char what[] = "site";
	struct wire_site_del del = {0};

	if (!sites_find(api->sites, name) || sites_remove(api->sites, name) < 0)
		return;
	must(text_copy(del.name, sizeof(del.name), name) == 0);
	calls_ask(api, &(struct call_ask){.peer = CALL_EBBD,
					  .type = WIRE_SITE_DEL,
					  .record = &del,
					  .size = sizeof(del),
					  .done = on_told,
					  .ctx = what});
}

static void name_of(char *out, size_t size, const char *site, const char *id)
{
	(void)text_format(out, size, "%s-%s", site, id);
}

void deploying_undo(struct deploying *d)
{
	struct deployed *all = deployments_of(d->api->deployments, d->site);
	struct deployment *one = all ? deployed_find(all, d->id) : NULL;
	char name[SERVICE_NAME_SIZE + DEPLOYMENT_ID_SIZE];

	for (size_t i = 0; i < d->count; i++) {
		struct part *p = &d->parts[i];
		bool is_new = p->kind == PART_CHANGED || p->kind == PART_CREATED;

		if (is_new && p->told)
			drop_revision(d->api, p->name, p->kind == PART_CREATED ? 0 : p->rev.number);
		if (!p->held)
			continue;
		if (is_new)
			services_drop(d->api->services, p->name, &p->rev);
		else
			services_release(d->api->services, p->name);
		p->held = false;
	}
	if (d->again)
		return;
	name_of(name, sizeof(name), d->site, d->id);
	drop_site(d->api, name);
	if (one)
		deployed_drop(all, one);
}

/* ---- behind a deployment ---- */

/* A revision that no kept deployment has, and that gets no share, serves no more. */
static void drop_if_unused(struct api *api, const char *name, uint32_t revision)
{
	const struct service *s = services_find(api->services, name);

	if (!s || !revision || revision == s->current.number ||
	    deployments_have(api->deployments, name, revision))
		return;
	for (size_t i = 0; i < s->traffic.count; i++)
		if (s->traffic.shares[i].revision == revision)
			return;
	drop_revision(api, name, revision);
}

/* The new revision gets all requests. */
static void end_traffic(struct api *api, const char *name)
{
	struct service *s = services_find(api->services, name);
	struct traffic before;

	if (!s || s->traffic.count == 0)
		return;
	before = s->traffic;
	s->traffic = (struct traffic){0};
	if (services_save_traffic(api->services, s) < 0)
		log_error("event=traffic_not_saved service=%s", name);
	for (size_t i = 0; i < before.count; i++)
		if (before.shares[i].revision != s->current.number)
			drop_revision(api, name, before.shares[i].revision);
}

static void drop_deployment(struct api *api, struct deployed *all, struct deployment *one)
{
	struct deployment gone = *one;
	char name[SERVICE_NAME_SIZE + DEPLOYMENT_ID_SIZE];

	deployed_drop(all, one);
	if (deployments_save(api->deployments, all) < 0)
		log_error("event=deployments_not_saved site=%s", all->site);
	name_of(name, sizeof(name), all->site, gone.id);
	drop_site(api, name);
	for (size_t i = 0; i < gone.count; i++)
		drop_if_unused(api, gone.parts[i].service, gone.parts[i].revision);
}

void deploying_tidy(struct deploying *d, struct deployed *all)
{
	char name[SERVICE_NAME_SIZE + DEPLOYMENT_ID_SIZE];
	struct deployment *oldest;

	for (size_t i = 0; d->promote && i < d->count; i++) {
		const struct part *p = &d->parts[i];

		if (p->kind == PART_SAME)
			continue;
		end_traffic(d->api, p->name);
		drop_if_unused(d->api, p->name, p->before);
	}
	while (all->count > DEPLOYMENTS_KEPT && (oldest = deployed_oldest(all)))
		drop_deployment(d->api, all, oldest);
	/* Until when clients may ask for each has changed. */
	for (size_t i = 0; i < all->count; i++) {
		name_of(name, sizeof(name), all->site, all->list[i].id);
		if (sites_find(d->api->sites, name))
			sites_tell(d->api, sites_find(d->api->sites, name));
	}
}

/* ---- a start ---- */

static void go_on(struct api *api, const struct deployment_part *part)
{
	const struct service *s = services_find(api->services, part->service);
	struct revision rev;
	int r;

	if (s && s->current.number == part->revision)
		return;
	r = services_load_revision(api->services, part->service, part->revision, &rev);
	if (r == 0)
		r = s ? services_go_back(api->services, part->service, &rev)
		      : services_revive(api->services, part->service, &rev);
	if (r < 0)
		log_error("event=service_not_switched service=%s errno=%d", part->service, -r);
}

/* The rules of a deployment become those of its site. */
static int take_rules(struct api *api, const struct deployed *all, const struct deployment *one)
{
	char name[SERVICE_NAME_SIZE + DEPLOYMENT_ID_SIZE];
	const struct site *kept;

	name_of(name, sizeof(name), all->site, one->id);
	kept = sites_find(api->sites, name);
	return kept ? sites_copy(api, kept, all->site) : -ENOENT;
}

void deployments_go_on(struct api *api)
{
	for (size_t i = 0; i < deployments_count(api->deployments); i++) {
		struct deployed *all = deployments_at(api->deployments, i);
		struct deployment *one = deployed_find(all, all->switching);
		int r;

		if (!one)
			continue;
		log_info("event=deployment_goes_on site=%s id=%s", all->site, one->id);
		for (size_t p = 0; p < one->count; p++)
			go_on(api, &one->parts[p]);
		r = take_rules(api, all, one);
		if (r < 0)
			log_error("event=rules_not_switched site=%s errno=%d", all->site, -r);
		(void)text_copy(all->current, sizeof(all->current), one->id);
		all->switching[0] = '\0';
		one->promoted_us = one->created_us;
		if (deployments_save(api->deployments, all) < 0)
			log_error("event=deployments_not_saved site=%s", all->site);
	}
}

struct resending {
	size_t site, deployment, part;
	void (*done)(struct api *api);
};

static bool resend_next(struct api *api, struct resending *at);

static void on_resent(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	struct resending *at = ctx;

	(void)rq;
	if (answer->err == EPIPE) {
		free(at);
		return; /* ebbd is gone, and so are we in a moment */
	}
	if (answer->err)
		log_error("event=deployment_not_applied errno=%d", answer->err);
	while (!resend_next(api, at))
		;
}

/* Whether the current deployment has this revision. Where the service has another one by now, it
 * was put by itself since, and serves on its site, whose table still names the revision of before.
 */
static bool is_replaced(const struct deployed *all, const struct deployment_part *part)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct deployment *one = &all->list[i];

		for (size_t n = 0; strcmp(one->id, all->current) == 0 && n < one->count; n++)
			if (one->parts[n].revision == part->revision &&
			    strcmp(one->parts[n].service, part->service) == 0)
				return true;
	}
	return false;
}

/* Asks for one revision that is not the current one. False: there was nothing to ask. */
static bool resend_part(struct api *api, const struct deployment_part *part, struct resending *at)
{
	const struct service *s = services_find(api->services, part->service);
	struct problem_list errors = {0};
	const struct image *image;
	SCOPED_RECORD *put = NULL;
	struct revision rev;

	if (!s || s->current.number == part->revision)
		return false;
	for (size_t i = 0; i < s->traffic.count; i++)
		if (s->traffic.shares[i].revision == part->revision)
			return false;
	if (services_load_revision(api->services, part->service, part->revision, &rev) < 0)
		return false;
	image = images_by_digest(api->images, rev.digest);
	put = image && !image->removing ? service_record(api, part->service, &rev, image, &errors)
					: NULL;
	if (!put || errors.count > 0)
		return false;
	put->variant = part->revision;
	calls_ask(api, &(struct call_ask){.peer = CALL_EBBD,
					  .type = WIRE_SERVICE_PUT,
					  .record = put,
					  .size = sizeof(*put),
					  .done = on_resent,
					  .ctx = at});
	return true;
}

/* True: it waits for an answer, or it is over. */
static bool resend_next(struct api *api, struct resending *at)
{
	const struct deployed *all;
	void (*done)(struct api * api) = at->done;

	if (at->site == deployments_count(api->deployments)) {
		free(at);
		done(api);
		return true;
	}
	all = deployments_at(api->deployments, at->site);
	if (at->deployment == all->count) {
		at->site++;
		at->deployment = at->part = 0;
	} else if (at->part == all->list[at->deployment].count) {
		at->deployment++;
		at->part = 0;
	} else {
		const struct deployment_part *part = &all->list[at->deployment].parts[at->part++];

		return !is_replaced(all, part) && resend_part(api, part, at);
	}
	return false;
}

void deployments_resend(struct api *api, void (*done)(struct api *api))
{
	struct resending *at = calloc(1, sizeof(*at));

	if (!at) {
		log_error("event=deployment_not_applied errno=%d", ENOMEM);
		done(api);
		return;
	}
	at->done = done;
	while (!resend_next(api, at))
		;
}

int deployments_end(struct api *api, struct deployed *all)
{
	char name[SERVICE_NAME_SIZE];
	int r;

	memcpy(name, all->site, sizeof(name));
	while (all->count > 0)
		drop_deployment(api, all, &all->list[0]);
	r = deployments_remove(api->deployments, all);
	if (r == 0)
		drop_site(api, name);
	return r;
}
