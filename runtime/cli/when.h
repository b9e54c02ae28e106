/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time as people write them. */
#ifndef EBB_CLI_WHEN_H
#define EBB_CLI_WHEN_H

#include <stdint.h>

/* Reads a date-time of RFC 3339, a date such as "2026-11-23" (its midnight, UTC), or an age before
 * now_us such as "90s", "30m", "24h" or "7d". *out_us is in us since the epoch. 0 or -EINVAL. */
int when_parse(const char *text, uint64_t now_us, uint64_t *out_us);

#endif
