/* SPDX-License-Identifier: Apache-2.0 */
/* One line of the access log: an object of JSON (RFC 8259) and a newline; docs/interface.md has its
 * members. Pure but for the clock on the wall. */
#ifndef EBB_GATEWAY_ACCESS_LINE_H
#define EBB_GATEWAY_ACCESS_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct access_note;
struct client;
struct gateway;

/* Every byte of the noted texts may become \u00XX, so no line is longer. */
#define ACCESS_LINE_MAX 6144

size_t access_line(struct gateway *g, const struct client *c, const struct access_note *note,
		   bool aborted, uint64_t now_ns, char out[ACCESS_LINE_MAX]);

#endif
