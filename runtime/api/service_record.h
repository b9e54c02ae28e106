/* SPDX-License-Identifier: Apache-2.0 */
/* A revision and its image, as ebbd is told of them. */
#ifndef EBB_API_SERVICE_RECORD_H
#define EBB_API_SERVICE_RECORD_H

#include "runtime/wire/records.h"

struct image;
struct problem_list;
struct revision;

/* The record of a revision for ebbd, or NULL without memory; settings that do not fit together go
 * to errors. The caller frees it. */
struct wire_service_put *service_record(const char *name, const struct revision *rev,
					const struct image *image, struct problem_list *errors);

#endif
