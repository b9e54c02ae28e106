/* SPDX-License-Identifier: Apache-2.0 */
/* One line of the access log: an object of JSON (RFC 8259) and a newline; docs/interface.md has its
 * members. Pure but for the clock's offset in proxy. */
#ifndef EBB_GATEWAY_ACCESS_LINE_H
#define EBB_GATEWAY_ACCESS_LINE_H

#include <stddef.h>
#include <stdint.h>

struct access_note;
struct client;
struct proxy;

/* Every byte of the noted texts may become \u00XX, so no line is longer. */
#define ACCESS_LINE_MAX 6144

size_t access_line(struct proxy *p, const struct client *c, const struct access_note *note,
		   uint64_t now_ns, char out[ACCESS_LINE_MAX]);

#endif
