/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the service of a request: exact Host, then NAME.localhost or NAME.<domain>, then the
 * longest prefix among services without hosts. Where several services share a host, the longest
 * prefix among them decides. A prefix "" matches no path (the service is reached by host or name);
 * "/" matches all.
 */
#ifndef EBB_GATEWAY_ROUTE_H
#define EBB_GATEWAY_ROUTE_H

#include "runtime/base/chain.h"
#include "runtime/http/head.h"
#include "runtime/wire/records.h"

struct service {
	bool used;
	struct wire_route_put record;
	/* These two once it was used: */
	struct chain instances; /* of struct instance, by of_service */
	struct chain queue;     /* of struct client, by in_line */
	uint32_t queued;
	uint64_t need_told_ns; /* when ebbd was told how many wait, and how many it was told */
	uint32_t need_told;
	uint32_t refused_full, refused_late, refused_nacked; /* and not yet told */
	struct wire_choice choice; /* the last one that was news, and counts not yet told */
	uint64_t choice_told_ns;
	uint32_t http2_revision; /* the last one that was found to speak it */
	bool choice_due;
	uint32_t first_variant, next_variant;  /* index + 1: revisions that share its requests */
	uint32_t host_next[SERVICE_HOSTS_MAX]; /* chains of the host table, host number + 1 */
};

#define ROUTE_BUCKETS 4096u

struct routes {
	struct service *services; /* SERVICES_MAX */
	char domain[HOST_NAME_SIZE];
	uint32_t hosts[ROUTE_BUCKETS]; /* service * SERVICE_HOSTS_MAX + host number + 1 */
	uint32_t names[ROUTE_BUCKETS]; /* service + 1, open addressing */
	uint32_t by_prefix[SERVICES_MAX], prefix_count; /* longest first */
};

int routes_init(struct routes *r, const char *domain); /* 0 or -ENOMEM */
/* Frees the table; NULL members are fine. */
void routes_fini(struct routes *r);
/* 0, or -EINVAL for a record that is not well-formed. */
int routes_put(struct routes *r, const struct wire_route_put *record);
/* Frees the service and its chains. 0, or -EINVAL if there is none. */
int routes_del(struct routes *r, uint32_t index);
/* NULL if nobody serves it. */
struct service *routes_find(const struct routes *r, struct http_slice host, struct http_slice path);
/* Draws the service or the variant that gets a request; draw: any number, evenly spread. */
struct service *routes_share(const struct routes *r, struct service *s, uint64_t draw);
/* NULL if the index is out of range or not in use. */
struct service *routes_service(const struct routes *r, uint32_t index);

#endif
