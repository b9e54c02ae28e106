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

#include "runtime/base/fault.h"
#include "runtime/base/loop.h"
#include "runtime/supervisor/host/config.h"
#include "runtime/supervisor/host/estate.h"
#include "runtime/supervisor/programs/launch.h"
#include "runtime/supervisor/programs/program_log.h"
#include "runtime/wire/link.h"

/* The user ids of the programs, above id_base. */
enum program_uid {
	UID_GATEWAY = 1,
	UID_API,
	UID_LEDGER,
	UID_IPC,
	UID_NET,
	UID_TICK,
	UID_DNS,
	UID_FLOW
};

struct daemon;

/* One row for each program: the facts that are the same at each start. */
struct program {
	const char *file;              /* in libexec_dir */
	uint32_t uid;                  /* above id_base */
	bool rules_network;            /* see launch.h */
	const struct wire_rule *rules; /* records that it may send; self: the daemon */
	size_t rule_count;
	/* Makes the descriptor for this start alone: *extra_fd (owned by the daemon), or leaves -1.
	 * 0 or -errno. NULL: there is none. */
	int (*prepare)(struct daemon *d, int *extra_fd);
	void (*on_started)(struct daemon *d); /* send the first record now */
	/* An earlier ebbd started it; phase is as it was. NULL: it does not outlive its ebbd. */
	void (*on_adopted)(struct daemon *d);
	/* It is gone; a restart follows unless stopping. An owner that cannot do without it sets
	 * failures to 0; then the restart comes soon. */
	void (*on_ended)(struct daemon *d);
};

/* The share of all programs in ebbd: its loop, its settings, its events. */
struct inherited;
struct program_host {
	struct loop *loop;
	const struct config *config;
	const struct inherited *inherited; /* host/inherited.h */
	struct estate *estate;
	const char *stage_dir;
	void *self;
	/* An event of a program, or of ebbd itself: kind is an enum wire_event_kind. */
	void (*say)(void *self, uint32_t kind, const char *text);
};

struct daemon {
	/* set by the owner before daemon_start */
	const char *name;     /* "ebb-gateway-0"; NULL: that of its file */
	const char *root_dir; /* see launch.h */
	void *self;
	/* the daemon's own */
	struct program program;
	const struct program_host *host;
	char binary[CONFIG_PATH_SIZE + 32];
	struct launch launch;
	struct wire_link link; /* the owner sets its phase, and may look whether it is open */
	pid_t pid;
	int pid_fd;
	struct watch death;
	struct program_log log;
	int last_signal; /* that ended the last one, or 0 */
	char fault[96];  /* the record that ebbd ended it for, or "" */
	struct timer restart;
	struct timer parting; /* its channel has ended; it has until then to end itself */
	uint64_t started_ns;
	uint32_t failures;
	bool stopping;
	bool adopted; /* no child of this ebbd: how it ends is not known */
	bool has_row;
	uint32_t row;     /* in the estate, while it runs */
	uint32_t upgrade; /* it was started after so many upgrades: its binary is of that time */
};

/* Starts it, or takes over the one that runs; host is borrowed. 0, or -errno with a sentence (the
 * first start must work). */
int daemon_start(struct daemon *d, const struct program *program, const struct program_host *host,
		 struct fault *f);
/* Sends a record, or queues it; a record that cannot be sent ends the program. fds are borrowed. */
void daemon_send(struct daemon *d, uint32_t type, const void *record, size_t size, const int *fds,
		 unsigned int fd_count);
/* The phase of its rules from now on (channel.h). */
void daemon_phase(struct daemon *d, uint32_t phase);
bool daemon_talks(const struct daemon *d); /* its channel is open */
/* No restart any more; its end comes through on_ended. Closing its channel asks it to go. */
void daemon_stop(struct daemon *d);
bool daemon_runs(const struct daemon *d);
bool daemon_is_wanted(const struct daemon *d); /* it runs, or is started again soon */
/* Kills and reaps without a word. */
void daemon_kill(struct daemon *d);

/* Ends the programs that an earlier ebbd left, but (unless all) those that are taken over, and
 * waits until they are gone. */
void programs_end(struct estate *estate, bool all);
/* Whether a program of this name runs that an earlier ebbd left. */
bool programs_has(const struct estate *estate, const char *name);
/* Each descriptor that one of them has. */
void programs_each_fd(const struct estate *estate, void (*fn)(void *ctx, int fd), void *ctx);

#endif
