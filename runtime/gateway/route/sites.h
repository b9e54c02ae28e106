/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sites: hosts whose requests go through rules (runtime/rules) before a service gets them. A site
 * has hosts, or NAME.localhost and NAME.<domain> and the hosts that nobody has. Its services may
 * have rules of their own, which hold for every public request to them.
 *
 * A deployment of a site is a site of its own, SITE-ID. Its table names revisions. Requests have it
 * by its name, or from the site with ?dpl=ID, x-deployment-id: ID or the cookie __vdpl=ID.
 */
#ifndef EBB_GATEWAY_SITES_H
#define EBB_GATEWAY_SITES_H

#include "runtime/gateway/route/route.h"
#include "runtime/rules/apply.h"

struct site {
	bool used, said; /* said: since another ebbd took over */
	struct wire_site record;
	struct rules_table *table; /* owned */
};

struct site_host {
	uint64_t hash;
	uint16_t site, number; /* of the host in its record */
};

struct sites {
	uint32_t count;
	/* Made anew at each change, so that a request touches few lines of memory. */
	uint64_t names[SITES_MAX]; /* hash; 0: not in use */
	struct site_host hosts[SITES_MAX * SITE_HOSTS_MAX];
	uint32_t host_count;
	const struct site *rest; /* has the hosts that nobody has; or NULL */
	struct rules_room *room; /* NULL until the first site */
	struct site *list;       /* SITES_MAX */
};

int sites_init(struct sites *all); /* 0 or -ENOMEM */
void sites_fini(struct sites *all);
/* Reads the table out of table_fd, which is borrowed, and adds the site, or replaces it. 0; -EINVAL
 * for a bad record or table; -ENOMEM. */
int sites_put(struct sites *all, struct routes *routes, const struct wire_site *record,
	      int table_fd);
/* 0 or -EINVAL: there is no such site. */
int sites_del(struct sites *all, struct routes *routes, const char *name);
/* Another ebbd says which there are, until sites_known. */
void sites_unsay(struct sites *all);
void sites_known(struct sites *all, struct routes *routes);
/* Finds anew which service belongs to which site: after a change of services. */
void sites_link(const struct sites *all, struct routes *routes);

enum passage_end {
	PASSAGE_ON,       /* to service, which may be NULL */
	PASSAGE_REDIRECT, /* status and to */
	PASSAGE_NOWHERE,  /* a rule leads to another host */
	PASSAGE_TOO_LONG,
};

/* The result of the rules for a request. The slices live until the next request. */
struct passage {
	enum passage_end end;
	uint16_t status;
	bool fixed; /* service is the revision itself: no share of its traffic is drawn */
	struct service *service;
	struct http_slice to;       /* REDIRECT: the new place */
	struct http_slice target;   /* target for the service; at NULL: that of the client */
	struct http_slice fallback; /* a file in place of a missing one; at NULL: none */
	struct http_slice fields;   /* lines for the head of the answer */
};

/* found: the service that hosts and prefixes lead to. Only while there are sites. */
void sites_pass(struct sites *all, const struct routes *routes, const struct http_head *head,
		struct service *found, struct passage *out);

#endif
