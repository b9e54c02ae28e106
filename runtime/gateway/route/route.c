// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/route/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

int routes_init(struct routes *r, const char *domain)
{
	memset(r, 0, sizeof(*r));
	r->services = calloc(SERVICES_MAX, sizeof(*r->services));
	return r->services ? text_copy(r->domain, sizeof(r->domain), domain) : -ENOMEM;
}

void routes_fini(struct routes *r)
{
	free(r->services);
}

struct service *routes_service(const struct routes *r, uint32_t index)
{
	return index < SERVICES_MAX && r->services[index].used ? &r->services[index] : NULL;
}

static uint32_t bucket_of(const char *text, size_t size)
{
	return (uint32_t)text_hash(text, size) % ROUTE_BUCKETS;
}

static void add_host(struct routes *r, struct service *s, uint32_t number)
{
	const char *host = s->record.hosts[number];
	uint32_t *head = &r->hosts[bucket_of(host, strlen(host))];

	s->host_next[number] = *head;
	*head = s->record.index * SERVICE_HOSTS_MAX + number + 1;
}

static void add_name(struct routes *r, const struct service *s)
{
	uint32_t at = bucket_of(s->record.name, strlen(s->record.name));

	while (r->names[at])
		at = (at + 1) % ROUTE_BUCKETS;
	r->names[at] = s->record.index + 1;
}

static void add_prefix(struct routes *r, const struct service *s)
{
	size_t size = strlen(s->record.prefix);
	uint32_t at = r->prefix_count++;

	must(r->prefix_count <= SERVICES_MAX && s->used);
	for (; at > 0; at--) {
		uint32_t before = r->by_prefix[at - 1];

		if (strlen(r->services[before].record.prefix) >= size)
			break;
		r->by_prefix[at] = before;
	}
	r->by_prefix[at] = s->record.index;
}

static void add_variant(struct routes *r, struct service *s)
{
	struct service *parent = routes_service(r, s->record.parent - 1);

	if (!parent)
		return; /* the parent went first; nobody finds its variants any more */
	s->next_variant = parent->first_variant;
	parent->first_variant = s->record.index + 1;
}

/* Makes every table anew, because changes are rare and lookups are not. */
static void rebuild(struct routes *r)
{
	memset(r->hosts, 0, sizeof(r->hosts));
	memset(r->names, 0, sizeof(r->names));
	r->prefix_count = 0;
	for (uint32_t i = 0; i < SERVICES_MAX; i++)
		r->services[i].first_variant = 0;
	for (uint32_t i = 0; i < SERVICES_MAX; i++) {
		struct service *s = &r->services[i];

		if (!s->used)
			continue;
		if (s->record.parent) {
			add_variant(r, s);
			continue;
		}
		add_name(r, s);
		if (s->record.flags & WIRE_ROUTE_PRIVATE)
			continue;
		for (uint32_t h = 0; h < s->record.host_count; h++)
			add_host(r, s, h);
		if (s->record.host_count == 0 && s->record.prefix[0])
			add_prefix(r, s);
	}
}

static bool record_ok(const struct wire_route_put *p)
{
	if (p->index >= SERVICES_MAX || p->parent > SERVICES_MAX || p->parent == p->index + 1 ||
	    p->share_permille > 1000 || p->host_count > SERVICE_HOSTS_MAX ||
	    !text_terminated(p->name, sizeof(p->name)) || !text_is_label(p->name) ||
	    !text_terminated(p->prefix, sizeof(p->prefix)) || (p->prefix[0] && p->prefix[0] != '/'))
		return false;
	for (uint32_t i = 0; i < p->host_count; i++)
		if (!text_terminated(p->hosts[i], sizeof(p->hosts[i])))
			return false;
	return true;
}

int routes_put(struct routes *r, const struct wire_route_put *record)
{
	struct service *s;
	size_t size;

	if (!record_ok(record))
		return -EINVAL;
	s = &r->services[record->index];
	if (!s->used) {
		must(s->queued == 0);
		chain_init(&s->instances);
		chain_init(&s->queue);
	}
	s->used = true;
	s->record = *record;
	/* "/p/" and "/p" mean the same; "/" alone stays. */
	size = strlen(s->record.prefix);
	if (size > 1 && s->record.prefix[size - 1] == '/')
		s->record.prefix[size - 1] = '\0';
	rebuild(r);
	return 0;
}

int routes_del(struct routes *r, uint32_t index)
{
	if (!routes_service(r, index))
		return -EINVAL;
	r->services[index].used = false;
	r->services[index].http2_revision = 0;
	rebuild(r);
	return 0;
}

static bool prefix_matches(const struct service *s, struct http_slice path, size_t *size)
{
	*size = strlen(s->record.prefix);
	if (*size <= 1) /* for a service with hosts, "" matches any path */
		return true;
	return path.size >= *size && memcmp(path.at, s->record.prefix, *size) == 0 &&
	       (path.size == *size || path.at[*size] == '/');
}

static struct service *find_host(const struct routes *r, struct http_slice host,
				 struct http_slice path)
{
	uint32_t at = r->hosts[bucket_of(host.at, host.size)];
	struct service *best = NULL;
	size_t best_size = 0;

	while (at) {
		struct service *s = &r->services[(at - 1) / SERVICE_HOSTS_MAX];
		uint32_t number = (at - 1) % SERVICE_HOSTS_MAX;
		size_t size;

		if (http_slice_is(host, s->record.hosts[number]) &&
		    prefix_matches(s, path, &size) && (!best || size > best_size)) {
			best = s;
			best_size = size;
		}
		at = s->host_next[number];
	}
	return best;
}

static bool strip_suffix(struct http_slice *host, const char *suffix)
{
	size_t size = strlen(suffix);

	if (size == 0 || host->size <= size + 1 || host->at[host->size - size - 1] != '.' ||
	    memcmp(host->at + host->size - size, suffix, size) != 0)
		return false;
	host->size -= size + 1;
	return true;
}

static struct service *named(const struct routes *r, struct http_slice name)
{
	uint32_t at = bucket_of(name.at, name.size);

	for (; r->names[at]; at = (at + 1) % ROUTE_BUCKETS)
		if (http_slice_is(name, r->services[r->names[at] - 1].record.name))
			return &r->services[r->names[at] - 1];
	return NULL;
}

struct service *routes_named(const struct routes *r, const char *name)
{
	return named(r, (struct http_slice){name, strlen(name)});
}

struct service *routes_revision(const struct routes *r, struct service *s, uint32_t revision)
{
	if (s->record.revision == revision)
		return s;
	for (uint32_t at = s->first_variant; at; at = r->services[at - 1].next_variant)
		if (r->services[at - 1].record.revision == revision)
			return &r->services[at - 1];
	return NULL;
}

bool routes_strip(const struct routes *r, struct http_slice *host)
{
	return strip_suffix(host, "localhost") || strip_suffix(host, r->domain);
}

bool routes_is_by_prefix(const struct routes *r, const struct service *s, struct http_slice host)
{
	if (s->record.host_count > 0)
		return false;
	return !routes_strip(r, &host) || !http_slice_is(host, s->record.name);
}

static struct service *find_name(const struct routes *r, struct http_slice host)
{
	struct service *s;

	if (!routes_strip(r, &host))
		return NULL;
	s = named(r, host);
	return s && !(s->record.flags & WIRE_ROUTE_PRIVATE) ? s : NULL;
}

static struct service *find_prefix(const struct routes *r, struct http_slice path)
{
	for (uint32_t i = 0; i < r->prefix_count; i++) {
		struct service *s = &r->services[r->by_prefix[i]];
		size_t size;

		if (prefix_matches(s, path, &size))
			return s;
	}
	return NULL;
}

bool routes_wildcard(struct http_slice host, char *buf, size_t size, struct http_slice *out)
{
	const char *dot = memchr(host.at, '.', host.size);
	size_t rest = dot ? host.size - (size_t)(dot - host.at) : 0;

	if (rest < 2 || dot == host.at || rest + 1 > size)
		return false;
	buf[0] = '*';
	memcpy(buf + 1, dot, rest);
	*out = (struct http_slice){buf, rest + 1};
	return true;
}

struct service *routes_find(const struct routes *r, struct http_slice host, struct http_slice path)
{
	char lower[HOST_NAME_SIZE], buf[HOST_NAME_SIZE];
	struct http_slice wildcard;
	struct service *s = NULL;

	if (host.size >= sizeof(lower))
		return NULL;
	for (size_t i = 0; i < host.size; i++)
		lower[i] = host.at[i] >= 'A' && host.at[i] <= 'Z' ? (char)(host.at[i] | 32)
								  : host.at[i];
	if (host.size > 1 && lower[host.size - 1] == '.')
		host.size--; /* the root label: the same name */
	host.at = lower;
	if (host.size) {
		s = find_host(r, host, path);
		if (!s)
			s = find_name(r, host);
		if (!s && routes_wildcard(host, buf, sizeof(buf), &wildcard))
			s = find_host(r, wildcard, path);
	}
	return s ? s : find_prefix(r, path);
}

struct service *routes_share(const struct routes *r, struct service *s, uint64_t draw)
{
	uint64_t left = draw % 1000;

	for (uint32_t at = s->first_variant; at; at = r->services[at - 1].next_variant) {
		struct service *variant = &r->services[at - 1];

		if (left < variant->record.share_permille)
			return variant;
		left -= variant->record.share_permille;
	}
	return s;
}
