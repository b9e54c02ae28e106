/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands that run in instances for ebb-api (`ebb exec`). Each keeps its instance awake, and
 * ends with it, and with the ebb-api that asked.
 */
#ifndef EBB_SUPERVISOR_EXECS_H
#define EBB_SUPERVISOR_EXECS_H

#include "runtime/base/loop.h"
#include "runtime/supervisor/scale/fleet.h"
#include "runtime/wire/records.h"

#define EXECS_MAX 64

struct execs;
struct execs_options {
	struct loop *loop;
	struct fleet *fleet;
	void *self;
	/* It is about to be executed. fds are borrowed. */
	void (*on_started)(void *self, const struct wire_exec_started *record, const int *fds,
			   unsigned int fd_count);
	void (*on_ended)(void *self, const struct wire_exec_ended *record);
};

int execs_new(const struct execs_options *options, struct execs **out); /* 0 or -ENOMEM */
/* Ends all of them. NULL is fine. */
void execs_free(struct execs *m);
/* Starts a command. 0, also if it could not be started: on_ended then says why. -EPROTO if the
 * record is malformed. */
int execs_start(struct execs *m, const struct wire_exec_start *ask);
/* Sends a signal to a command; number 0 ends it. A command that has ended already is no error.
 * -EPROTO if the record is malformed. */
int execs_signal(struct execs *m, const struct wire_exec_signal *ask);
/* The ebb-api that asked is gone: all end, without a word. */
void execs_end(struct execs *m);

#endif
