/* SPDX-License-Identifier: Apache-2.0 */
/* The record by which ebbd is told of a revision and its image. */
#ifndef EBB_API_SERVICE_RECORD_H
#define EBB_API_SERVICE_RECORD_H

#include "runtime/wire/records.h"

struct image;
struct problem_list;
struct revision;

/* The record of a revision for ebbd, which the caller frees, or NULL without memory. Faults of
 * settings that do not fit together go to errors. */
struct wire_service_put *service_record(const char *name, const struct revision *rev,
					const struct image *image, struct problem_list *errors);

#endif
