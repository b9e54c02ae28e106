// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/sites.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/api/api.h"
#include "runtime/api/calls.h"
#include "runtime/api/deployments.h"
#include "runtime/api/schema_parts.h"
#include "runtime/api/state.h"
#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/rules/build.h"

struct site_store {
	int dir_fd;
	struct site *items[SITES_MAX]; /* by name */
	size_t count;
};

void site_free(struct site *site)
{
	if (!site)
		return;
	json_free(site->document);
	free(site->table);
	free(site);
}

void sites_free(struct site_store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < store->count; i++)
		site_free(store->items[i]);
	fd_close(&store->dir_fd);
	free(store);
}

size_t sites_count(const struct site_store *store)
{
	return store->count;
}

const struct site *sites_at(const struct site_store *store, size_t index)
{
	must(index < store->count);
	return store->items[index];
}

/* Where the name is, or would have to be. */
static size_t place_of(const struct site_store *store, const char *name, bool *found)
{
	size_t i = 0;
	int order = 1;

	while (i < store->count && (order = strcmp(store->items[i]->record.name, name)) < 0)
		i++;
	*found = i < store->count && order == 0;
	return i;
}

const struct site *sites_find(const struct site_store *store, const char *name)
{
	bool found;
	size_t i = place_of(store, name, &found);

	return found ? store->items[i] : NULL;
}

const struct site *sites_with_host(const struct site_store *store, const char *host,
				   const char *but)
{
	for (size_t i = 0; i < store->count; i++) {
		const struct wire_site *r = &store->items[i]->record;

		for (uint32_t h = 0; h < r->host_count; h++)
			if (strcmp(r->hosts[h], host) == 0 && strcmp(r->name, but) != 0)
				return store->items[i];
	}
	return NULL;
}

const struct site *sites_of_the_rest(const struct site_store *store, const char *but)
{
	for (size_t i = 0; i < store->count; i++) {
		const struct site *s = store->items[i];

		if (s->record.host_count == 0 && !s->table->passes && !s->record.of[0] &&
		    strcmp(s->record.name, but) != 0)
			return s;
	}
	return NULL;
}

/* ---- one site ---- */

struct listening {
	struct problem_list *errors, *warnings;
};

static void hear(void *self, bool warning, const char *path, const struct json *value,
		 const char *what)
{
	struct listening *l = self;
	char shown[80];

	schema_show(shown, sizeof(shown), value);
	problem_add(warning ? l->warnings : l->errors, path, "%s %s", value ? shown : "it", what);
}

/* A deployment has no hosts of its own but its name. */
static void read_of(struct wire_site *record, const struct json *of, struct problem_list *errors)
{
	const char *text = json_string(of);

	if (of &&
	    (!text || !text_is_label(text) || text_copy(record->of, sizeof(record->of), text) < 0))
		problem_add(errors, "of", "it is not a name of a site");
}

static void read_hosts(struct wire_site *record, const struct json *hosts,
		       struct problem_list *errors)
{
	char path[32], shown[80];

	if (hosts && (json_kind(hosts) != JSON_ARRAY || json_count(hosts) > SITE_HOSTS_MAX)) {
		problem_add(errors, "hosts", "it is not a list of at most %d host names",
			    SITE_HOSTS_MAX);
		return;
	}
	for (size_t i = 0; i < json_count(hosts); i++) {
		const char *text = json_string(json_at(hosts, i));

		(void)text_format(path, sizeof(path), "hosts[%zu]", i);
		schema_show(shown, sizeof(shown), json_at(hosts, i));
		if (!text || schema_host(record->hosts[i], HOST_NAME_SIZE, text) < 0)
			problem_add(errors, path, "%s is not a host name", shown);
	}
	record->host_count = (uint32_t)json_count(hosts);
}

int site_make(const char *name, struct json *document, struct site **out,
	      struct problem_list *errors, struct problem_list *warnings)
{
	struct listening listening = {errors, warnings};
	const struct rules_listener listener = {.self = &listening, .say = hear};
	struct site *site = calloc(1, sizeof(*site));
	int r;

	if (!site) {
		json_free(document);
		return -ENOMEM;
	}
	site->document = document;
	if (!text_is_label(name) || text_copy(site->record.name, SERVICE_NAME_SIZE, name) < 0)
		problem_add(errors, "name", "'%.64s' is not a name of a site ([a-z0-9-], ..63)",
			    name);
	read_of(&site->record, json_get(document, "of"), errors);
	if (!site->record.of[0])
		read_hosts(&site->record, json_get(document, "hosts"), errors);
	r = rules_build(document, &listener, &site->table);
	if (r == 0 && errors->count > 0)
		r = -EINVAL;
	if (r < 0) {
		site_free(site);
		return r;
	}
	site->record.size = site->table->size;
	*out = site;
	return 0;
}

/* ---- the disk ---- */

static int save(const struct site_store *store, const struct site *site)
{
	char file[SERVICE_NAME_SIZE + 8];
	struct json_out o;
	int r;

	(void)text_format(file, sizeof(file), "%s.json", site->record.name);
	json_out_init(&o);
	json_out_value(&o, NULL, site->document);
	r = o.failed ? -ENOMEM : state_write_json(store->dir_fd, file, &o);
	json_out_fini(&o);
	return r;
}

static int insert(struct site_store *store, struct site *site)
{
	bool found;
	size_t i = place_of(store, site->record.name, &found);

	if (found) {
		site_free(store->items[i]);
		store->items[i] = site;
		return 0;
	}
	if (store->count == SITES_MAX)
		return -EMFILE;
	memmove(store->items + i + 1, store->items + i,
		(store->count - i) * sizeof(store->items[0]));
	store->items[i] = site;
	store->count++;
	return 0;
}

int sites_keep(struct site_store *store, struct site *site)
{
	int r;

	if (store->count == SITES_MAX && !sites_find(store, site->record.name))
		return -EMFILE;
	r = save(store, site);
	return r < 0 ? r : insert(store, site);
}

int sites_remove(struct site_store *store, const char *name)
{
	char file[SERVICE_NAME_SIZE + 8];
	bool found;
	size_t i = place_of(store, name, &found);
	int r;

	must(found);
	(void)text_format(file, sizeof(file), "%s.json", name);
	r = state_remove(store->dir_fd, file);
	if (r < 0)
		return r;
	site_free(store->items[i]);
	store->count--;
	memmove(store->items + i, store->items + i + 1,
		(store->count - i) * sizeof(store->items[0]));
	return 0;
}

int sites_table_file(const struct site_store *store, const struct site *site)
{
	static const char name[] = "table"; /* gone again before anything else runs */
	SCOPED_FD out_fd = -1;
	SCOPED_FD in_fd = -1;
	int r;

	(void)unlinkat(store->dir_fd, name, 0);
	out_fd = openat(store->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);
	if (out_fd < 0)
		return -errno;
	in_fd = openat(store->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	r = in_fd < 0 ? -errno : fd_write_all(out_fd, site->table, site->table->size);
	if (unlinkat(store->dir_fd, name, 0) < 0 && r == 0)
		r = -errno;
	return r < 0 ? r : keep_fd(&in_fd);
}

static int load(void *ctx, const char *file)
{
	struct site_store *store = ctx;
	struct problem_list errors = {0}, warnings = {0};
	struct json *document = NULL;
	struct fault fault = {0};
	char name[SERVICE_NAME_SIZE + 8];
	struct site *site;
	int r = text_format(name, sizeof(name), "%.*s", (int)(strlen(file) - 5), file);

	if (r == 0)
		r = state_read_json(store->dir_fd, file, &document, &fault);
	if (r == 0)
		r = site_make(name, document, &site, &errors, &warnings);
	if (r == 0) {
		r = insert(store, site);
		if (r < 0)
			site_free(site);
	}
	if (r < 0)
		log_error("event=site_not_loaded file=%.64s errno=%d", file, -r);
	return 0;
}

int sites_open(int state_dir_fd, struct site_store **out, struct fault *f)
{
	struct site_store *store = calloc(1, sizeof(*store));
	int r;

	if (!store)
		return fault_errno(f, -ENOMEM, "sites");
	store->dir_fd = state_dir(state_dir_fd, "sites");
	r = store->dir_fd < 0 ? store->dir_fd : state_list(store->dir_fd, ".json", load, store);
	if (r < 0) {
		fault_errno(f, r, "sites");
		sites_free(store);
		return r;
	}
	*out = store;
	return 0;
}

static uint64_t until_us(struct api *api, const struct site *site)
{
	struct deployed *all = deployments_of(api->deployments, site->record.of);
	size_t before = strlen(site->record.of) + 1;
	struct deployment *one =
		all && site->record.of[0] ? deployed_find(all, site->record.name + before) : NULL;

	return one ? deployed_until_us(all, one) : 0;
}

int sites_copy(struct api *api, const struct site *deployment, const char *name)
{
	struct problem_list errors = {0}, warnings = {0};
	bool only = json_get(deployment->document, "only") != NULL;
	struct json *document = NULL;
	struct json_out o;
	struct site *site;
	char why[160];
	int r;

	json_out_init(&o);
	json_out_object(&o, NULL);
	for (size_t i = 0; i < json_count(deployment->document); i++)
		if (strcmp(json_key_at(deployment->document, i), "of") != 0 &&
		    !(only && strcmp(json_key_at(deployment->document, i), "otherwise") == 0))
			json_out_value(&o, json_key_at(deployment->document, i),
				       json_at(deployment->document, i));
	if (only)
		json_out_bool(&o, "passes", true);
	json_out_end_object(&o);
	r = o.failed ? -ENOMEM : json_parse(o.text, o.length, 32, &document, why, sizeof(why));
	json_out_fini(&o);
	if (r == 0)
		r = site_make(name, document, &site, &errors, &warnings);
	if (r < 0)
		return r;
	r = sites_keep(api->sites, site);
	if (r < 0)
		site_free(site);
	return r;
}

static void on_resent(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	if (answer->err && answer->err != EPIPE)
		log_error("event=site_not_applied errno=%d", answer->err);
}

void sites_tell(struct api *api, const struct site *site)
{
	struct wire_site record = site->record;
	SCOPED_FD fd = sites_table_file(api->sites, site);

	record.until_us = until_us(api, site);
	if (fd < 0) {
		log_error("event=site_not_applied site=%s errno=%d", record.name, -fd);
		return;
	}
	calls_ask(api, &(struct call_ask){.peer = CALL_EBBD,
					  .type = WIRE_SITE_PUT,
					  .record = &record,
					  .size = sizeof(record),
					  .fd = fd,
					  .has_fd = true,
					  .done = on_resent});
}

void sites_resend(struct api *api)
{
	for (size_t i = 0; i < api->sites->count; i++)
		sites_tell(api, api->sites->items[i]);
}
