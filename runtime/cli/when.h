/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time as people write them. */
#ifndef EBB_CLI_WHEN_H
#define EBB_CLI_WHEN_H

#include <stdint.h>

/* RFC 3339 date-time, "2026-11-23" (its midnight, UTC), or an age: "90s", "30m", "24h", "7d" before
 * now_us. 0 or -EINVAL. */
int when_parse(const char *text, uint64_t now_us, uint64_t *out_us);

#endif
