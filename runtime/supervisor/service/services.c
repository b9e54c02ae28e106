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
	struct service table[SERVICES_MAX];
};

int services_new(struct services **out)
{
	struct services *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
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
	for (uint32_t i = 0; i < spec->put.layer_count; i++)
		fd_close(&spec->layer_fds[i]);
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
	       same_part(&spec->put, put, offsetof(struct wire_service_put, revision),
			 offsetof(struct wire_service_put, layer_count)) &&
	       same_part(&spec->put, put, offsetof(struct wire_service_put, host_count),
			 sizeof(*put));
}

/* A revision does not change, so one that serves already can only have got another share. */
static bool only_share(const struct service *service, const struct wire_service_put *put)
{
	return service && put->variant && service->spec->put.revision == put->revision;
}

int services_put(struct services *s, const struct wire_service_put *put, struct image_store *images,
		 struct service **out, char *err, size_t err_size)
{
	struct service *service;
	struct spec *spec = NULL;
	int r = spec_check(put, err, err_size);

	if (r < 0)
		return r;
	service = services_find(s, put->name, put->variant);
	if (is_same(service, put)) {
		*out = service;
		return 1;
	}
	if (only_share(service, put)) {
		service->share_permille = put->share_permille;
		*out = service;
		return 1;
	}
	if (r == 0)
		r = ring_check(put, err, err_size);
	if (r == 0)
		r = spec_new(put, images, &spec, err, err_size);
	if (r < 0)
		return r;
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
	if (service->accepted) {
		services_forget_proven(service);
		service->proven = service->spec;
	} else {
		spec_unref(service->spec);
	}
	must(spec != service->spec && spec != service->proven);
	service->spec = spec;
	service->accepted = false;
	service->demand.proving = service->demand.unpreparable = false;
	service->demand.failures = 0;
	service->demand.not_before_ns = 0;
	*out = service;
	return 0;
}

void services_forget_proven(struct service *service)
{
	spec_unref(service->proven);
	service->proven = NULL;
}

void services_accepted(struct service *service)
{
	must(service->spec);
	service->accepted = true;
	service->demand.proving = false;
	services_forget_proven(service);
}

void services_remove(struct services *s, struct service *service)
{
	must(service == &s->table[service->index]);
	services_forget_proven(service);
	spec_unref(service->spec);
	*service = (struct service){0};
}
