/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to instances, between ebbd and gateways: a part of records.h. */
#ifndef EBB_WIRE_QUEUE_RECORDS_H
#define EBB_WIRE_QUEUE_RECORDS_H

#include <stdint.h>

/* ---- gateway -> ebbd ---- */

/* A gateway used up its room in the instance's accept queue, or a request has waited for an answer
 * for waited_ms. */
struct wire_queue_get {
	uint32_t slot, generation;
	uint32_t waited_ms, reserved;
};

/* ---- ebbd -> gateway ---- */

/* Answers QUEUE_GET: how many connections of all gateways nobody has accepted yet, and how many of
 * them may be this gateway's. */
struct wire_queue {
	uint32_t slot, generation;
	uint32_t length, share;
};

/* The instance leaves connections waiting although it does nothing: its threads, or its only one,
 * wait for another request on those that idle. Close them, and keep none for so long. */
struct wire_pool_drop {
	uint32_t slot, generation;
	uint32_t for_ms, reserved;
};

/* More sockets for an instance; fds: count of them. */
struct wire_sockets {
	uint32_t slot, generation;
	uint32_t count, reserved;
};

#endif
