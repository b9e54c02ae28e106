/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A deployment on its way: all services of a site and its rules, in one step.
 *
 * STAGE: each changed revision serves beside its service, without a share (wire_service_put).
 * PROVE: an instance of each accepts. SHOW: the deployment has its name, SITE-ID. Until here a
 * failure changes nothing. SWITCH: the file of the deployments names it (a start would go on from
 * here), each revision changes places with the current one, and the rules of the site name it.
 * TIDY: revisions that
 * no kept deployment has go.
 */
#ifndef EBB_API_DEPLOYING_H
#define EBB_API_DEPLOYING_H

#include <stdbool.h>

#include "runtime/api/deployments.h"
#include "runtime/api/problem.h"
#include "runtime/api/services.h"
#include "runtime/base/loop.h"

struct answer;
struct api;
struct json;
struct request;
struct site;
struct wire_event;

/* SAME: the current revision. KEPT: an earlier one. CHANGED, CREATED: a new one. */
enum part_kind { PART_SAME, PART_KEPT, PART_CHANGED, PART_CREATED, PART_KINDS };

struct part {
	char name[SERVICE_NAME_SIZE];
	enum part_kind kind;
	struct revision rev;
	uint32_t before;    /* the current revision when it began; 0: none */
	bool egress_unsaid; /* as in change.h */
	bool held;          /* its service is marked as changing, by this */
	bool told, proven;  /* ebbd has it; an instance accepted */
};

struct deploying {
	struct api *api;
	struct request *rq; /* NULL: its client has left */
	void (*reply)(struct deploying *d, bool dry_run, bool unchanged); /* it is done */
	char site[SERVICE_NAME_SIZE], id[DEPLOYMENT_ID_SIZE];
	bool promote, again; /* again: it is kept already */
	bool prove;
	uint64_t age_us; /* of one that is not kept yet: as in struct deployed */
	int err;         /* of the switch */
	char cause[ERROR_TEXT_SIZE];
	size_t count, at;
	struct part *parts; /* owned */
	struct site *itself,
		*deployment; /* its rules with the revisions, twice; owned until kept */
	struct problem_list warnings;
	struct timer timer;
};

/* NULL: no memory. deploying_free undoes nothing. */
struct deploying *deploying_new(struct request *rq, const char *site,
				void (*reply)(struct deploying *d, bool dry_run, bool unchanged));
void deploying_free(struct deploying *d);
/* Takes it over and answers its request, now or later. */
void deploying_run(struct deploying *d);
/* Whether a deployment of the site is under way, or as many as may be. */
bool deploying_busy(const struct api *api, const char *site);
/* The client of rq is gone. */
void deploying_forget(struct api *api, const struct request *rq);
/* An event of an instance. */
void deploying_hear(struct api *api, const struct wire_event *event);
/* Frees those that are under way, behind the loop. */
void deploying_end_all(struct api *api);

/* deploying_read.c. Reads a body, or takes a kept deployment. False after having answered. */
bool deploying_read(struct deploying *d);
bool deploying_take(struct deploying *d, const struct deployment *one);
/* Whether the current deployment of its site is the same. */
bool deploying_is_same(const struct deploying *d);

/* deploying_tidy.c. Removes all deployments of a site, and the site. 0 or -errno. */
int deployments_end(struct api *api, struct deployed *all);
/* Tells ebbd of what goes; the answers are not waited for. */
void deploying_undo(struct deploying *d);
void deploying_tidy(struct deploying *d, struct deployed *all);
/* Before ebbd hears of services: goes on with switches that had begun. */
void deployments_go_on(struct api *api);
/* Behind a start: tells ebbd of the revisions of all kept deployments; then done. */
void deployments_resend(struct api *api, void (*done)(struct api *api));

#endif
