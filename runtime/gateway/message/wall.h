/* SPDX-License-Identifier: Apache-2.0 */
/* The wall clock, asked for once a second at most. */
#ifndef EBB_GATEWAY_WALL_H
#define EBB_GATEWAY_WALL_H

#include "runtime/http/head.h"
#include "runtime/http/trace.h"

struct wall {
	uint64_t offset_ns,
		checked_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC, and when that was seen */
	uint64_t date_s;    /* of which date is the text */
	char date[HTTP_DATE_SIZE];
};

/* Microseconds since the epoch of a moment of CLOCK_MONOTONIC; now_ns: of that clock too. */
uint64_t wall_us(struct wall *w, uint64_t now_ns, uint64_t mono_ns);
uint64_t wall_ms(struct wall *w, uint64_t now_ns, uint64_t mono_ns);
/* Now, as the Date field has it; good until the next call. */
struct http_slice wall_date(struct wall *w, uint64_t now_ns);

#endif
