/* SPDX-License-Identifier: Apache-2.0 */
/* Which user an instance runs as, and with what rights. Pure. */
#ifndef EBB_API_EXEC_USER_H
#define EBB_API_EXEC_USER_H

#include "runtime/api/problem.h"
#include "runtime/api/service_schema.h"
#include "runtime/wire/records.h"

/* Fills uid, gid, groups and capabilities of *out from the service's user ("name", "1000",
 * "name:gid", "1000:1000"), or from the image's if the service names none. Names are looked up in
 * config.users, the image's /etc/passwd as ebb-unpack listed it. Faults go to errors. */
void exec_user(const struct wire_image_config *image, const struct service_spec *spec,
	       struct wire_exec *out, struct problem_list *errors);
/* The home of the user in the image's /etc/passwd, else "/". */
void exec_home(const struct wire_image_config *image, uint32_t uid, char *out, size_t size);

#endif
