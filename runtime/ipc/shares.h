/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of a table each service has. When a table is full, what the largest service has gives
 * way to a service that would have less, so no number of instances keeps other services out. Pure.
 */
#ifndef EBB_IPC_SHARES_H
#define EBB_IPC_SHARES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/wire/records.h"

struct shares {
	size_t max, used, of[SERVICES_MAX];
};

bool shares_fit(const struct shares *s, size_t more);
void shares_take(struct shares *s, uint32_t service, size_t more);
void shares_give(struct shares *s, uint32_t service, size_t less);
/* The service of which something has to go before `service` may have more; SERVICES_MAX: none, for
 * none has more than it would have then. */
uint32_t shares_largest(const struct shares *s, uint32_t service, size_t more);

#endif
