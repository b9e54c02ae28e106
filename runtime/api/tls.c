// SPDX-License-Identifier: Apache-2.0
/* Whether a front should get a certificate for a name that a client asks for. */
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/handlers.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/services.h"
#include "runtime/api/sites.h"

/* Whether a host that is listed is this name: itself, or "*." and all behind its first label. */
static bool is_host(const char *host, struct http_slice name)
{
	const char *dot = memchr(name.at, '.', name.size);

	if (strncmp(host, "*.", 2) != 0)
		return http_slice_is_nocase(name, host);
	if (!dot || dot == name.at)
		return false;
	name.size -= (size_t)(dot - name.at);
	name.at = dot;
	return http_slice_is_nocase(name, host + 1);
}

static bool lists(const struct service *s, struct http_slice name)
{
	const struct service_spec *spec = &s->current.spec;

	for (uint32_t h = 0; h < spec->host_count; h++)
		if (is_host(spec->hosts[h], name))
			return true;
	return false;
}

/* Whether name is OWN.suffix, where OWN is the name of a service or a site. */
static bool is_below(const char *own, struct http_slice name, const char *suffix)
{
	size_t size = strlen(own);
	struct http_slice first = {name.at, size}, rest;

	if (!*suffix || name.size < size + 2 || name.at[size] != '.')
		return false;
	rest = (struct http_slice){name.at + size + 1, name.size - size - 1};
	return http_slice_is_nocase(first, own) && http_slice_is_nocase(rest, suffix);
}

/* The names by which a gateway finds a service (runtime/gateway/route), without its paths. */
static bool some_service_has(struct api *api, struct http_slice name)
{
	for (size_t i = 0; i < services_count(api->services); i++) {
		const struct service *s = services_at(api->services, i);

		if (s->current.number != 0 && !s->refused &&
		    (lists(s, name) || is_below(s->name, name, "localhost") ||
		     is_below(s->name, name, api->config.domain)))
			return true;
	}
	return false;
}

/* A site with its hosts, and each of its deployments. */
static bool some_site_has(struct api *api, struct http_slice name)
{
	for (size_t i = 0; i < sites_count(api->sites); i++) {
		const struct wire_site *r = &sites_at(api->sites, i)->record;

		if (is_below(r->name, name, "localhost") ||
		    is_below(r->name, name, api->config.domain))
			return true;
		for (uint32_t h = 0; h < r->host_count; h++)
			if (is_host(r->hosts[h], name))
				return true;
	}
	return false;
}

void get_tls_ask(struct request *rq)
{
	char domain[HOST_NAME_SIZE];
	struct http_slice name = {domain, 0};
	struct json_out o;

	if (request_query(rq, "domain", domain, sizeof(domain)) != 1 || !*domain) {
		problem_reply(rq, 400, "ask with ?domain=NAME", "no name of a host is given");
		return;
	}
	name.size = strlen(domain);
	if (name.size > 1 && domain[name.size - 1] == '.')
		name.size--; /* the root label: the same name */
	if (!some_service_has(rq->api, name) && !some_site_has(rq->api, name)) {
		problem_reply(rq, 404, "the key `hosts` of a service lists its names",
			      "no service has this host");
		return;
	}
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "status", "ok");
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}
