/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heritage of the ebbd before: the estate, and which descriptors and programs go on. Also over
 * an exec of the keeper (docs/notes/0100-upgrade.md): the next binary finds the estate under the
 * descriptor that HERITAGE_VARIABLE names.
 */
#ifndef EBB_SUPERVISOR_HERITAGE_H
#define EBB_SUPERVISOR_HERITAGE_H

#include "runtime/supervisor/host/estate.h"
#include "runtime/supervisor/host/keeper.h"

/* `ebbd --can-follow` says by its exit code whether it could take over the estate. */
#define HERITAGE_VARIABLE "EBB_ESTATE"
/* The binary before, as a descriptor. And in that one, if it goes on: where the binary stood. */
#define HERITAGE_BEFORE   "EBB_BINARY_BEFORE"
#define HERITAGE_PLACE    "EBB_BINARY_PLACE"
#define HERITAGE_QUESTION "--can-follow"
enum { HERITAGE_CAN_FOLLOW = 0, HERITAGE_OTHER_RECORDS = 9 };

struct heritage {
	struct estate *estate;
	bool follows;           /* another binary made it */
	bool returns;           /* that one followed this one, and could not go on */
	struct estate_set base; /* descriptors that every ebbd has */
};

/* First of all: makes the estate, or takes the one that another binary left, with all descriptors.
 * 0 or -errno. */
int heritage_new(struct heritage *h);
/* The answer to HERITAGE_QUESTION. */
int heritage_can_follow(void);
/* Before there is an ebbd: every ebbd has the descriptors that are open now. 0 or -errno. */
int heritage_found(struct heritage *h);
/* In the keeper, when its ebbd is gone: executes the binary of words.next_fd in its place, which
 * gets all that outlives an ebbd. Returns only if that fails: -errno, and everything is as it
 * was. */
int heritage_become(struct heritage *h, char **argv);
/* In a keeper that follows, when it cannot go on: executes the binary before. place: where that one
 * stood. Returns only if that fails: -errno. */
int heritage_go_back(struct heritage *h, const char *place, char **argv, enum upgrade_fault fault);
/* The same when the estate could not be read. */
void heritage_go_back_blind(char **argv);
/* In a new ebbd, before it opens anything: ends and closes what does not go on. 0 or -errno. */
int heritage_take(struct heritage *h, enum keeper_life life);
void heritage_free(struct heritage *h);

#endif
