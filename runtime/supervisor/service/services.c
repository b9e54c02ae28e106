// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/service/services.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/service/check.h"
#include "sandbox/sandbox.h"

struct services {
	struct estate *estate;
	struct service table[SERVICES_MAX];
	struct spec *adopted[SPECS_MAX]; /* by row, between services_adopt and services_adopted */
};

int services_new(struct estate *estate, struct services **out)
{
	struct services *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->estate = estate;
	*out = s;
	return 0;
}

void services_free(struct services *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < SERVICES_MAX; i++) {
		spec_unref(s->table[i].spec);
		spec_unref(s->table[i].proven);
	}
	free(s);
}

struct service *services_find(struct services *s, const char *name, uint32_t variant)
{
	for (uint32_t i = 0; i < SERVICES_MAX; i++)
		if (s->table[i].variant == variant && strcmp(s->table[i].name, name) == 0)
			return &s->table[i];
	return NULL;
}

struct service *services_variant(struct services *s, const char *name)
{
	for (uint32_t i = 0; i < SERVICES_MAX; i++)
		if (s->table[i].variant && strcmp(s->table[i].name, name) == 0)
			return &s->table[i];
	return NULL;
}

struct service *services_at(struct services *s, uint32_t index)
{
	if (index >= SERVICES_MAX || !s->table[index].name[0])
		return NULL;
	must(s->table[index].index == index && s->table[index].spec);
	return &s->table[index];
}

/* This is said here and not by the first request, because the kernel will not change its mind. */
static int ring_check(const struct wire_service_put *put, char *err, size_t err_size)
{
	int r = 0;

	if (!(put->flags & WIRE_SERVICE_IO_URING))
		return 0;
	if (!(put->flags & WIRE_SERVICE_OWN_RUNTIME)) {
		(void)text_format(err, err_size, "ebb.ioUring: the image is not a runtime of ebb");
		return -EINVAL;
	}
	r = sandbox_ring_probe();
	if (r < 0)
		(void)text_format(
			err, err_size,
			"ebb.ioUring: this kernel makes no restricted ring (%s): it needs "
			"Linux 6.4 or later and sysctl kernel.io_uring_disabled=0; leave "
			"the key out, and the function runs on epoll",
			strerror(-r));
	return r;
}

/* ---- specifications ---- */

struct spec *spec_ref(struct spec *spec)
{
	must(spec->users > 0 && spec->users < UINT32_MAX);
	spec->users++;
	return spec;
}

void spec_unref(struct spec *spec)
{
	if (!spec)
		return;
	must(spec->users > 0);
	if (--spec->users > 0)
		return;
	if (spec->estate)
		estate_clear(spec->estate, ESTATE_SPECS, spec->row);
	for (uint32_t i = 0; i < spec->put.layer_count; i++)
		fd_close(&spec->layer_fds[i]);
	explicit_bzero(&spec->put.exec, sizeof(spec->put.exec)); /* values of secrets */
	free(spec);
}

uint32_t spec_limit_first(const struct spec *spec)
{
	bool learns = spec->put.flags & WIRE_SERVICE_AUTO_CONCURRENCY;

	return learns && spec->learned_limit ? spec->learned_limit : spec->put.concurrency_max;
}

/* A layer that comes again higher up shows everything it has there: the lower one adds nothing, and
 * overlayfs takes no directory twice (ELOOP). */
static bool comes_again(const struct wire_service_put *put, uint32_t layer)
{
	for (uint32_t i = layer + 1; i < put->layer_count; i++)
		if (memcmp(put->layers[i], put->layers[layer], DIGEST_SIZE) == 0)
			return true;
	return false;
}

static int spec_new(const struct wire_service_put *put, struct image_store *images,
		    struct spec **out, char *err, size_t err_size)
{
	struct spec *spec = calloc(1, sizeof(*spec));

	if (!spec)
		return -ENOMEM;
	spec->users = 1;
	spec->put = *put;
	spec->layers_given = put->layer_count;
	spec->put.layer_count = 0;
	for (uint32_t i = 0; i < put->layer_count; i++) {
		char digest[2 * DIGEST_SIZE + 1];
		int fd;

		if (comes_again(put, i))
			continue;
		fd = image_layer_open(images, put->layers[i]);

		if (fd < 0) {
			text_hex(digest, put->layers[i], DIGEST_SIZE);
			(void)text_format(err, err_size,
					  "layer sha256:%s: %s; import the image again", digest,
					  strerror(-fd));
			spec_unref(spec);
			return fd;
		}
		spec->layer_fds[spec->put.layer_count++] = fd;
	}
	must(spec->put.layer_count > 0 && spec->put.layer_count <= IMAGE_LAYERS_MAX);
	*out = spec;
	return 0;
}

/* ---- for the next ebbd ---- */

/* A specification gets its row. */
static int keep_spec(struct services *s, struct spec *spec, const struct wire_service_put *put)
{
	struct spec_row *row;
	int index = estate_find_free(s->estate, ESTATE_SPECS);

	if (index < 0)
		return index;
	row = calloc(1, sizeof(*row));
	if (!row)
		return -ENOMEM;
	row->put = *put;
	estate_write(s->estate, ESTATE_SPECS, (uint32_t)index, row);
	free(row);
	spec->estate = s->estate;
	spec->row = (uint32_t)index;
	return 0;
}

void spec_note(const struct spec *spec)
{
	const struct spec_row *row;
	struct spec_row *next;

	row = spec->estate ? estate_read(spec->estate, ESTATE_SPECS, spec->row) : NULL;
	if (!row || row->learned_limit == spec->learned_limit)
		return;
	next = malloc(sizeof(*next));
	if (!next)
		return; /* it is learned again */
	*next = *row;
	next->learned_limit = spec->learned_limit;
	estate_write(spec->estate, ESTATE_SPECS, spec->row, next);
	free(next);
}

static uint32_t row_of(const struct spec *spec)
{
	return spec ? spec->row + 1 : 0;
}

void services_note(struct services *s, const struct service *service)
{
	struct service_row row = {.variant = service->variant,
				  .share_permille = service->share_permille,
				  .ups = service->demand.ups,
				  .spec = row_of(service->spec),
				  .proven = row_of(service->proven),
				  .accepted = service->accepted};

	(void)text_copy(row.name, sizeof(row.name), service->name);
	estate_write(s->estate, ESTATE_SERVICES, service->index, &row);
}

/* The specification of a row, opened once. */
static struct spec *adopt_spec(struct services *s, struct image_store *images, uint32_t index)
{
	const struct spec_row *row = estate_read(s->estate, ESTATE_SPECS, index);
	char err[ERROR_TEXT_SIZE] = "";

	if (!row || s->adopted[index])
		return s->adopted[index];
	if (spec_new(&row->put, images, &s->adopted[index], err, sizeof(err)) < 0)
		return NULL;
	s->adopted[index]->estate = s->estate;
	s->adopted[index]->row = index;
	s->adopted[index]->learned_limit = row->learned_limit;
	return s->adopted[index];
}

static bool adopt_service(struct services *s, uint32_t index, const struct service_row *row)
{
	struct service *service = &s->table[index];
	struct spec *spec = row->spec ? s->adopted[row->spec - 1] : NULL;
	struct spec *proven = row->proven ? s->adopted[row->proven - 1] : NULL;

	if (!spec)
		return false;
	*service = (struct service){.index = index,
				    .variant = row->variant,
				    .share_permille = row->share_permille,
				    .accepted = row->accepted,
				    .spec = spec_ref(spec),
				    .proven = proven ? spec_ref(proven) : NULL,
				    .demand.ups = row->ups};
	(void)text_copy(service->name, sizeof(service->name), row->name);
	return true;
}

void services_adopt(struct services *s, struct image_store *images, void (*lost)(const char *name))
{
	for (uint32_t i = 0; i < SPECS_MAX; i++)
		(void)adopt_spec(s, images, i);
	for (uint32_t i = 0; i < SERVICES_MAX; i++) {
		const struct service_row *row = estate_read(s->estate, ESTATE_SERVICES, i);

		if (!row || adopt_service(s, i, row))
			continue;
		lost(row->name);
		estate_clear(s->estate, ESTATE_SERVICES, i);
	}
}

struct spec *services_spec(struct services *s, uint32_t row)
{
	return row < SPECS_MAX ? s->adopted[row] : NULL;
}

void services_adopted(struct services *s)
{
	for (uint32_t i = 0; i < SPECS_MAX; i++) {
		if (!s->adopted[i] && estate_read(s->estate, ESTATE_SPECS, i))
			estate_clear(s->estate, ESTATE_SPECS, i);
		spec_unref(s->adopted[i]);
		s->adopted[i] = NULL;
	}
}

void services_unput(struct services *s)
{
	for (uint32_t i = 0; i < SERVICES_MAX; i++)
		s->table[i].put = false;
}

struct service *services_not_put(struct services *s)
{
	for (uint32_t i = 0; i < SERVICES_MAX; i++)
		if (s->table[i].name[0] && !s->table[i].put)
			return &s->table[i];
	return NULL;
}

/* ---- services ---- */

static struct service *free_place(struct services *s)
{
	for (uint32_t i = 0; i < SERVICES_MAX; i++) {
		if (s->table[i].name[0])
			continue;
		s->table[i] = (struct service){.index = i};
		return &s->table[i];
	}
	return NULL;
}

static bool same_part(const struct wire_service_put *a, const struct wire_service_put *b,
		      size_t from, size_t to)
{
	return memcmp((const char *)a + from, (const char *)b + from, to - from) == 0;
}

/* A new ebb-api says all it knew: that is no new revision, and warm instances stay. */
static bool is_same(const struct service *service, const struct wire_service_put *put)
{
	const struct spec *spec = service ? service->spec : NULL;

	return spec && spec->layers_given == put->layer_count &&
	       service->share_permille == put->share_permille &&
	       same_part(&spec->put, put, offsetof(struct wire_service_put, revision),
			 offsetof(struct wire_service_put, variant)) &&
	       same_part(&spec->put, put, offsetof(struct wire_service_put, host_count),
			 sizeof(*put));
}

/* A revision does not change, so one that serves already can only have got another share. */
static bool only_share(const struct service *service, const struct wire_service_put *put)
{
	return service && put->variant && service->spec->put.revision == put->revision;
}

/* The variant that the record makes the service, or NULL. */
static struct service *promoted(struct services *s, const struct service *service,
				const struct wire_service_put *put)
{
	struct service *variant;

	if (!service || put->variant)
		return NULL;
	variant = services_find(s, put->name, put->revision);
	if (!variant || variant->spec->put.revision != put->revision)
		return NULL;
	return variant;
}

/* Two rows change their names. Instances, their queue and what was learned stay with each row. */
static void change_places(struct services *s, struct service *service, struct service *variant)
{
	variant->variant = variant->share_permille = 0;
	variant->put = true;
	service->variant = service->spec->put.revision;
	service->share_permille = 0;
	service->demand.proving = false;
	services_note(s, service);
	services_note(s, variant);
}

int services_put(struct services *s, const struct wire_service_put *put, struct image_store *images,
		 struct service **out, char *err, size_t err_size)
{
	struct service *service, *variant;
	struct spec *spec = NULL, *old;
	int r = spec_check(put, err, err_size);

	if (r < 0)
		return r;
	service = services_find(s, put->name, put->variant);
	if (service)
		service->put = true;
	if (is_same(service, put)) {
		*out = service;
		return SERVICES_SAME;
	}
	variant = promoted(s, service, put);
	if (variant) {
		change_places(s, service, variant);
		*out = variant;
		return SERVICES_PROMOTED;
	}
	if (only_share(service, put)) {
		service->share_permille = put->share_permille;
		services_note(s, service);
		*out = service;
		return SERVICES_SAME;
	}
	if (r == 0)
		r = ring_check(put, err, err_size);
	if (r == 0)
		r = spec_new(put, images, &spec, err, err_size);
	if (r == 0)
		r = keep_spec(s, spec, put);
	if (r < 0) {
		spec_unref(spec);
		return r;
	}
	if (!service)
		service = free_place(s);
	if (!service) {
		spec_unref(spec);
		(void)text_format(err, err_size, "this host has %d services already", SERVICES_MAX);
		return -ENOSPC;
	}
	(void)text_copy(service->name, sizeof(service->name), put->name);
	service->variant = put->variant;
	service->share_permille = put->share_permille;
	must(spec != service->spec && spec != service->proven);
	old = service->accepted ? service->proven : service->spec;
	if (service->accepted)
		service->proven = service->spec;
	service->spec = spec;
	service->accepted = false;
	service->put = true;
	services_note(s, service);
	spec_unref(old);
	service->demand.proving = service->demand.unpreparable = false;
	service->demand.failures = 0;
	service->demand.not_before_ns = 0;
	*out = service;
	return 0;
}

void services_forget_proven(struct services *s, struct service *service)
{
	struct spec *proven = service->proven;

	service->proven = NULL;
	services_note(s, service);
	spec_unref(proven);
}

void services_accepted(struct services *s, struct service *service)
{
	must(service->spec);
	service->accepted = true;
	service->demand.proving = false;
	services_forget_proven(s, service);
}

void services_remove(struct services *s, struct service *service)
{
	must(service == &s->table[service->index]);
	estate_clear(s->estate, ESTATE_SERVICES, service->index);
	spec_unref(service->proven);
	spec_unref(service->spec);
	*service = (struct service){0};
}
