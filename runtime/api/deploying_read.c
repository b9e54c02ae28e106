// SPDX-License-Identifier: Apache-2.0
/* Deployments: the body of a request, or a kept deployment, becomes parts that are checked. */
#include <errno.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/deploying.h"
#include "runtime/api/images.h"
#include "runtime/api/request.h"
#include "runtime/api/schedules.h"
#include "runtime/api/secret_use.h"
#include "runtime/api/service_record.h"
#include "runtime/api/sites.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define DOCUMENT_DEPTH_MAX 20
#define AGE_SECONDS_USUAL  86400
#define AGE_SECONDS_MAX    (30 * 86400)

static const struct part *part_named(const struct deploying *d, const char *name)
{
	for (size_t i = 0; i < d->count; i++)
		if (strcmp(d->parts[i].name, name) == 0)
			return &d->parts[i];
	return NULL;
}

/* ---- one service ---- */

/* Adds the faults of a service under its name. */
static void add_under(struct problem_list *out, const char *name, const struct problem_list *list)
{
	for (size_t i = 0; i < list->count && i < PROBLEM_ITEMS_MAX; i++) {
		char path[sizeof(list->items[i].path)];

		(void)text_format(path, sizeof(path), "services.%.40s.%.40s", name,
				  list->items[i].path);
		problem_add(out, path, "%s", list->items[i].message);
	}
}

/* A dry run may come before the build. */
static void find_image(struct deploying *d, struct part *p, struct problem_list *errors,
		       struct problem_list *warnings)
{
	const struct image *image = images_resolve(d->api->images, p->rev.spec.image);

	if (image && !image->removing)
		memcpy(p->rev.digest, image->digest, DIGEST_SIZE);
	else if (errors->count == 0)
		problem_add(request_flag(d->rq, "dryRun") ? warnings : errors, "image",
			    "\"%s\" is not in the store", p->rev.spec.image);
}

static void read_part(struct deploying *d, const char *name, const struct json *document,
		      struct problem_list *errors)
{
	const struct service *s = services_find(d->api->services, name);
	struct part *p = &d->parts[d->count++];
	struct problem_list wrong = {0}, warnings = {0};

	if (!text_is_label(name) || text_copy(p->name, sizeof(p->name), name) < 0)
		problem_add(&wrong, "name", "it is not a name of a service ([a-z0-9-], ..63)");
	service_spec_read(document, s ? &s->current.spec : NULL, &p->rev.spec, &wrong, &warnings);
	p->egress_unsaid = json_kind(json_get(json_get(document, "ebb"), "egress")) == JSON_NULL;
	if (p->egress_unsaid)
		p->rev.spec.egress.mode = d->api->config.egress;
	secrets_pin(d->api, &p->rev.spec, &wrong);
	find_image(d, p, &wrong, &warnings);
	p->before = s ? s->current.number : 0;
	p->kind = !s                                                  ? PART_CREATED
		  : *s->error || !revision_same(&s->current, &p->rev) ? PART_CHANGED
								      : PART_SAME;
	add_under(errors, name, &wrong);
	add_under(&d->warnings, name, &warnings);
}

/* ---- numbers, and the bindings that have them ---- */

static bool is_new(const struct part *p)
{
	return p->kind == PART_CHANGED || p->kind == PART_CREATED;
}

/* The revision of a service in this deployment; 0: there is no such service. */
static uint32_t number_of(const struct deploying *d, const char *name)
{
	const struct part *p = part_named(d, name);
	const struct service *s = services_find(d->api->services, name);

	if (p && is_new(p))
		return services_next_number(d->api->services, name);
	if (p && p->kind == PART_KEPT)
		return p->rev.number;
	return s ? s->current.number : 0;
}

/* Whether a binding leads to another revision than it did. */
static bool binds_anew(const struct deploying *d, const struct part *p)
{
	const struct service *s = services_find(d->api->services, p->name);
	const struct service_spec *spec = p->kind == PART_KEPT ? &p->rev.spec : &s->current.spec;

	for (uint32_t i = 0; i < spec->binding_count; i++) {
		const struct spec_binding *b = &spec->bindings[i];

		if (strcmp(b->service, p->name) != 0 && b->revision != number_of(d, b->service))
			return true;
	}
	return false;
}

/* A service that calls one that changes has a new revision, too. */
static void spread_changes(struct deploying *d)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < d->count; i++) {
			struct part *p = &d->parts[i];

			if (is_new(p) || !binds_anew(d, p))
				continue;
			p->kind = PART_CHANGED;
			more = true;
		}
	}
}

static void pin_bindings(struct deploying *d, struct part *p, struct problem_list *errors)
{
	for (uint32_t i = 0; i < p->rev.spec.binding_count; i++) {
		struct spec_binding *b = &p->rev.spec.bindings[i];
		uint32_t number = number_of(d, b->service);
		char path[96];

		b->revision = strcmp(b->service, p->name) == 0 ? 0 : number;
		if (number || strcmp(b->service, p->name) == 0)
			continue;
		(void)text_format(path, sizeof(path), "services.%.40s.bindings[%u].service",
				  p->name, i);
		problem_add(errors, path,
			    "there is no service \"%s\"; deploy it first, or in this file",
			    b->service);
	}
}

/* Finds what a record of the service would be refused for. */
static void check_record(struct deploying *d, const struct part *p, struct problem_list *errors)
{
	const struct image *image = images_by_digest(d->api->images, p->rev.digest);
	struct problem_list wrong = {0};
	SCOPED_RECORD *put = image ? service_record(d->api, p->name, &p->rev, image, &wrong) : NULL;

	if (!image && request_flag(d->rq, "dryRun"))
		return;
	if (!put)
		problem_add(&wrong, "image", "it is not in the store any more");
	schedules_check(d->api, &p->rev.spec, &wrong);
	add_under(errors, p->name, &wrong);
}

static void number_parts(struct deploying *d, struct problem_list *errors)
{
	spread_changes(d);
	for (size_t i = 0; i < d->count; i++) {
		struct part *p = &d->parts[i];

		if (p->kind == PART_SAME) {
			p->rev = services_find(d->api->services, p->name)->current;
			continue;
		}
		if (!is_new(p))
			continue;
		pin_bindings(d, p, errors);
		p->rev.number = services_next_number(d->api->services, p->name);
		p->rev.created_us = clock_real_us();
		if (errors->count == 0)
			check_record(d, p, errors);
	}
}

/* ---- the rules ---- */

static void write_services(const struct deploying *d, const struct json *rules, struct json_out *o)
{
	const struct json *services = json_get(rules, "services");

	json_out_object(o, "services");
	for (size_t i = 0; i < d->count; i++) {
		const struct json *own = json_get(services, d->parts[i].name);

		json_out_object(o, d->parts[i].name);
		for (size_t n = 0; n < json_count(own); n++)
			if (strcmp(json_key_at(own, n), "revision") != 0)
				json_out_value(o, json_key_at(own, n), json_at(own, n));
		json_out_u64(o, "revision", d->parts[i].rev.number);
		json_out_end_object(o);
	}
	json_out_end_object(o);
}

/* The rules with the revisions; of the deployment, or of the site itself. */
static struct json *document_of(const struct deploying *d, const struct json *rules,
				bool deployment)
{
	/* The only service has what comes to the name of the deployment. */
	const char *only = json_string(json_get(rules, "only"));
	struct json *document = NULL;
	struct json_out o;
	char why[160];

	json_out_init(&o);
	json_out_object(&o, NULL);
	for (size_t i = 0; i < json_count(rules); i++) {
		const char *key = json_key_at(rules, i);

		if (strcmp(key, "services") != 0 && strcmp(key, "of") != 0 &&
		    !(only && (strcmp(key, "passes") == 0 || strcmp(key, "otherwise") == 0)))
			json_out_value(&o, key, json_at(rules, i));
	}
	if (deployment)
		json_out_string(&o, "of", d->site);
	if (only && deployment)
		json_out_string(&o, "otherwise", only);
	else if (only)
		json_out_bool(&o, "passes", true);
	write_services(d, rules, &o);
	json_out_end_object(&o);
	if (o.failed ||
	    json_parse(o.text, o.length, DOCUMENT_DEPTH_MAX, &document, why, sizeof(why)) < 0)
		document = NULL;
	json_out_fini(&o);
	return document;
}

/* Makes both sites of the rules. */
static void make_sites(struct deploying *d, const struct json *rules, struct problem_list *errors)
{
	struct problem_list again = {0}, warnings = {0};
	char name[SERVICE_NAME_SIZE];
	struct json *document = document_of(d, rules, false);

	if (!document || site_make(d->site, document, &d->itself, errors, &d->warnings) < 0) {
		d->itself = NULL;
		if (errors->count == 0)
			problem_add(errors, "rules", "they cannot be read");
		return;
	}
	site_check_hosts(d->api, d->itself, errors);
	document = document_of(d, rules, true);
	if (text_format(name, sizeof(name), "%s-%s", d->site, d->id) < 0)
		problem_add(errors, "id", "with the name of the site it is longer than 63 bytes");
	else if (services_find(d->api->services, name))
		problem_add(errors, "id", "there is a service with the name '%s'", name);
	else if (!document || site_make(name, document, &d->deployment, &again, &warnings) < 0)
		d->deployment = NULL;
	if (!d->deployment && errors->count == 0)
		problem_add(errors, "rules", "%s",
			    again.count ? again.items[0].message : "no memory");
}

/* ---- a body ---- */

static void read_id(struct deploying *d, const struct json *body, struct problem_list *errors)
{
	struct deployed *all = deployments_of(d->api->deployments, d->site);
	const char *id = json_string(json_get(body, "id"));

	if (!json_get(body, "id"))
		(void)text_format(d->id, sizeof(d->id), "%u", all ? all->next : 1);
	else if (!id || !text_is_label(id) || text_copy(d->id, sizeof(d->id), id) < 0)
		problem_add(errors, "id", "it is not one (a-z, 0-9 and - inside, ..32)");
	if (all && deployed_find(all, d->id))
		problem_add(errors, "id", "there is a deployment '%s' already", d->id);
}

static void read_age(struct deploying *d, const struct json *body, struct problem_list *errors)
{
	int64_t seconds = AGE_SECONDS_USUAL;

	if (json_get(body, "age") && (json_int(json_get(body, "age"), &seconds) < 0 ||
				      seconds < 0 || seconds > AGE_SECONDS_MAX))
		problem_add(errors, "age", "it is not a number of seconds (0..%d)",
			    AGE_SECONDS_MAX);
	else
		d->age_us = (uint64_t)seconds * US_PER_SEC;
}

static void read_body(struct deploying *d, const struct json *body, struct problem_list *errors)
{
	const struct json *services = json_get(body, "services");
	const struct json *rules = json_get(body, "rules");

	if (!text_is_label(d->site))
		problem_add(errors, "site", "it is not a name of a site (a-z, 0-9 and -, ..63)");
	if (json_kind(services) != JSON_OBJECT || json_count(services) == 0 ||
	    json_count(services) > DEPLOYMENT_PARTS) {
		problem_add(errors, "services", "they are not an object of 1..%d services",
			    (int)DEPLOYMENT_PARTS);
		return;
	}
	if (rules && json_kind(rules) != JSON_OBJECT)
		problem_add(errors, "rules", "they are not an object");
	d->promote = !json_get(body, "promote") || json_is_true(json_get(body, "promote"));
	read_id(d, body, errors);
	for (size_t i = 0; i < json_count(services); i++)
		read_part(d, json_key_at(services, i), json_at(services, i), errors);
	if (errors->count > 0)
		return;
	number_parts(d, errors);
	make_sites(d, rules, errors);
	read_age(d, body, errors);
}

bool deploying_read(struct deploying *d)
{
	struct problem_list errors = {0};
	struct json *body = NULL;
	char why[200];

	if (json_parse(d->rq->body, d->rq->body_size, DOCUMENT_DEPTH_MAX, &body, why, sizeof(why)) <
	    0) {
		problem_reply(d->rq, 400, "send the deployment as one JSON object",
			      "the body is not JSON: %s", why);
		return false;
	}
	read_body(d, body, &errors);
	json_free(body);
	if (errors.count > 0)
		problem_reply_list(d->rq, &errors);
	return errors.count == 0;
}

static bool same_rules(const struct site *a, const struct site *b)
{
	struct json_out one, two;
	bool same;

	json_out_init(&one);
	json_out_init(&two);
	json_out_value(&one, NULL, a->document);
	json_out_value(&two, NULL, b->document);
	same = !one.failed && !two.failed && one.length == two.length &&
	       memcmp(one.text, two.text, one.length) == 0;
	json_out_fini(&one);
	json_out_fini(&two);
	return same;
}

bool deploying_is_same(const struct deploying *d)
{
	const struct deployed *all = deployments_of(d->api->deployments, d->site);
	const struct site *now = sites_find(d->api->sites, d->site);

	for (size_t i = 0; i < d->count; i++)
		if (d->parts[i].kind != PART_SAME)
			return false;
	return all && all->current[0] && now && same_rules(now, d->itself);
}

/* ---- a kept deployment ---- */

static void take_part(struct deploying *d, const struct deployment_part *kept,
		      struct problem_list *errors)
{
	const struct service *s = services_find(d->api->services, kept->service);
	struct part *p = &d->parts[d->count++];
	struct service_spec before;
	char path[96];
	int r = s ? services_load_revision(d->api->services, kept->service, kept->revision, &p->rev)
		  : -ENOENT;

	memcpy(p->name, kept->service, sizeof(p->name));
	(void)text_format(path, sizeof(path), "services.%.63s", kept->service);
	if (r < 0) {
		problem_add(errors, path,
			    s ? "its revision %u is not kept any more"
			      : "it was removed (revision %u)",
			    kept->revision);
		return;
	}
	before = p->rev.spec;
	p->before = s->current.number;
	p->kind = s->current.number == kept->revision ? PART_SAME : PART_KEPT;
	secrets_pin(d->api, &p->rev.spec, errors);
	if (memcmp(&before, &p->rev.spec, sizeof(before)) != 0)
		p->kind = PART_CHANGED; /* a value that was replaced does not come back */
}

bool deploying_take(struct deploying *d, const struct deployment *one)
{
	struct problem_list errors = {0};
	const struct site *kept;
	char name[SERVICE_NAME_SIZE];

	d->again = true;
	(void)text_copy(d->id, sizeof(d->id), one->id);
	(void)text_format(name, sizeof(name), "%s-%s", d->site, one->id);
	kept = sites_find(d->api->sites, name);
	for (size_t i = 0; i < one->count; i++)
		take_part(d, &one->parts[i], &errors);
	if (!kept)
		problem_add(&errors, "id", "the rules of deployment '%s' are not kept any more",
			    one->id);
	if (errors.count == 0)
		number_parts(d, &errors);
	if (errors.count == 0)
		make_sites(d, kept->document, &errors);
	if (errors.count > 0)
		problem_reply_list(d->rq, &errors);
	return errors.count == 0;
}
