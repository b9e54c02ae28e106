// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/deployments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/state.h"
#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/json.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

struct deployment_store {
	int dir_fd;
	struct deployed *items[SITES_MAX];
	size_t count;
};

void deployments_free(struct deployment_store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < store->count; i++)
		free(store->items[i]);
	fd_close(&store->dir_fd);
	free(store);
}

size_t deployments_count(const struct deployment_store *store)
{
	return store->count;
}

struct deployed *deployments_at(const struct deployment_store *store, size_t index)
{
	must(index < store->count);
	return store->items[index];
}

struct deployed *deployments_of(const struct deployment_store *store, const char *site)
{
	for (size_t i = 0; i < store->count; i++)
		if (strcmp(store->items[i]->site, site) == 0)
			return store->items[i];
	return NULL;
}

struct deployed *deployments_make(struct deployment_store *store, const char *site)
{
	struct deployed *d = deployments_of(store, site);

	if (d || store->count == SITES_MAX)
		return d;
	d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	must(text_copy(d->site, sizeof(d->site), site) == 0);
	d->next = 1;
	store->items[store->count++] = d;
	return d;
}

struct deployment *deployed_find(struct deployed *d, const char *id)
{
	for (size_t i = 0; i < d->count; i++)
		if (strcmp(d->list[i].id, id) == 0)
			return &d->list[i];
	return NULL;
}

void deployed_drop(struct deployed *d, struct deployment *one)
{
	size_t at = (size_t)(one - d->list);

	must(at < d->count);
	d->count--;
	memmove(one, one + 1, (d->count - at) * sizeof(*one));
}

struct deployment *deployed_oldest(struct deployed *d)
{
	for (size_t i = 0; i + 1 < d->count; i++)
		if (strcmp(d->list[i].id, d->current) != 0)
			return &d->list[i];
	return NULL;
}

struct deployment *deployed_before(struct deployed *d)
{
	struct deployment *found = NULL;

	for (size_t i = 0; i < d->count && strcmp(d->list[i].id, d->current) != 0; i++)
		if (d->list[i].promoted_us)
			found = &d->list[i];
	return found;
}

uint64_t deployed_until_us(const struct deployed *d, const struct deployment *one)
{
	if (strcmp(one->id, d->current) == 0)
		return UINT64_MAX;
	return one->left_us ? one->left_us + d->age_us : 0;
}

bool deployments_have(const struct deployment_store *store, const char *service, uint32_t revision)
{
	for (size_t i = 0; i < store->count; i++)
		for (size_t n = 0; n < store->items[i]->count; n++) {
			const struct deployment *one = &store->items[i]->list[n];

			for (size_t p = 0; p < one->count; p++)
				if (one->parts[p].revision == revision &&
				    strcmp(one->parts[p].service, service) == 0)
					return true;
		}
	return false;
}

uint32_t deployments_last(const struct deployment_store *store, const char *service)
{
	uint32_t last = 0;

	for (size_t i = 0; i < store->count; i++)
		for (size_t n = 0; n < store->items[i]->count; n++) {
			const struct deployment *one = &store->items[i]->list[n];

			for (size_t p = 0; p < one->count; p++)
				if (strcmp(one->parts[p].service, service) == 0 &&
				    one->parts[p].revision > last)
					last = one->parts[p].revision;
		}
	return last;
}

/* ---- the disk ---- */

static void write_one(struct json_out *o, const struct deployment *one)
{
	json_out_object(o, NULL);
	json_out_string(o, "id", one->id);
	json_out_u64(o, "created_us", one->created_us);
	json_out_u64(o, "promoted_us", one->promoted_us);
	json_out_u64(o, "left_us", one->left_us);
	json_out_object(o, "services");
	for (size_t i = 0; i < one->count; i++)
		json_out_u64(o, one->parts[i].service, one->parts[i].revision);
	json_out_end_object(o);
	json_out_end_object(o);
}

static void file_name(char *out, size_t size, const char *site)
{
	(void)text_format(out, size, "%s.json", site);
}

int deployments_save(const struct deployment_store *store, const struct deployed *d)
{
	char file[SERVICE_NAME_SIZE + 8];
	struct json_out o;
	int r;

	file_name(file, sizeof(file), d->site);
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "current", d->current);
	json_out_string(&o, "switching", d->switching);
	json_out_u64(&o, "next", d->next);
	json_out_u64(&o, "age_us", d->age_us);
	json_out_array(&o, "deployments");
	for (size_t i = 0; i < d->count; i++)
		write_one(&o, &d->list[i]);
	json_out_end_array(&o);
	json_out_end_object(&o);
	r = state_write_json(store->dir_fd, file, &o);
	json_out_fini(&o);
	return r;
}

int deployments_remove(struct deployment_store *store, struct deployed *d)
{
	char file[SERVICE_NAME_SIZE + 8];
	int r;

	file_name(file, sizeof(file), d->site);
	r = state_remove(store->dir_fd, file);
	if (r < 0)
		return r;
	for (size_t i = 0; i < store->count; i++)
		if (store->items[i] == d)
			store->items[i] = store->items[--store->count];
	free(d);
	return 0;
}

static uint64_t number(const struct json *object, const char *key)
{
	int64_t value = 0;

	(void)json_int(json_get(object, key), &value);
	return value > 0 ? (uint64_t)value : 0;
}

static int read_text(const struct json *object, const char *key, char *out, size_t size)
{
	const char *text = json_string(json_get(object, key));

	return text ? text_copy(out, size, text) : -EINVAL;
}

static int read_one(const struct json *json, struct deployment *one)
{
	const struct json *services = json_get(json, "services");
	int r = read_text(json, "id", one->id, sizeof(one->id));

	one->created_us = number(json, "created_us");
	one->promoted_us = number(json, "promoted_us");
	one->left_us = number(json, "left_us");
	if (json_count(services) > DEPLOYMENT_PARTS)
		return -EINVAL;
	for (size_t i = 0; r == 0 && i < json_count(services); i++) {
		const char *name = json_key_at(services, i);

		one->parts[i].revision = (uint32_t)number(services, name);
		r = text_copy(one->parts[i].service, SERVICE_NAME_SIZE, name);
	}
	one->count = json_count(services);
	return r;
}

static int read_all(const struct json *json, struct deployed *d)
{
	const struct json *list = json_get(json, "deployments");
	int r = read_text(json, "current", d->current, sizeof(d->current));

	if (r == 0)
		r = read_text(json, "switching", d->switching, sizeof(d->switching));
	d->next = (uint32_t)number(json, "next");
	d->age_us = number(json, "age_us");
	if (json_count(list) > ARRAY_LEN(d->list))
		return -EINVAL;
	for (size_t i = 0; r == 0 && i < json_count(list); i++, d->count++)
		r = read_one(json_at(list, i), &d->list[i]);
	return r;
}

static int load(void *ctx, const char *file)
{
	struct deployment_store *store = ctx;
	char site[SERVICE_NAME_SIZE + 8];
	struct json *document = NULL;
	struct deployed *d = NULL;
	struct fault fault = {0};
	int r = text_format(site, sizeof(site), "%.*s", (int)(strlen(file) - 5), file);

	if (r == 0 && !text_is_label(site))
		r = -EINVAL;
	if (r == 0)
		r = state_read_json(store->dir_fd, file, &document, &fault);
	if (r == 0)
		d = deployments_make(store, site);
	if (r == 0)
		r = d ? read_all(document, d) : -ENOMEM;
	if (r < 0 && d) {
		store->count--;
		free(d);
	}
	json_free(document);
	if (r < 0)
		log_error("event=deployments_not_loaded file=%.64s errno=%d", file, -r);
	return 0;
}

int deployments_open(int state_dir_fd, struct deployment_store **out, struct fault *f)
{
	struct deployment_store *store = calloc(1, sizeof(*store));
	int r;

	if (!store)
		return fault_errno(f, -ENOMEM, "deployments");
	store->dir_fd = state_dir(state_dir_fd, "deployments");
	r = store->dir_fd < 0 ? store->dir_fd : state_list(store->dir_fd, ".json", load, store);
	if (r < 0) {
		fault_errno(f, r, "deployments");
		deployments_free(store);
		return r;
	}
	*out = store;
	return 0;
}
