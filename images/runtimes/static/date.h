/* SPDX-License-Identifier: Apache-2.0 */
/* Dates of HTTP (RFC 9110 section 5.6.7), without the C library's time zones. */
#ifndef EBB_STATIC_DATE_H
#define EBB_STATIC_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATE_BYTES 32

/* "Sun, 06 Nov 1994 08:49:37 GMT"; years from 1970 to 9999. */
void date_write(int64_t seconds, char out[DATE_BYTES]);
/* Reads each of the three forms. */
bool date_read(const char *text, int64_t *out);

#endif
