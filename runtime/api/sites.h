/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sites: the rules of a file of services (rewrites, redirects, headers), sites/NAME.json below the
 * state directory. They are compiled here (runtime/rules) and go to the gateways through ebbd,
 * which reads none of it.
 */
#ifndef EBB_API_SITES_H
#define EBB_API_SITES_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/api/problem.h"
#include "runtime/base/json.h"
#include "runtime/rules/table.h"
#include "runtime/wire/records.h"

struct api;
struct fault;
struct site_store;

struct site {
	struct wire_site record;   /* name, hosts and size; cookie 0 */
	struct json *document;     /* as it was put; owned */
	struct rules_table *table; /* owned */
};

/* Loads <state>/sites; state_dir_fd is borrowed. A site whose rules this version refuses is left
 * out, with a line in the log. 0, or -errno with a sentence in f. */
int sites_open(int state_dir_fd, struct site_store **out, struct fault *f);
void sites_free(struct site_store *store); /* NULL is fine */
size_t sites_count(const struct site_store *store);
/* In the order of their names. */
const struct site *sites_at(const struct site_store *store, size_t index);
const struct site *sites_find(const struct site_store *store, const char *name);
/* The site that has this host, but not the one of this name; NULL: none. */
const struct site *sites_with_host(const struct site_store *store, const char *host,
				   const char *but);
/* A site but the one of this name that gets the hosts that nobody has, and passes nothing on. */
const struct site *sites_of_the_rest(const struct site_store *store, const char *but);

/* Makes a site of a document, which it takes over. 0; -EINVAL with errors; -ENOMEM. */
int site_make(const char *name, struct json *document, struct site **out,
	      struct problem_list *errors, struct problem_list *warnings);
void site_free(struct site *site);
/* Writes it to the disk and takes it over on success. 0, -EMFILE (SITES_MAX) or -errno. */
int sites_keep(struct site_store *store, struct site *site);
int sites_remove(struct site_store *store, const char *name); /* 0 or -errno */
/* A file without a name that holds the table, for reading; its descriptor or -errno. */
int sites_table_file(const struct site_store *store, const struct site *site);
/* Keeps the rules of a deployment as those of its site. 0 or -errno. */
int sites_copy(struct api *api, const struct site *deployment, const char *name);
/* Tells ebbd of a site; the answer is not waited for. */
void sites_tell(struct api *api, const struct site *site);
/* A host leads to one site or to services, and one site has what nobody has. */
void site_check_hosts(struct api *api, const struct site *site, struct problem_list *errors);
/* Tells ebbd of all sites, behind a start. */
void sites_resend(struct api *api);

#endif
