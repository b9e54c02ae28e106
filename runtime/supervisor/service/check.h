/* SPDX-License-Identifier: Apache-2.0 */
/* Pure checks of a record that describes a service, so that root may rely on it. */
#ifndef EBB_SUPERVISOR_CHECK_H
#define EBB_SUPERVISOR_CHECK_H

#include <stddef.h>

#include "runtime/wire/records.h"

/* Whether a record a peer sent holds: terminated texts, counts that match, bounds. 0, or -EINVAL
 * with a sentence. */
int spec_check(const struct wire_service_put *put, char *err, size_t err_size);

#endif
