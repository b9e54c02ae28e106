/* SPDX-License-Identifier: Apache-2.0 */
/* The record by which ebbd is told of a revision and its image. */
#ifndef EBB_API_SERVICE_RECORD_H
#define EBB_API_SERVICE_RECORD_H

#include "runtime/wire/records.h"

struct api;
struct image;
struct problem_list;
struct revision;

/* The record of a revision for ebbd, with the values of its secrets, or NULL without memory. Faults
 * of settings that do not fit together, and secrets that cannot be read, go to errors. */
struct wire_service_put *service_record(struct api *api, const char *name,
					const struct revision *rev, const struct image *image,
					struct problem_list *errors);
/* Erases and frees it; NULL is fine. */
void service_record_free(struct wire_service_put *put);
static inline void service_record_free_scoped(struct wire_service_put **put)
{
	service_record_free(*put);
}
#define SCOPED_RECORD __attribute__((cleanup(service_record_free_scoped))) struct wire_service_put

#endif
