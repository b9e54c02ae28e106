// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/route/sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

int sites_init(struct sites *all)
{
	*all = (struct sites){.list = calloc(SITES_MAX, sizeof(struct site))};
	return all->list ? 0 : -ENOMEM;
}

static void drop(struct sites *all, struct site *s)
{
	must(s->used && all->count > 0);
	free(s->table);
	*s = (struct site){0};
	all->count--;
}

void sites_fini(struct sites *all)
{
	for (uint32_t i = 0; all->list && i < SITES_MAX; i++)
		if (all->list[i].used)
			drop(all, &all->list[i]);
	free(all->list);
	rules_room_free(all->room);
}

/* ---- which there are ---- */

static bool is_deployment(const struct site *s)
{
	return s->record.of[0] != '\0';
}

static uint64_t hash_of(const char *text, size_t size)
{
	return text_hash(text, size) | 1;
}

static void note_hosts(struct sites *all, uint32_t number)
{
	const struct wire_site *r = &all->list[number].record;

	for (uint16_t h = 0; h < r->host_count; h++)
		all->hosts[all->host_count++] =
			(struct site_host){.hash = hash_of(r->hosts[h], strlen(r->hosts[h])),
					   .site = (uint16_t)number,
					   .number = h};
}

/* The rest goes to a site that passes requests on only if no other one wants it. */
static void index_again(struct sites *all)
{
	all->host_count = 0;
	all->rest = NULL;
	for (uint32_t i = 0; i < SITES_MAX; i++) {
		const struct site *s = &all->list[i];

		all->names[i] = s->used ? hash_of(s->record.name, strlen(s->record.name)) : 0;
		if (!s->used || is_deployment(s))
			continue;
		note_hosts(all, i);
		if (s->record.host_count == 0 && (!s->table->passes || s->table->rule_count > 0) &&
		    (!all->rest || !s->table->passes))
			all->rest = s;
	}
}

void sites_link(const struct sites *all, struct routes *routes)
{
	/* Deployments have the services of their site. */
	for (uint32_t i = 0; i < SERVICES_MAX; i++)
		routes->services[i].site = 0;
	for (uint32_t n = 0; n < SITES_MAX; n++) {
		const struct rules_table *t = all->list[n].table;

		for (uint16_t i = 0; t && !is_deployment(&all->list[n]) && i < t->service_count;
		     i++) {
			struct service *s = routes_named(routes, t->services[i]);

			if (!s)
				continue;
			s->site = (uint16_t)(n + 1);
			s->site_number = i;
		}
	}
}

static bool record_ok(const struct wire_site *r)
{
	if (r->size == 0 || r->size > SITE_BYTES_MAX || r->host_count > SITE_HOSTS_MAX ||
	    !text_terminated(r->name, sizeof(r->name)) || !text_terminated(r->of, sizeof(r->of)) ||
	    (r->of[0] && r->host_count > 0))
		return false;
	for (uint32_t i = 0; i < r->host_count; i++)
		if (!text_terminated(r->hosts[i], sizeof(r->hosts[i])))
			return false;
	return true;
}

/* Into memory of our own, because the file may change behind us. */
static int read_table(int fd, uint32_t size, struct rules_table **out)
{
	SCOPED_MEM char *bytes = malloc(size);
	uint32_t got = 0;

	_Static_assert(sizeof(char[SITE_BYTES_MAX]) == RULES_BYTES_MAX, "a table travels whole");
	if (!bytes)
		return -ENOMEM;
	while (got < size) {
		ssize_t n = pread(fd, bytes + got, size - got, got);

		if (n <= 0)
			return n < 0 ? -errno : -EINVAL;
		got += (uint32_t)n;
	}
	if (!rules_valid(bytes, size))
		return -EINVAL;
	*out = (struct rules_table *)(void *)keep_mem(bytes);
	return 0;
}

static struct site *find(const struct sites *all, const char *name)
{
	for (uint32_t i = 0; i < SITES_MAX; i++)
		if (all->list[i].used && strcmp(all->list[i].record.name, name) == 0)
			return &all->list[i];
	return NULL;
}

static struct site *place(const struct sites *all)
{
	for (uint32_t i = 0; i < SITES_MAX; i++)
		if (!all->list[i].used)
			return &all->list[i];
	return NULL;
}

int sites_put(struct sites *all, struct routes *routes, const struct wire_site *record,
	      int table_fd)
{
	struct rules_table *table = NULL;
	struct site *s;
	int r;

	if (!record_ok(record))
		return -EINVAL;
	s = find(all, record->name);
	if (!s && !place(all))
		return -EINVAL;
	if (!all->room)
		all->room = rules_room_new();
	r = all->room ? read_table(table_fd, record->size, &table) : -ENOMEM;
	if (r < 0)
		return r;
	if (s)
		drop(all, s);
	s = place(all);
	must(s);
	*s = (struct site){.used = true, .said = true, .record = *record, .table = table};
	all->count++;
	index_again(all);
	sites_link(all, routes);
	return 0;
}

int sites_del(struct sites *all, struct routes *routes, const char *name)
{
	struct site *s = find(all, name);

	if (!s)
		return -EINVAL;
	drop(all, s);
	index_again(all);
	sites_link(all, routes);
	return 0;
}

void sites_unsay(struct sites *all)
{
	for (uint32_t i = 0; i < SITES_MAX; i++)
		all->list[i].said = false;
}

void sites_known(struct sites *all, struct routes *routes)
{
	for (uint32_t i = 0; i < SITES_MAX; i++)
		if (all->list[i].used && !all->list[i].said)
			drop(all, &all->list[i]);
	index_again(all);
	sites_link(all, routes);
}

/* ---- the site of a request ---- */

static const struct site *with_host(const struct sites *all, struct http_slice host)
{
	uint64_t hash = hash_of(host.at, host.size);

	for (uint32_t i = 0; i < all->host_count; i++) {
		const struct site_host *h = &all->hosts[i];

		if (h->hash == hash &&
		    http_slice_is(host, all->list[h->site].record.hosts[h->number]))
			return &all->list[h->site];
	}
	return NULL;
}

static const struct site *named(const struct sites *all, struct http_slice name)
{
	uint64_t hash = hash_of(name.at, name.size);

	for (uint32_t i = 0; i < SITES_MAX; i++)
		if (all->names[i] == hash && http_slice_is(name, all->list[i].record.name))
			return &all->list[i];
	return NULL;
}

/* NAME.localhost, unless a service with rules of this site has that name itself. */
static const struct site *with_name(const struct sites *all, const struct routes *routes,
				    struct http_slice host)
{
	const struct site *s;

	if (!routes_strip(routes, &host))
		return NULL;
	s = named(all, host);
	return s && !(s->table->passes && routes_named(routes, s->record.name)) ? s : NULL;
}

/* NAME.localhost of a service that is private. */
static bool is_named(const struct routes *routes, struct http_slice host)
{
	char name[SERVICE_NAME_SIZE];

	if (!routes_strip(routes, &host) || host.size >= sizeof(name))
		return false;
	memcpy(name, host.at, host.size);
	name[host.size] = '\0';
	return routes_named(routes, name) != NULL;
}

/* The site itself, or that of a deployment; NULL: it is gone. */
static const struct site *site_itself(const struct sites *all, const struct site *s)
{
	if (!is_deployment(s))
		return s;
	return named(all, (struct http_slice){s->record.of, strlen(s->record.of)});
}

static bool has(const struct sites *all, const struct site *site, const struct service *s)
{
	const struct site *itself = site_itself(all, site);

	return s && itself && s->site == itself - all->list + 1;
}

/* The site whose rules hold for every public request to the service, or NULL. */
static const struct site *around(const struct sites *all, const struct service *s)
{
	const struct site *site = s->site ? &all->list[s->site - 1] : NULL;

	if (!site)
		return NULL;
	return site->table->passes || site->table->otherwise == s->site_number ? site : NULL;
}

/* The site whose rules the request meets, or NULL; found is what it finds without them. */
static const struct site *site_of(const struct sites *all, const struct routes *routes,
				  struct http_slice host, struct service *found)
{
	const struct site *s = with_host(all, host);
	char buf[HOST_NAME_SIZE];
	struct http_slice wildcard;

	s = s ? s : with_name(all, routes, host);
	if (!s && (!found || routes_is_by_prefix(routes, found, host)) &&
	    routes_wildcard(host, buf, sizeof(buf), &wildcard))
		s = with_host(all, wildcard);
	if (s)
		return s;
	if (found && routes_is_by_prefix(routes, found, host)) {
		s = all->rest;
		if (s &&
		    (has(all, s, found) || (!s->table->passes && found->record.prefix[1] == '\0')))
			return s;
	}
	if (found)
		return around(all, found);
	return is_named(routes, host) ? NULL : all->rest;
}

/* ---- the deployment that a request asks for ---- */

#define DEPLOYMENT_ID_MAX 32

/* The value of name=value in a list of such pairs. */
static struct http_slice pair_in(struct http_slice list, char between, const char *name)
{
	size_t size = strlen(name);

	while (list.size > 0) {
		const char *end = memchr(list.at, between, list.size);
		size_t part = end ? (size_t)(end - list.at) : list.size;

		while (part > 0 && *list.at == ' ') {
			list.at++;
			list.size--;
			part--;
		}
		if (part > size && memcmp(list.at, name, size) == 0 && list.at[size] == '=')
			return (struct http_slice){list.at + size + 1, part - size - 1};
		part += end != NULL;
		list.at += part;
		list.size -= part;
	}
	return (struct http_slice){NULL, 0};
}

static struct http_slice asked_deployment(const struct http_head *head)
{
	struct http_slice id = pair_in(head->query, '&', "dpl");

	for (size_t i = 0; id.size == 0 && i < head->header_count; i++) {
		const struct http_header *h = &head->headers[i];

		if (h->name.size == 15 && http_slice_is_nocase(h->name, "x-deployment-id"))
			id = h->value;
		else if (h->name.size == 6 && http_slice_is_nocase(h->name, "cookie"))
			id = pair_in(h->value, ';', "__vdpl");
	}
	return id;
}

/* The deployment of the site that the client began with, while it is kept for such clients. */
static const struct site *deployment_of(const struct sites *all, const struct site *site,
					const struct http_head *head)
{
	struct http_slice id = asked_deployment(head);
	char name[SERVICE_NAME_SIZE];
	const struct site *s;

	if (id.size == 0 || id.size > DEPLOYMENT_ID_MAX ||
	    text_format(name, sizeof(name), "%s-%.*s", site->record.name, (int)id.size, id.at) < 0)
		return site;
	s = named(all, (struct http_slice){name, strlen(name)});
	if (!s || strcmp(s->record.of, site->record.name) != 0)
		return site;
	return s->record.until_us > clock_real_us() ? s : site;
}

/* ---- a request ---- */

struct passing {
	const struct sites *all;
	const struct routes *routes;
	const struct http_head *head;
	const struct site *site;
};

static struct rules_slice slice(struct http_slice s)
{
	return (struct rules_slice){s.at, s.size};
}

static struct http_slice back(struct rules_slice s)
{
	return (struct http_slice){s.at, s.size};
}

static struct rules_slice header(void *self, struct rules_slice name, size_t n)
{
	const struct passing *p = self;

	for (size_t i = 0; i < p->head->header_count; i++) {
		const struct http_header *h = &p->head->headers[i];

		if (h->name.size == name.size && strncasecmp(h->name.at, name.at, name.size) == 0 &&
		    n-- == 0)
			return slice(h->value);
	}
	return (struct rules_slice){NULL, 0};
}

/* The number of a service of the site in the table; that of a deployment may have another order. */
static uint16_t number_of(const struct passing *p, const struct service *s)
{
	const struct rules_table *t = p->site->table;

	if (!has(p->all, p->site, s))
		return RULES_NONE;
	if (!is_deployment(p->site))
		return s->site_number;
	for (uint16_t i = 0; i < t->service_count; i++)
		if (strcmp(t->services[i], s->record.name) == 0)
			return i;
	return RULES_NONE;
}

/* The service of the site that has the path, where rewrites do not say it. */
static uint16_t find_service(void *self, struct rules_slice path)
{
	const struct passing *p = self;
	const struct service *s = routes_find(p->routes, p->head->host, back(path));

	return number_of(p, s);
}

/* The revision of a service that the table names, while it serves. The site's own is the current
 * one, which shares its requests as ever. */
static struct service *revision_of(const struct passing *p, struct service *s, uint16_t number,
				   bool *fixed)
{
	uint32_t revision = number == RULES_NONE ? 0 : p->site->table->revisions[number];
	struct service *found = s && revision ? routes_revision(p->routes, s, revision) : NULL;

	*fixed = found && (found != s || is_deployment(p->site));
	return found ? found : s;
}

static struct http_slice path_of(struct http_slice place)
{
	const char *mark = memchr(place.at, '?', place.size);

	return (struct http_slice){place.at, mark ? (size_t)(mark - place.at) : place.size};
}

/* Makes the target for the service. One with files gets the path that the rules of the site made,
 * and may give the file that its own rules name; a program sees a path only if a rule sets it. */
static void aim(const struct rules_table *t, const struct rules_result *r, struct passage *out)
{
	if (r->service == RULES_NONE || !t->files[r->service]) {
		if (r->seen)
			out->target = back(r->to);
		return;
	}
	out->target = back(r->entered);
	if (r->to.at != r->entered.at)
		out->fallback = back(r->to);
}

static void take(const struct passing *p, const struct rules_result *r, struct passage *out)
{
	static const enum passage_end ends[] = {
		[RULES_PASS] = PASSAGE_ON,           [RULES_REDIRECT] = PASSAGE_REDIRECT,
		[RULES_SERVICE] = PASSAGE_ON,        [RULES_NOWHERE] = PASSAGE_NOWHERE,
		[RULES_TOO_LONG] = PASSAGE_TOO_LONG,
	};
	const struct rules_table *t = p->site->table;

	must(r->outcome < ARRAY_LEN(ends));
	out->end = ends[r->outcome];
	out->status = r->status;
	out->fields = back(r->fields);
	if (out->end == PASSAGE_REDIRECT) {
		out->to = back(r->to);
		return;
	}
	if (out->end != PASSAGE_ON)
		return;
	if (r->service != RULES_NONE)
		out->service = routes_named(p->routes, t->services[r->service]);
	else if (!t->passes)
		out->service = NULL;
	else if (r->to.at)
		out->service = routes_find(p->routes, p->head->host, path_of(back(r->to)));
	out->service = revision_of(
		p, out->service, r->service != RULES_NONE ? r->service : number_of(p, out->service),
		&out->fixed);
	aim(t, r, out);
}

/* In lower case, without the dot of the root. */
static struct http_slice plain_host(struct http_slice host, char lower[HOST_NAME_SIZE])
{
	if (host.size >= HOST_NAME_SIZE)
		return (struct http_slice){"", 0};
	for (size_t i = 0; i < host.size; i++)
		lower[i] = host.at[i] >= 'A' && host.at[i] <= 'Z' ? (char)(host.at[i] | 32)
								  : host.at[i];
	if (host.size > 1 && lower[host.size - 1] == '.')
		host.size--;
	return (struct http_slice){lower, host.size};
}

void sites_pass(struct sites *all, const struct routes *routes, const struct http_head *head,
		struct service *found, struct passage *out)
{
	char lower[HOST_NAME_SIZE];
	struct http_slice host = plain_host(head->host, lower);
	struct passing p = {.all = all, .routes = routes, .head = head};
	struct rules_request request = {.host = slice(host),
					.path = slice(head->path),
					.query = slice(head->query),
					.self = &p,
					.header = header,
					.find = find_service};
	struct rules_result result;

	*out = (struct passage){.service = found};
	p.site = site_of(all, routes, host, found);
	if (p.site) {
		p.site = deployment_of(all, p.site, head);
		rules_apply(p.site->table, all->room, &request, &result);
	} else if (found && found->site) {
		p.site = &all->list[found->site - 1];
		rules_apply_of(p.site->table, found->site_number, all->room, &request, &result);
	} else {
		return;
	}
	take(&p, &result, out);
}
