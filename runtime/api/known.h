/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks up names that clients give, or answers with the name that a client may have meant.
 */
#ifndef EBB_API_KNOWN_H
#define EBB_API_KNOWN_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/wire/records.h"

struct request;
struct service;

/* The service that the path names; NULL after having answered 404. */
struct service *service_or_404(struct request *rq);
/* Checks If-Match (RFC 9110 section 13.1.1); s is NULL for a new service. False after having
 * answered 412. */
bool service_matches_or_412(struct request *rq, const struct service *s);
/* 404: there is no such service (or, for logs and events, no such service or instance). */
void answer_no_service(struct request *rq, const char *name);
void answer_no_source(struct request *rq, const char *name);
/* 404: there is no such instance among infos. */
void answer_no_instance(struct request *rq, const char *id, const struct wire_instance_info *infos,
			size_t count);
/* 404: there is no such secret. */
void answer_no_secret(struct request *rq, const char *name);
/* 404: there is no such image. */
void answer_no_image(struct request *rq, const char *name);
/* False after having answered 503: nothing may change before ebbd knows all services again. */
bool api_ready_or_503(struct request *rq);

#endif
