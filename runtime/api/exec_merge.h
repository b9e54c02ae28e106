/* SPDX-License-Identifier: Apache-2.0 */
/* Merges an image's own description and its service's settings into the command to start. Pure. */
#ifndef EBB_API_EXEC_MERGE_H
#define EBB_API_EXEC_MERGE_H

#include "runtime/api/problem.h"
#include "runtime/api/service_schema.h"

/*
 * command replaces the image's entrypoint and cmd; env overrides by name; PORT, EBB_SERVICE and
 * EBB_REVISION are set; PATH and HOME if nobody else sets them. {heap_mb} in a variable of a
 * runtime of ours becomes the share of the memory that its heap may use. out is good if
 * errors->count stays as it was.
 */
void exec_merge(const struct wire_image_config *image, const struct service_spec *spec,
		const char *service, uint32_t revision, struct wire_exec *out,
		struct problem_list *errors);

/* Whether the counts and terminators of a config that came over the wire hold. */
bool image_config_valid(const struct wire_image_config *config);

/* It says EBB_RUNTIME=1: a runtime of ours, which serves on the socket it inherits. */
bool image_is_own_runtime(const struct wire_image_config *config);

#endif
