/* SPDX-License-Identifier: Apache-2.0 */
/* The one way in which ebb reads a duration: "250ms", "2s", "5m", "1h", "7d". */
#ifndef EBB_BASE_DURATION_H
#define EBB_BASE_DURATION_H

#include <stdint.h>

/* Reads a whole number with its unit, and nothing else. 0, -EINVAL, or -ERANGE when it does not fit
 * 63 bits; *out_ms is written only on success. */
int duration_parse_ms(const char *text, uint64_t *out_ms);

#endif
