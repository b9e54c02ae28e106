/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at the pointers of a DNS message (RFC 1035, 4.1.4) before a library follows them. Pure. */
#ifndef EBB_DNS_POINTERS_H
#define EBB_DNS_POINTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POINTERS_MESSAGE_MAX 65535

/* Whether no name in these bytes, wherever it begins, comes to its end behind more pointers than a
 * name can have labels. Thousands of names at the end of a long chain cost a library seconds. A
 * loop is fine here: the library ends at the first one. */
bool pointers_are_few(const uint8_t *bytes, size_t size);

#endif
