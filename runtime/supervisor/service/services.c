// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/service/services.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/settings/settings.h"
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
	return &s->table[index];
}

/* ---- what root relies on ---- */

/* A blob is exactly `count` NUL-terminated strings, each non-empty. */
static bool blob_holds(const char *blob, size_t size, uint32_t count)
{
	size_t at = 0;

	for (uint32_t i = 0; i < count; i++) {
		size_t n = strnlen(blob + at, size - at);

		if (n == 0 || at + n >= size)
			return false;
		at += n + 1;
		if (at >= size && i + 1 < count)
			return false;
	}
	return true;
}

static bool exec_holds(const struct wire_exec *e)
{
	return e->uid <= 65535 && e->gid <= 65535 && !(e->capabilities & ~WIRE_CAPABILITIES_ALL) &&
	       (e->uid == 0 || !e->capabilities) && e->group_count <= ARRAY_LEN(e->groups) &&
	       e->argc > 0 && e->argc <= 1024 && e->envc <= 4096 && e->port > 0 &&
	       e->stop_signal > 0 && e->stop_signal <= 64 &&
	       text_terminated(e->cwd, sizeof(e->cwd)) && e->cwd[0] == '/' &&
	       blob_holds(e->argv, sizeof(e->argv), e->argc) &&
	       blob_holds(e->env, sizeof(e->env), e->envc);
}

/* "" or a path that begins with one slash: plain characters, as ebb-api has checked. */
static bool prefix_holds(const char *prefix)
{
	if (!*prefix)
		return true;
	if (*prefix != '/' || prefix[strlen(prefix) - 1] == '/' || strstr(prefix, "//"))
		return false;
	for (; *prefix; prefix++)
		if (*prefix <= ' ' || *prefix > '~')
			return false;
	return true;
}

static bool hosts_hold(const struct wire_service_put *p)
{
	if (p->host_count > SERVICE_HOSTS_MAX)
		return false;
	for (uint32_t i = 0; i < p->host_count; i++)
		if (!text_terminated(p->hosts[i], sizeof(p->hosts[i])))
			return false;
	return text_terminated(p->prefix, sizeof(p->prefix)) && prefix_holds(p->prefix);
}

/* A number of the record: within the bounds that the row of its setting has for root. */
static const struct bound {
	enum setting_id setting;
	size_t offset;
	const char *name; /* of what is no setting */
	uint32_t min, max;
} bounds[] = {
	{SETTING_MEMORY, offsetof(struct wire_service_put, memory_mb)},
	{SETTING_CPU, offsetof(struct wire_service_put, cpu_milli)},
	{SETTING_PIDS, offsetof(struct wire_service_put, pids_max)},
	{SETTING_SCRATCH, offsetof(struct wire_service_put, scratch_mb)},
	{SETTING_MAX_DURATION, offsetof(struct wire_service_put, max_duration_ms)},
	{SETTING_INIT_TIMEOUT, offsetof(struct wire_service_put, init_timeout_ms)},
	{SETTING_STOP_GRACE, offsetof(struct wire_service_put, stop_grace_ms)},
	{SETTING_FREEZE_AFTER, offsetof(struct wire_service_put, freeze_after_ms)},
	{SETTING_HIBERNATE, offsetof(struct wire_service_put, hibernate_ms)},
	{SETTING_MAX_CONCURRENCY, offsetof(struct wire_service_put, concurrency_max)},
	{SETTING_MIN_INSTANCES, offsetof(struct wire_service_put, instances_min)},
	{SETTING_MAX_INSTANCES, offsetof(struct wire_service_put, instances_max)},
	{SETTING_TIMERS, offsetof(struct wire_service_put, timers)},
	{SETTING_UPSTREAM, offsetof(struct wire_service_put, upstream)},
	{SETTING_NONE, offsetof(struct wire_service_put, share_permille), "share", 0, 1000},
	{SETTING_NONE, offsetof(struct wire_service_put, layer_count), "layers", 1,
	 IMAGE_LAYERS_MAX},
};

static int bound_check(const struct bound *b, const struct wire_service_put *put, char *err,
		       size_t err_size)
{
	const struct setting *s = b->setting ? setting_of(b->setting) : NULL;
	uint32_t value = *(const uint32_t *)((const char *)put + b->offset);
	int64_t min = s ? s->root_min : b->min, max = s ? s->root_max : b->max;

	if (value >= min && value <= max)
		return 0;
	(void)text_format(err, err_size, "%s: %u does not fit (%lld..%lld)", s ? s->name : b->name,
			  value, (long long)min, (long long)max);
	return -EINVAL;
}

int spec_check(const struct wire_service_put *put, char *err, size_t err_size)
{
	if (!text_terminated(put->name, sizeof(put->name)) || !text_is_label(put->name)) {
		(void)text_format(err, err_size, "the name of a service is a DNS label");
		return -EINVAL;
	}
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
		if (bound_check(&bounds[i], put, err, err_size) < 0)
			return -EINVAL;
	if ((put->flags & ~WIRE_SERVICE_FLAGS_ALL) || !hosts_hold(put) || !exec_holds(&put->exec)) {
		(void)text_format(err, err_size, "the record of service '%s' is malformed",
				  put->name);
		return -EINVAL;
	}
	return 0;
}

/* Said here and not by the first request: this kernel will not change its mind. */
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
	spec->users++;
	return spec;
}

void spec_unref(struct spec *spec)
{
	if (!spec || --spec->users > 0)
		return;
	for (uint32_t i = 0; i < spec->put.layer_count; i++)
		fd_close(&spec->layer_fds[i]);
	free(spec);
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
	service->spec = spec;
	service->accepted = service->proving = false;
	service->failures = 0;
	service->unpreparable = false;
	service->not_before_ns = 0;
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
	service->accepted = true;
	service->proving = false;
	services_forget_proven(service);
}

void services_remove(struct services *s, struct service *service)
{
	must(service == &s->table[service->index]);
	services_forget_proven(service);
	spec_unref(service->spec);
	*service = (struct service){0};
}
