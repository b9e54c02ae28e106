/* SPDX-License-Identifier: Apache-2.0 */
/* The name of a status in the first line of an answer (RFC 9110 section 15). */
#ifndef EBB_HTTP_STATUS_H
#define EBB_HTTP_STATUS_H

/* Never NULL; "OK" or "Error" for a number without a name. */
const char *http_status_phrase(int status);

#endif
