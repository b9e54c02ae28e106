/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists of an HTTP/2 connection, to a client or to an instance: streams on which something
 * happened, heads that wait to be sent, and the connections that have something to say. All are
 * intrusive: streams and connections lie in tables, are known by number + 1 (0 = none), and begin
 * with their links.
 */
#ifndef EBB_GATEWAY_H2_LISTS_H
#define EBB_GATEWAY_H2_LISTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct h2_stream_links {
	uint32_t work_next, work_prev, head_next;
	uint8_t events; /* its events, which have to be worked on */
	bool in_work, head_waits;
};

/* Of one connection. */
struct h2_stream_lists {
	uint32_t work_head, work_tail, heads_head, heads_tail;
};

struct h2_session_links {
	uint32_t dirty_next, wait_next;
	bool dirty, waits;
};

/* Of all connections: with something to say; and with something to do once there is a buffer. */
struct h2_due {
	uint32_t dirty, waiting;
};

/* A table of what begins with its links. */
struct h2_table {
	void *at;
	size_t stride;
};

/* Notes that event happened to a stream. */
void h2_work_note(struct h2_stream_lists *l, struct h2_table streams, uint32_t index,
		  uint8_t event);
void h2_work_remove(struct h2_stream_lists *l, struct h2_table streams, uint32_t index);
void h2_heads_push(struct h2_stream_lists *l, struct h2_table streams, uint32_t index);
/* Nothing if its head does not wait. */
void h2_heads_remove(struct h2_stream_lists *l, struct h2_table streams, uint32_t index);

/* The connection has something to say (mark), or waits for a buffer (wait). Once is enough: both
 * may be said again. */
void h2_due_mark(struct h2_due *d, struct h2_table sessions, uint32_t index);
void h2_due_wait(struct h2_due *d, struct h2_table sessions, uint32_t index);
/* Those that waited for a buffer are due. */
void h2_due_retry(struct h2_due *d, struct h2_table sessions);
/* Takes the list of due connections: h2_due_take returns the first, h2_due_next the following one,
 * 0 at the end. A connection that is marked meanwhile is due next time. */
uint32_t h2_due_take(struct h2_due *d);
uint32_t h2_due_next(struct h2_table sessions, uint32_t taken);

#endif
