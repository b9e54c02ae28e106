/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of the configuration, as text and as the gateway gets them. */
#ifndef EBB_SUPERVISOR_NETWORK_H
#define EBB_SUPERVISOR_NETWORK_H

#include <stddef.h>

#include "runtime/wire/records.h"

/* "10.0.0.0/8", "2001:db8::/32", or one address. 0, or -EINVAL: no address, a prefix that is too
 * long, or bits behind the prefix. */
int network_parse(const char *text, struct wire_network *out);
void network_format(const struct wire_network *n, char *out, size_t size);

#endif
