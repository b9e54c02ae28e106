/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the service of a request: by the exact Host, then by NAME.localhost or NAME.<domain>, then
 * by the longest prefix among services without hosts. Where several services share a host, the
 * longest prefix among them decides. Among services without hosts the prefix "" matches no path
 * (such a service is reached by name), and "/" matches all paths.
 */
#ifndef EBB_GATEWAY_ROUTE_H
#define EBB_GATEWAY_ROUTE_H

#include "runtime/base/chain.h"
#include "runtime/http/head.h"
#include "runtime/wire/records.h"

struct service {
	bool used, said; /* said: by the ebbd that takes over, hear/resume.c */
	struct wire_route_put record;
	/* The two chains are valid once the slot was used. */
	struct chain instances; /* of struct instance, by of_service */
	struct chain queue;     /* of struct client, by in_line */
	uint32_t queued;
	uint64_t need_told_ns; /* when ebbd was last told how many wait, and that number */
	uint32_t need_told;
	uint32_t refused_full, refused_late, refused_nacked; /* 503s not yet told to ebbd */
	struct wire_choice choice; /* the last choice that was news, and the untold counts */
	uint64_t choice_told_ns;
	uint32_t http2_revision; /* the last revision that was found to speak HTTP/2 */
	bool choice_due;
	uint32_t first_variant, next_variant; /* index + 1 of revisions that share its requests */
	uint16_t site, site_number; /* number + 1 of its site, and its own number there: sites.h */
	uint32_t host_next[SERVICE_HOSTS_MAX]; /* the next entries, as in hosts below */
};

#define ROUTE_BUCKETS 4096u

struct routes {
	struct service *services; /* SERVICES_MAX */
	char domain[HOST_NAME_SIZE];
	uint32_t hosts[ROUTE_BUCKETS]; /* service * SERVICE_HOSTS_MAX + number of the host + 1 */
	uint32_t names[ROUTE_BUCKETS]; /* service + 1, open addressing */
	uint32_t by_prefix[SERVICES_MAX], prefix_count; /* longest first */
};

int routes_init(struct routes *r, const char *domain); /* 0 or -ENOMEM */
/* Frees the services. */
void routes_fini(struct routes *r);
/* Adds the service, or replaces it. 0, or -EINVAL for a bad record. */
int routes_put(struct routes *r, const struct wire_route_put *record);
/* The service is not in use any more; the caller empties its chains. 0, or -EINVAL if there is
 * none. */
int routes_del(struct routes *r, uint32_t index);
/* The service for a host (without port) and a path. NULL: there is none. */
struct service *routes_find(const struct routes *r, struct http_slice host, struct http_slice path);
/* Whether a service that was found for this host (lower case) was found by its prefix. */
bool routes_is_by_prefix(const struct routes *r, const struct service *s, struct http_slice host);
/* Makes "*.example.org" of a.example.org, which a service or a site may have as host: it has the
 * names with one label more that nobody has exactly. buf holds the text of *out. False: there is no
 * such host. */
bool routes_wildcard(struct http_slice host, char *buf, size_t size, struct http_slice *out);
/* Makes NAME of NAME.localhost or NAME.<domain>. False: it is neither. */
bool routes_strip(const struct routes *r, struct http_slice *host);
/* Draws one of the service and its variants, by their shares. draw: any number, evenly spread. */
struct service *routes_share(const struct routes *r, struct service *s, uint64_t draw);
/* The service with this name, public or not; NULL: there is none. */
struct service *routes_named(const struct routes *r, const char *name);
/* The service itself or the variant that has this revision; NULL: none serves it. */
struct service *routes_revision(const struct routes *r, struct service *s, uint32_t revision);
/* The service with this index. NULL: out of range or not in use. */
struct service *routes_service(const struct routes *r, uint32_t index);

#endif
