/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The board: shared memory in which gateways and the supervisor agree which instance may be used.
 *
 * A file in the run directory, mapped by ebbd, by ebb-ipc and by every gateway. One slot per
 * instance holds one atomic word: generation, state, holds, open tickets. A ticket is the right of
 * a gateway to have one piece of work open on an instance: no ticket, no work.
 *
 *   take    CAS by a gateway: refused if the generation differs, the instance is not RUNNING or
 *           FROZEN, or tickets = limit. tickets + 1, and FROZEN becomes RUNNING in the same step;
 *           that gateway must then write "0" to cgroup.freeze and ring the doorbell.
 *   give    tickets - 1 by the gateway that took it.
 *   hold    the same by ebb-ipc for work that outlives its response; FROZEN becomes RUNNING and
 *           ebb-ipc writes "0". Also while DRAINING, if work is open: open work may go on.
 *   freeze  CAS by the supervisor: (RUNNING, no tickets, no holds) becomes FROZEN. The supervisor
 *           writes "1" and looks again; if the word is no longer FROZEN, it writes "0".
 *
 * A gateway writes "0" only while it owns a ticket, and ebb-ipc only while it owns a hold. The
 * supervisor writes "1" only before it looks again. So no order of these steps leaves a frozen
 * cgroup with open work; tests/unit/test_board.c walks through every interleaving. Each gateway
 * also counts its tickets in a page of its own, so that the supervisor can return the tickets of a
 * dead gateway. Holds have one owner, ebb-ipc, so the words alone count its holds.
 *
 * Every gateway can write all of the board, and a gateway may be hijacked. So the supervisor
 * believes nothing here that could hurt more than the requests of this host's functions. Nothing
 * that it finds here ends the supervisor or makes it wait for ever.
 *
 * Provisioned time needs no lock: the clock is subtracted from awake_ns when tickets + holds leave
 * 0, and added when they return to 0. So the sum is exact whenever nothing is open.
 */
#ifndef EBB_WIRE_BOARD_H
#define EBB_WIRE_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/wire/records.h"

enum board_state {
	BOARD_EMPTY,    /* no instance here */
	BOARD_STARTING, /* not ready: no tickets yet */
	BOARD_RUNNING,
	BOARD_FROZEN,
	BOARD_DRAINING, /* finishes open work, takes no new work */
	BOARD_DEAD,
	BOARD_STATE_COUNT,
};

/* The word: bits 0-15 tickets, 16-31 holds, 32-35 state, 36-63 generation. */
typedef uint64_t board_word;

static inline uint32_t board_tickets(board_word w)
{
	return (uint32_t)(w & 0xffff);
}
static inline uint32_t board_holds(board_word w)
{
	return (uint32_t)(w >> 16 & 0xffff);
}
static inline enum board_state board_state_of(board_word w)
{
	return (enum board_state)(w >> 32 & 0xf);
}
static inline uint32_t board_generation(board_word w)
{
	return (uint32_t)(w >> 36);
}
static inline board_word board_make(uint32_t generation, enum board_state state, uint32_t holds,
				    uint32_t tickets)
{
	return (board_word)generation << 36 | (board_word)state << 32 | (board_word)holds << 16 |
	       tickets;
}

struct board_slot {
	_Alignas(64) _Atomic board_word word;
	_Atomic int64_t awake_ns;       /* see above; plus the clock while work is open */
	_Atomic uint64_t idle_since_ns; /* CLOCK_MONOTONIC when tickets+holds last became 0 */
	_Atomic uint32_t limit;         /* tickets at most */
	_Atomic uint32_t service;       /* index of its service */
	/* How often the word became FROZEN. The count rises before "1" is written to the cgroup. So
	 * a gateway that takes a ticket on a frozen instance sees that older connections may be
	 * poisoned. A gateway that takes one between the word and the count thaws an instance that
	 * was never frozen. */
	_Atomic uint32_t freezes;
	_Atomic uint32_t saturated; /* not 0: gateways send requests elsewhere while they can */
	_Alignas(64) _Atomic uint64_t invocations;
	_Atomic uint64_t thaws; /* by tickets and holds */
	/* Measured by gateways: first bytes of answers and their time since the request was sent
	 * (without cold and thawed instances), requests sent to the instance while it was
	 * saturated, and requests that it gave back. */
	_Atomic uint64_t first_bytes, first_byte_us;
	_Atomic uint32_t crowded, nacks;
	_Atomic uint64_t thawed_ns; /* when the last thaw was, or an earlier one */
	_Atomic uint64_t wanted_ns; /* when a client last waited for a ticket here */
	/* The instance is not frozen before this time: WebSockets gave their tickets to waiting
	 * clients before they had been silent for hibernate_ms. The supervisor believes it only
	 * until hibernate_ms after idle_since_ns. */
	_Atomic uint64_t awake_until_ns;
};

/* The page of one gateway. Only that gateway writes here; the supervisor reads it after the death
 * of the gateway. */
struct board_gateway {
	_Alignas(64) _Atomic uint64_t pending; /* slot + 1 while a take or give is under way */
	_Atomic uint16_t tickets[INSTANCES_MAX + 1];
	_Atomic uint16_t sleeping[INSTANCES_MAX + 1]; /* WebSockets that gave their tickets back */
	/* Of instances with bindings: bit n says that a request of depth n has a ticket there. */
	_Atomic uint32_t depths[INSTANCES_MAX + 1];
};

/* ebb-ipc describes its holds here for people. Only ebb-ipc writes; readers copy, and a torn copy
 * is a wrong line in `ebb why`, nothing else. */
#define BOARD_NOTES_MAX 4 /* the first few holds of an instance */
struct board_note {
	_Atomic uint64_t id_high, id_low; /* of the request */
	_Atomic uint64_t until_ms;        /* wall clock; 0 = unused */
};
/* Counters of an instance since it came up. */
struct board_tally {
	_Atomic uint64_t messages; /* messages that ebb-ipc understood */
	_Atomic uint64_t refused;  /* connections closed because of their messages */
	_Atomic uint64_t cut;      /* holds ended by their deadline */
	_Atomic uint64_t lost;     /* log lines that the pipe did not take */
	_Atomic uint64_t work_ns;  /* CPU time of ebb-ipc for this instance */
	_Atomic uint64_t paused;   /* times it was not heard for a while because of that */
};
struct board_holder {
	_Alignas(64) _Atomic uint64_t pending; /* slot + 1 while a hold or release is under way */
	/* generation << 32 | slot + 1 of the instance whose bytes ebb-ipc reads now; 0 = none. When
	 * ebb-ipc dies, this names the instance whose message it was reading. */
	_Atomic uint64_t hearing;
	struct board_note notes[INSTANCES_MAX][BOARD_NOTES_MAX];
	struct board_tally tallies[INSTANCES_MAX];
};

struct board; /* a mapping of the file */

/* Makes the file "board" in dir_fd anew, sized and zeroed, and maps it. *out_fd is the caller's. 0
 * or -errno. */
int board_create(int dir_fd, uint32_t gateway_count, struct board **out, int *out_fd);
/* Maps an existing board; board_fd is borrowed. 0, -EPROTO if it is no board, or -errno. */
int board_open(int board_fd, struct board **out);
void board_close(struct board *b); /* unmaps; NULL is fine */

struct board_slot *board_slot(struct board *b, uint32_t slot); /* slot < INSTANCES_MAX */
/* The word at this moment; another process may change it at any time. */
board_word board_load(struct board *b, uint32_t slot);

/* The results of board_take and board_hold. FULL: at the limit; GONE: another generation, or it
 * takes no work. */
enum board_take { BOARD_TAKEN, BOARD_TAKEN_THAW, BOARD_FULL, BOARD_GONE };

/* Gateway: takes one ticket. BOARD_TAKEN_THAW: this call made the instance RUNNING, and the caller
 * must write "0" and ring the doorbell. */
enum board_take board_take(struct board *b, uint32_t gateway, uint32_t slot, uint32_t generation);
/* Gateway: gives one ticket back. Returns how many are still open. */
uint32_t board_give(struct board *b, uint32_t gateway, uint32_t slot, uint32_t generation);

/* Gateway: changes the number of its sleeping WebSockets on this slot by `by`. */
void board_sleep(struct board *b, uint32_t gateway, uint32_t slot, int by);
/* The sleeping WebSockets of all gateways; for showing. */
uint32_t board_sleeping(struct board *b, uint32_t slot);

/* Gateway: sets its depths of this slot. */
void board_set_depths(struct board *b, uint32_t gateway, uint32_t slot, uint32_t depths);
/* The depths of all gateways. */
uint32_t board_depths(struct board *b, uint32_t slot);

/* A gateway says that a client waits for a ticket of this slot, and repeats that every
 * BOARD_WANT_NS. The board keeps a time and not a count, so nothing has to be taken back for a dead
 * gateway. Times are CLOCK_MONOTONIC. */
#define BOARD_WANT_NS UINT64_C(10000000)
void board_want(struct board *b, uint32_t slot, uint64_t now_ns);
bool board_wanted(struct board *b, uint32_t slot, uint64_t now_ns);
/* Raises awake_until_ns of the slot to until_ns. */
void board_keep_awake(struct board *b, uint32_t slot, uint64_t until_ns);

/* Supervisor: opens a settled slot under its next generation, which is returned, in STARTING. */
uint32_t board_open_slot(struct board *b, uint32_t slot, uint32_t limit, uint32_t service);
/* Supervisor: moves to a state if the present one is in from_states (bits 1u << state). True if it
 * did. */
bool board_move(struct board *b, uint32_t slot, uint32_t from_states, enum board_state to);
/* Supervisor: (RUNNING, nothing open) becomes FROZEN. True if it did. */
bool board_try_freeze(struct board *b, uint32_t slot);
/* Supervisor: no work is open on the slot and no process is between two steps on it, so it may be
 * opened anew. */
bool board_settled(struct board *b, uint32_t slot);

/* ebb-ipc: holds for work that outlives a response; a hold counts like a ticket. BOARD_TAKEN_THAW:
 * as for board_take. A release of a hold that is not there does nothing. */
enum board_take board_hold(struct board *b, uint32_t slot, uint32_t generation);
void board_release(struct board *b, uint32_t slot, uint32_t generation);
struct board_note *board_notes(struct board *b, uint32_t slot); /* BOARD_NOTES_MAX of them */
/* ebb-ipc writes the tally and `hearing`, see struct board_holder. */
struct board_tally *board_tally(struct board *b, uint32_t slot);
_Atomic uint64_t *board_hearing(struct board *b);
/* The supervisor calls this when ebb-ipc died: no hold is open any more. ebb-ipc may have died
 * between two steps, so the caller then touches every instance (fleet_touch). */
void board_return_holds(struct board *b);
/* Supervisor: returns everything that a dead gateway had open. touched(ctx, slot) is called for
 * each such slot, and the caller writes "0" there, because the gateway may have died between its
 * CAS and its write. */
void board_return_tickets(struct board *b, uint32_t gateway,
			  void (*touched)(void *ctx, uint32_t slot), void *ctx);
/* Provisioned time so far, in ns. False: gateways never held still; keep the value that was read
 * before. */
bool board_awake_ns(struct board *b, uint32_t slot, uint64_t *out_ns);
/* Brings provisioned time back between low_ns (the last reading) and high_ns (that reading plus the
 * time since), because a gateway may have died between opening work and starting the clock. */
void board_awake_clamp(struct board *b, uint32_t slot, uint64_t low_ns, uint64_t high_ns);

#endif
