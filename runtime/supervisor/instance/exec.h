/* SPDX-License-Identifier: Apache-2.0 */
/* A command that joins an instance (`ebb exec`): made, heard, signalled, ended. */
#ifndef EBB_SUPERVISOR_EXEC_H
#define EBB_SUPERVISOR_EXEC_H

#include <stdbool.h>

#include "runtime/supervisor/instance/instance.h"

struct exec {
	int session_fd; /* owned: closing it ends the command */
	int ends[3];    /* owned: of its streams; of a tty the master alone, once it has STARTED */
	bool tty;
};

enum exec_says { EXEC_NOTHING, EXEC_STARTED, EXEC_ENDED };

/* ebbd makes the pipes: no descriptor of another program goes in. 0 or -errno with a sentence. */
int exec_start(struct instance *i, const struct wire_exec_start *ask, struct exec *out, char *text,
	       size_t text_size);
/* The next word of the command; *end is filled when the command has ended. */
enum exec_says exec_hear(struct exec *e, struct wire_exec_ended *end);
void exec_signal(const struct exec *e, uint32_t number);
void exec_fini(struct exec *e);

#endif
