/* SPDX-License-Identifier: Apache-2.0 */
/* Which query parameters a route takes. Another parameter is refused, never ignored. */
#ifndef EBB_API_QUERY_H
#define EBB_API_QUERY_H

#include <stdbool.h>

struct request;

/* takes: names separated by one space, a flag with a "?" behind it; NULL: none. The value of a flag
 * is "", 0, 1, true or false. False after having answered 400, for a parameter that is unknown,
 * given twice or cannot be decoded, or a flag with another value. */
bool query_fits(struct request *rq, const char *takes);

#endif
