/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides which instance gets a request, and why, from the board as it is right now.
 */
#ifndef EBB_GATEWAY_CHOICE_H
#define EBB_GATEWAY_CHOICE_H

#include "runtime/gateway/route/instances.h"

/* The worth of sending a request to an instance; 0: impossible. An instance of the present revision
 * is preferred, then an awake one over a frozen one (nothing to thaw), then the fullest one, so
 * that others can drain and freeze. A saturated instance is the last resort, behind a frozen one.
 * limit: tickets at most. */
uint32_t choice_rank(board_word word, uint32_t generation, uint32_t limit, bool present_revision,
		     bool saturated);
/* Why the one with the best rank was taken; alone: the service has no other. */
enum wire_choice_reason choice_reason(uint32_t rank, bool alone);

/* Ranks come in classes of these bits; a higher class is better. Class 0: impossible. */
#define CLASS_PRESENT  4u /* of the present revision */
#define CLASS_ROOM     2u /* not saturated */
#define CLASS_AWAKE    1u
#define CHOICE_CLASSES 8

struct choice {
	struct instance *best; /* NULL = none has room */
	uint32_t rank;
	uint32_t classes[CHOICE_CLASSES]; /* how many instances were in each */
};

/* The best instance of a service right now. now_ns: CLOCK_MONOTONIC; instances in doubt then are
 * impossible. */
struct choice choice_make(struct board *board, const struct service *s, uint64_t now_ns);

#endif
