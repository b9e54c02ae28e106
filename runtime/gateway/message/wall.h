/* SPDX-License-Identifier: Apache-2.0 */
/* The wall clock, read at most once a second. */
#ifndef EBB_GATEWAY_WALL_H
#define EBB_GATEWAY_WALL_H

#include "runtime/http/head.h"
#include "runtime/http/trace.h"

struct wall {
	uint64_t offset_ns,
		checked_ns; /* CLOCK_REALTIME less CLOCK_MONOTONIC, and when that was read */
	uint64_t date_s;    /* the second that date shows */
	char date[HTTP_DATE_SIZE];
};

/* Micro- and milliseconds since the epoch at mono_ns, a moment of CLOCK_MONOTONIC; now_ns: the
 * present, by the same clock. */
uint64_t wall_us(struct wall *w, uint64_t now_ns, uint64_t mono_ns);
uint64_t wall_ms(struct wall *w, uint64_t now_ns, uint64_t mono_ns);
/* The present as text for a Date field, borrowed until the next call. */
struct http_slice wall_date(struct wall *w, uint64_t now_ns);

#endif
