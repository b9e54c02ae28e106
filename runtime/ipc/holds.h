/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds: work that outlives its response, one hold per request. A hold is on the board as long as
 * it is in this table. It ends by the message `end`, by its deadline, or with its instance. There
 * are at most HOLDS_MAX in all and HOLDS_PER_INSTANCE per instance. A heap knows which is due next.
 * When all are taken, one of the service that has the most gives way to a service that has fewer.
 */
#ifndef EBB_IPC_HOLDS_H
#define EBB_IPC_HOLDS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/ipc/message.h"
#include "runtime/ipc/shares.h"
#include "runtime/wire/board.h"

#define HOLDS_MAX          65536u
#define HOLDS_PER_INSTANCE 4096u

struct holds;

struct hold_terms {
	uint64_t due_ns;   /* CLOCK_MONOTONIC */
	uint64_t cap_ns;   /* the bound of due_ns, set by the first message about the request */
	uint64_t until_ms; /* due_ns as a date, for people */
};

int holds_new(struct board *board, struct holds **out); /* 0 or -ENOMEM; board is borrowed */
void holds_free(struct holds *h);                       /* leaves the board as it is */

/* Says of which service the instance in this slot is, before its first hold. */
void holds_of_service(struct holds *h, uint32_t slot, uint32_t service);
/* The first hold of a request is taken on the board (board.h); a further one changes its deadline.
 * BOARD_TAKEN_THAW: the caller must write "0" to the instance's cgroup.freeze and ring the doorbell
 * of ebbd. BOARD_FULL: a limit is reached. */
enum board_take holds_take(struct holds *h, uint32_t slot, uint32_t generation,
			   struct request_id id, const struct hold_terms *terms);
bool holds_end(struct holds *h, uint32_t slot, struct request_id id); /* false: there is none */
void holds_end_all(struct holds *h, uint32_t slot);
uint64_t holds_next_due_ns(const struct holds *h); /* UINT64_MAX: none */
/* A hold that was ended because its deadline has passed. */
struct hold_cut {
	uint32_t slot;
	struct request_id id;
	uint64_t until_ms;
};
/* Ends one hold that is due by now_ns. False if none is. */
bool holds_cut_due(struct holds *h, uint64_t now_ns, struct hold_cut *out);

#endif
