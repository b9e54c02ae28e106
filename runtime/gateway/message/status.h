/* SPDX-License-Identifier: Apache-2.0 */
/* The name of a status in the first line of an answer. */
#ifndef EBB_GATEWAY_STATUS_H
#define EBB_GATEWAY_STATUS_H

/* Never NULL; "OK" or "Error" for a number without a name. */
const char *status_reason(int status);

#endif
