/* SPDX-License-Identifier: Apache-2.0 */
/* One change of a service on its way: checked, on disk, asked of ebbd, committed, answered. */
#ifndef EBB_API_CHANGE_H
#define EBB_API_CHANGE_H

#include <stdbool.h>

#include "runtime/api/calls.h"
#include "runtime/api/problem.h"
#include "runtime/api/services.h"

struct image;

enum change_kind { CHANGE_CREATE, CHANGE_UPDATE };

struct change {
	char name[SERVICE_NAME_SIZE];
	enum change_kind kind;
	struct revision revision;
	bool egress_unsaid; /* ebb.egress is the host's word: without a network it goes on */
	uint32_t repeats;   /* of a rollback: the revision that comes back; else 0 */
	struct problem_list warnings;
};

/* A change of a service, to be filled in and given to change_run, which frees it. */
struct change *change_new(const char *name, enum change_kind kind); /* NULL: no memory */
void change_free(struct change *change);
/* Takes over change, whose revision has its spec and digest already. Answers rq now or later: 201
 * when the service has changed, 200 when nothing would change or on a dry run, or a problem. */
void change_run(struct request *rq, struct change *change, const struct image *image, bool dry_run);
/* Tells ebbd every service there is, one after the other; api->ready in the end. */
void change_resend_all(struct api *api);

#endif
