/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deployments of a site: which revision of each service belongs together with which rules. A file
 * deployments/SITE.json below the state directory has those of a site; the rules of each are a site
 * of their own, SITE-ID (sites.h), as long as it is kept.
 *
 * The file is the word: `switching` names a deployment whose switch had begun, and a start goes on
 * with it (deploying.h).
 */
#ifndef EBB_API_DEPLOYMENTS_H
#define EBB_API_DEPLOYMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/rules/table.h"
#include "runtime/wire/records.h"

#define DEPLOYMENTS_KEPT   5
#define DEPLOYMENT_ID_SIZE 33 /* letters a-z, figures and - */
#define DEPLOYMENT_PARTS   RULES_SERVICES_MAX

struct fault;
struct deployment_store;

struct deployment {
	char id[DEPLOYMENT_ID_SIZE];
	uint64_t created_us;
	uint64_t promoted_us; /* when it was last; 0: never */
	uint64_t left_us;     /* when another one took its place; 0: it is current, or never was */
	size_t count;
	struct deployment_part {
		char service[SERVICE_NAME_SIZE];
		uint32_t revision;
	} parts[DEPLOYMENT_PARTS];
};

struct deployed {
	char site[SERVICE_NAME_SIZE];
	char current[DEPLOYMENT_ID_SIZE], switching[DEPLOYMENT_ID_SIZE]; /* "": none */
	uint32_t next;   /* number of the next one that is given no ID */
	uint64_t age_us; /* a client stays so long with one that is current no more */
	size_t count;
	struct deployment list[DEPLOYMENTS_KEPT + 1]; /* in the order in which they were made */
};

/* Loads <state>/deployments; state_dir_fd is borrowed. A file that cannot be read is left out, with
 * a line in the log. 0, or -errno with a sentence in f. */
int deployments_open(int state_dir_fd, struct deployment_store **out, struct fault *f);
void deployments_free(struct deployment_store *store); /* NULL is fine */
size_t deployments_count(const struct deployment_store *store);
struct deployed *deployments_at(const struct deployment_store *store, size_t index);
struct deployed *deployments_of(const struct deployment_store *store,
				const char *site); /* or NULL */
/* That of the site, made if there is none. NULL: no memory, or there are SITES_MAX. */
struct deployed *deployments_make(struct deployment_store *store, const char *site);
/* Writes it, durably. 0 or -errno. */
int deployments_save(const struct deployment_store *store, const struct deployed *d);
int deployments_remove(struct deployment_store *store, struct deployed *d); /* 0 or -errno */
/* By its ID, or NULL. */
struct deployment *deployed_find(struct deployed *d, const char *id);
void deployed_drop(struct deployed *d, struct deployment *one);
/* The oldest one that may go for another: neither the current one nor the last; NULL: none. */
struct deployment *deployed_oldest(struct deployed *d);
/* The one that was promoted before the current one was made, or NULL. */
struct deployment *deployed_before(struct deployed *d);
/* Until when clients may ask for it on their site; UINT64_MAX: the current one. 0: never. */
uint64_t deployed_until_us(const struct deployed *d, const struct deployment *one);
/* Whether a kept deployment has this revision of the service. */
bool deployments_have(const struct deployment_store *store, const char *service, uint32_t revision);
/* The highest revision of the service that a kept deployment names; 0: none does. */
uint32_t deployments_last(const struct deployment_store *store, const char *service);

#endif
