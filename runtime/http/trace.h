/* SPDX-License-Identifier: Apache-2.0 */
/* Small formats that stand in field values: W3C Trace Context, IMF-fixdate. Pure. */
#ifndef EBB_HTTP_TRACE_H
#define EBB_HTTP_TRACE_H

#include "runtime/http/head.h"

#define HTTP_DATE_SIZE 29

/* Whether value is a traceparent that may be passed on (W3C Trace Context, section 3.2): lower-case
 * hexadecimal, ids that are not zero, a version that is not ff. Later versions may be longer. */
bool http_traceparent_valid(struct http_slice value);
/* Writes "Sun, 06 Nov 1994 08:49:37 GMT" for seconds since the epoch (RFC 9110 section 5.6.7),
 * without a terminator. */
void http_date(uint64_t seconds, char out[HTTP_DATE_SIZE]);

#endif
