/* SPDX-License-Identifier: Apache-2.0 */
/* Which services use which secrets. A revision has the versions that were the newest when it was
 * made; another version makes another revision. */
#ifndef EBB_API_SECRET_USE_H
#define EBB_API_SECRET_USE_H

#include "runtime/api/blob.h"
#include "runtime/api/problem.h"
#include "runtime/api/service_schema.h"

struct api;
struct service;

/* Gives every secret of spec its newest version. A name that does not exist goes to errors. */
void secrets_pin(struct api *api, struct service_spec *spec, struct problem_list *errors);
/* Adds VARIABLE=value for each secret of spec to out. A value that cannot be read goes to errors.
 */
void secrets_fill(struct api *api, const struct service_spec *spec, struct blob *out,
		  struct problem_list *errors);
/* The version of a secret that spec has; 0: it does not use it. */
uint32_t secret_of_spec(const struct service_spec *spec, const char *name);
/* Whether a revision of the service that serves requests uses the secret in this version; 0: any.
 */
bool secret_serves(struct api *api, const struct service *s, const char *name, uint32_t version);
/* A service whose change is under way, or NULL. */
const struct service *service_changing(struct api *api);

#endif
