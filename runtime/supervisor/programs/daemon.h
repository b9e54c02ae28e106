/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of ebb's own programs under ebbd: started confined, watched, started again when it dies (soon
 * the first time, then ever later), and ended with ebbd.
 */
#ifndef EBB_SUPERVISOR_DAEMON_H
#define EBB_SUPERVISOR_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/supervisor/programs/launch.h"
#include "runtime/supervisor/host/loop.h"
#include "runtime/supervisor/programs/peer.h"
#include "runtime/supervisor/programs/program_log.h"

struct daemon {
	/* set by the owner before daemon_start */
	struct loop *loop;
	struct launch launch; /* all but control_fd and extra_fd */
	struct peer peer;     /* name, rules, rule_count, self; on_lost is the daemon's own */
	/* Makes the descriptor for this start alone: *extra_fd (owned by the daemon), or leaves -1.
	 * 0 or -errno. */
	int (*prepare)(struct daemon *d, int *extra_fd);
	void (*on_started)(struct daemon *d); /* send the first record now */
	/* It is gone; a restart follows unless stopping. Who cannot do without it sets failures to
	 * 0: then that is soon. */
	void (*on_ended)(struct daemon *d);
	void *self;
	/* the daemon's own */
	pid_t pid;
	int pid_fd;
	struct watch death;
	struct program_log log;
	int last_signal; /* that ended the last one, or 0 */
	char fault[96];  /* what it said that ebbd ended it for, or "" */
	struct timer restart;
	uint64_t started_ns;
	uint32_t failures;
	bool stopping;
};

/* 0 or -errno (the first start must work). */
int daemon_start(struct daemon *d);
/* No restart any more; its end comes through on_ended. Closing its channel asks it to go. */
void daemon_stop(struct daemon *d);
bool daemon_runs(const struct daemon *d);
/* Kills and reaps without a word. */
void daemon_kill(struct daemon *d);

#endif
