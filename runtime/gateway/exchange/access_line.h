/* SPDX-License-Identifier: Apache-2.0 */
/* Writes one line of the access log: an object of JSON (RFC 8259) and a newline. docs/interface.md
 * section 11 lists its members. Touches nothing but the cached wall clock of g. */
#ifndef EBB_GATEWAY_ACCESS_LINE_H
#define EBB_GATEWAY_ACCESS_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct access_note;
struct client;
struct gateway;

/* The line fits even if every byte of the noted texts becomes \u00XX. */
#define ACCESS_LINE_MAX 6144

/* aborted: the client does not get all of its answer; now_ns: CLOCK_MONOTONIC, when the exchange
 * ended. Returns the bytes written; the line has no terminator. */
size_t access_line(struct gateway *g, const struct client *c, const struct access_note *note,
		   bool aborted, uint64_t now_ns, char out[ACCESS_LINE_MAX]);

#endif
