/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sites that ebb-api told: a record and the file of a table each. ebbd keeps them for gateways
 * that start later, and reads no byte of a table.
 */
#ifndef EBB_SUPERVISOR_SITES_H
#define EBB_SUPERVISOR_SITES_H

#include <stdbool.h>

#include "runtime/wire/site_records.h"

struct site {
	bool used, said; /* said: by the ebb-api that runs */
	int fd;          /* owned */
	struct wire_site record;
};

struct sites {
	uint32_t count;
	struct site list[SITES_MAX];
};

/* Puts a site, or replaces it. Takes *fd out of the caller's hands on success. 0; -EPROTO: no
 * program of ours says that; -ENOSPC. */
int sites_put(struct sites *all, const struct wire_site *record, int *fd);
/* 0 or -ENOENT. */
int sites_del(struct sites *all, const char *name);
/* Another ebb-api will tell which there are. */
void sites_unsay(struct sites *all);
/* A site that the present ebb-api has not told, or NULL. */
const struct site *sites_unsaid(const struct sites *all);
void sites_fini(struct sites *all);

#endif
