// SPDX-License-Identifier: Apache-2.0
/* Sites: put, listed, removed. */
#include <errno.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/calls.h"
#include "runtime/api/handlers.h"
#include "runtime/api/known.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/services.h"
#include "runtime/api/sites.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define DOCUMENT_DEPTH_MAX 16

static void write_site(struct json_out *o, const struct site *site)
{
	json_out_object(o, NULL);
	json_out_string(o, "name", site->record.name);
	json_out_u64(o, "rules", site->table->rule_count);
	json_out_u64(o, "bytes", site->table->size);
	json_out_value(o, "site", site->document);
	json_out_end_object(o);
}

void get_sites(struct request *rq)
{
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_array(&o, "sites");
	for (size_t i = 0; i < sites_count(rq->api->sites); i++)
		write_site(&o, sites_at(rq->api->sites, i));
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

static const struct site *site_or_404(struct request *rq)
{
	const struct site *site = sites_find(rq->api->sites, rq->arg);

	if (!site)
		problem_reply(rq, 404, "GET /v1/sites lists them", "there is no site '%.64s'",
			      rq->arg);
	return site;
}

void get_site(struct request *rq)
{
	const struct site *site = site_or_404(rq);
	struct json_out o;

	if (!site)
		return;
	json_out_init(&o);
	write_site(&o, site);
	reply_json(rq, 200, NULL, &o);
}

/* ---- put ---- */

static const char *service_with_host(struct services *services, const char *host)
{
	for (size_t i = 0; i < services_count(services); i++) {
		const struct service *s = services_at(services, i);

		for (uint32_t h = 0; s->current.number && h < s->current.spec.host_count; h++)
			if (strcmp(s->current.spec.hosts[h], host) == 0)
				return s->name;
	}
	return NULL;
}

void site_check_hosts(struct api *api, const struct site *site, struct problem_list *errors)
{
	const struct wire_site *r = &site->record;
	const struct site *other;

	for (uint32_t i = 0; i < r->host_count; i++) {
		const char *service = service_with_host(api->services, r->hosts[i]);
		char path[32];

		(void)text_format(path, sizeof(path), "hosts[%u]", i);
		other = sites_with_host(api->sites, r->hosts[i], r->name);
		if (other)
			problem_add(errors, path, "\"%s\" is a host of site '%s'", r->hosts[i],
				    other->record.name);
		if (service)
			problem_add(errors, path, "\"%s\" is a host of service '%s'", r->hosts[i],
				    service);
	}
	other = r->host_count || site->table->passes ? NULL
						     : sites_of_the_rest(api->sites, r->name);
	if (other)
		problem_add(errors, "hosts",
			    "missing: site '%s' has the hosts that nobody names; this one needs "
			    "names of its own",
			    other->record.name);
}

static struct site *read_site(struct request *rq, struct problem_list *warnings)
{
	struct problem_list errors = {0};
	struct json *document = NULL;
	struct site *site = NULL;
	char err[200];
	int r;

	if (json_parse(rq->body, rq->body_size, DOCUMENT_DEPTH_MAX, &document, err, sizeof(err)) <
		    0 ||
	    json_kind(document) != JSON_OBJECT) {
		problem_reply(rq, 400, "send the site as one JSON object",
			      "the body is not a JSON object: %s",
			      document ? "another value" : err);
		json_free(document);
		return NULL;
	}
	r = site_make(rq->arg, document, &site, &errors, warnings);
	if (r == 0)
		site_check_hosts(rq->api, site, &errors);
	if (r == -ENOMEM)
		problem_reply(rq, 503, NULL, "out of memory");
	else if (errors.count > 0)
		problem_reply_list(rq, &errors);
	if (errors.count > 0 || r < 0) {
		if (r == 0)
			site_free(site);
		return NULL;
	}
	return site;
}

static void reply_put(struct request *rq, int status, const struct site *site,
		      const struct problem_list *warnings, bool dry_run)
{
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "name", site->record.name);
	json_out_u64(&o, "rules", site->table->rule_count);
	json_out_u64(&o, "bytes", site->table->size);
	json_out_bool(&o, "dry_run", dry_run);
	json_out_array(&o, "warnings");
	for (size_t i = 0; i < warnings->count && i < PROBLEM_ITEMS_MAX; i++) {
		char text[420];

		(void)text_format(text, sizeof(text), "%s: %s", warnings->items[i].path,
				  warnings->items[i].message);
		json_out_string(&o, NULL, text);
	}
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, status, NULL, &o);
}

/* For an answer that comes later. */
struct putting {
	char name[SERVICE_NAME_SIZE];
	bool created;
	struct problem_list warnings;
};

static void on_put(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	struct putting *p = ctx;
	const struct site *site = sites_find(api->sites, p->name);

	if (rq && answer->err)
		problem_reply_answer(rq, "apply the site", answer);
	else if (rq && !site)
		problem_reply(rq, 409, NULL, "site '%s' was removed meanwhile", p->name);
	else if (rq)
		reply_put(rq, p->created ? 201 : 200, site, &p->warnings, false);
	free(p);
}

/* Keeps the site and tells ebbd. */
static void apply(struct request *rq, struct site *site, struct putting *p)
{
	SCOPED_FD fd = sites_table_file(rq->api->sites, site);
	struct wire_site record = site->record;
	int r = fd < 0 ? fd : sites_keep(rq->api->sites, site);

	if (r < 0) {
		site_free(site);
		free(p);
		problem_reply(rq, 507,
			      r == -EMFILE ? "remove sites" : "look after the state directory",
			      "the site cannot be kept: %s",
			      r == -EMFILE ? "there are as many as may be (32)" : strerror(-r));
		return;
	}
	calls_ask(rq->api, &(struct call_ask){.peer = CALL_EBBD,
					      .type = WIRE_SITE_PUT,
					      .record = &record,
					      .size = sizeof(record),
					      .fd = fd,
					      .has_fd = true,
					      .rq = rq,
					      .done = on_put,
					      .ctx = p});
}

void put_site(struct request *rq)
{
	struct putting *p = calloc(1, sizeof(*p));
	struct site *site;

	if (!p || !api_ready_or_503(rq)) {
		if (!p)
			problem_reply(rq, 503, NULL, "out of memory");
		free(p);
		return;
	}
	site = read_site(rq, &p->warnings);
	if (!site) {
		free(p);
		return;
	}
	(void)text_copy(p->name, sizeof(p->name), site->record.name);
	p->created = !sites_find(rq->api->sites, p->name);
	if (request_flag(rq, "dryRun")) {
		reply_put(rq, 200, site, &p->warnings, true);
		site_free(site);
		free(p);
		return;
	}
	apply(rq, site, p);
}

/* ---- delete ---- */

static void on_deleted(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	/* ENOENT: ebbd does not have the site, as is wanted. */
	if (rq && answer->err && answer->err != ENOENT)
		problem_reply_answer(rq, "remove the site", answer);
	else if (rq)
		reply_empty(rq);
}

void delete_site(struct request *rq)
{
	const struct site *site = site_or_404(rq);
	struct wire_site_del record = {0};
	int r;

	if (!site || !api_ready_or_503(rq))
		return;
	must(text_copy(record.name, sizeof(record.name), site->record.name) == 0);
	r = sites_remove(rq->api->sites, record.name);
	if (r < 0) {
		problem_reply(rq, 507, "look after the state directory, then remove it again",
			      "site '%s' stays as it is: %s", record.name, strerror(-r));
		return;
	}
	calls_ask(rq->api, &(struct call_ask){.peer = CALL_EBBD,
					      .type = WIRE_SITE_DEL,
					      .record = &record,
					      .size = sizeof(record),
					      .rq = rq,
					      .done = on_deleted});
}
