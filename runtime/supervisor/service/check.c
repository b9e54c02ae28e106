// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/service/check.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "images/image.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/settings/settings.h"

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
	if (!*prefix || strcmp(prefix, "/") == 0)
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

/* As ebb-api made them: whole networks, one port or all. */
static bool subnets_hold(const struct wire_subnet *list, uint32_t count)
{
	for (uint32_t i = 0; i < count && count <= EGRESS_SUBNETS_MAX; i++) {
		const struct wire_subnet *s = &list[i];
		bool one = s->port_first == s->port_last && s->port_first > 0;
		bool all = s->port_first == 0 && s->port_last == 65535;

		if (s->bits > 128 || !(one || all))
			return false;
		for (uint32_t bit = s->bits; bit < 128; bit++)
			if (s->address[bit / 8] >> (7 - bit % 8) & 1)
				return false;
	}
	return count <= EGRESS_SUBNETS_MAX;
}

/* The form of a name; ebb-dns compares it with questions, and root with nothing. */
static bool name_holds(const struct wire_egress_name *n)
{
	return text_terminated(n->name, sizeof(n->name)) && *n->name &&
	       n->name[strspn(n->name, "abcdefghijklmnopqrstuvwxyz0123456789-_.*")] == '\0';
}

static bool egress_holds(const struct wire_egress *e)
{
	if (e->mode >= WIRE_EGRESS_COUNT || e->host_port_count > EGRESS_HOST_PORTS_MAX ||
	    e->name_count > EGRESS_NAMES_MAX)
		return false;
	for (uint32_t i = 0; i < e->name_count; i++)
		if (!name_holds(&e->names[i]))
			return false;
	for (uint32_t i = 0; i < e->host_port_count; i++)
		if (e->host_ports[i] == 0)
			return false;
	return subnets_hold(e->allow, e->allow_count) && subnets_hold(e->deny, e->deny_count);
}

static bool bindings_hold(const struct wire_service_put *p)
{
	for (uint32_t i = 0; i < p->binding_count && p->binding_count <= BINDINGS_MAX; i++) {
		const struct wire_binding *b = &p->bindings[i];

		if (!text_terminated(b->service, sizeof(b->service)) ||
		    !text_is_label(b->service) || b->port == 0 ||
		    b->kind >= WIRE_BINDING_KIND_COUNT)
			return false;
	}
	return p->binding_count <= BINDINGS_MAX;
}

/* bound_check reads each number as a uint32_t. */
_Static_assert(sizeof(((struct wire_service_put *)0)->memory_mb) == sizeof(uint32_t), "bounds");
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
	{SETTING_NETWORK, offsetof(struct wire_service_put, arrivals)},
	{SETTING_UPSTREAM, offsetof(struct wire_service_put, upstream)},
	{SETTING_MAX_BODY, offsetof(struct wire_service_put, body_kb_max)},
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
	if ((put->flags & ~WIRE_SERVICE_FLAGS_ALL) || !hosts_hold(put) || !exec_holds(&put->exec) ||
	    !egress_holds(&put->egress) || !bindings_hold(put)) {
		(void)text_format(err, err_size, "the record of service '%s' is malformed",
				  put->name);
		return -EINVAL;
	}
	return 0;
}
