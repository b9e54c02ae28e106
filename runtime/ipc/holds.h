/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that outlives its response, one hold per request. A hold is on the board as long as it is in
 * this table, and is ended by `end`, by its deadline, or with its instance. Bounded: HOLDS_MAX in
 * all, HOLDS_PER_INSTANCE for each. A heap knows which is due next.
 */
#ifndef EBB_IPC_HOLDS_H
#define EBB_IPC_HOLDS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/ipc/message.h"
#include "runtime/wire/board.h"

#define HOLDS_MAX          65536u
#define HOLDS_PER_INSTANCE 4096u

struct holds;

struct hold_terms {
	uint64_t due_ns;   /* CLOCK_MONOTONIC */
	uint64_t cap_ns;   /* no later word makes it longer than this: counts from the first */
	uint64_t until_ms; /* due_ns as a date, for people */
};

int holds_new(struct board *board, struct holds **out); /* 0 or -ENOMEM; board is borrowed */
void holds_free(struct holds *h);                       /* leaves the board as it is */

/* A first hold for this request is taken on the board; a further one changes its deadline.
 * BOARD_TAKEN_THAW: the caller must write "0" and ring. BOARD_FULL: a limit is reached. */
enum board_take holds_take(struct holds *h, uint32_t slot, uint32_t generation,
			   struct request_id id, const struct hold_terms *terms);
bool holds_end(struct holds *h, uint32_t slot, struct request_id id); /* false: there is none */
void holds_end_all(struct holds *h, uint32_t slot);
uint64_t holds_next_due_ns(const struct holds *h); /* UINT64_MAX: none */
/* Ends one that is due by now. False if none is. */
struct hold_cut {
	uint32_t slot;
	struct request_id id;
	uint64_t until_ms;
};
bool holds_cut_due(struct holds *h, uint64_t now_ns, struct hold_cut *out);

#endif
