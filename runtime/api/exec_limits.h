/* SPDX-License-Identifier: Apache-2.0 */
/* Tells run-times of an instance's limits. Pure. */
#ifndef EBB_API_EXEC_LIMITS_H
#define EBB_API_EXEC_LIMITS_H

#include <stdint.h>

#include "runtime/api/blob.h"
#include "runtime/api/service_schema.h"

/* The bound of a managed heap, so that the heap is collected before the kernel kills the instance
 * for its memory. */
uint32_t exec_heap_mb(uint32_t memory_mb);
/* Java, Node, Go, .NET, Deno, Bun and Python derive their heaps or threads from the machine unless
 * a variable says otherwise. Adds those variables to env that neither the service nor the image has
 * set. 0 or -E2BIG. */
int exec_limits_add(struct blob *env, const struct service_spec *spec);

#endif
