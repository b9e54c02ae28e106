/* SPDX-License-Identifier: Apache-2.0 */
/* Merges an image's own description and its service's settings into the command to start. Pure. */
#ifndef EBB_API_EXEC_MERGE_H
#define EBB_API_EXEC_MERGE_H

#include "runtime/api/problem.h"
#include "runtime/api/service_schema.h"

struct blob;

/*
 * The service's command replaces the image's entrypoint and cmd, and its env overrides the image's
 * variables by name, and so do the values in given (VARIABLE=value; NULL: none). PORT, EBB_SERVICE
 * and EBB_REVISION are always set; PATH and HOME if neither the service nor the image sets them.
 * {heap_mb} in a variable of one of ebb's own runtimes becomes the share of the memory that the
 * heap may use. out is good if errors->count stays as it was.
 */
void exec_merge(const struct wire_image_config *image, const struct service_spec *spec,
		const struct blob *given, const char *service, uint32_t revision,
		struct wire_exec *out, struct problem_list *errors);

/* The port on which the function listens. */
uint32_t exec_port(const struct wire_image_config *image, const struct service_spec *spec);

/* Whether the counts and terminators of a config that came over the wire hold. */
bool image_config_valid(const struct wire_image_config *config);

/* Whether the image says EBB_RUNTIME=1: it is of one of ebb's own runtimes, which serve on the
 * socket they inherit. */
bool image_is_own_runtime(const struct wire_image_config *config);

#endif
