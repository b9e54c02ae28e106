/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instances that may talk, and their connections. Private to this folder.
 *
 * A connection that sends a bad message is closed, and nothing else is: other connections and their
 * holds stay. Every table is bounded: connections in all and of one instance, bytes of unfinished
 * messages in all, the time a message may take, the work for one instance.
 */
#ifndef EBB_IPC_GUESTS_H
#define EBB_IPC_GUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/allowance.h"
#include "runtime/base/chain.h"
#include "runtime/base/loop.h"
#include "runtime/ipc/holds.h"
#include "runtime/wire/board.h"
#include "runtime/wire/link.h"

#define CONNECTIONS_MAX          4096u
#define CONNECTIONS_PER_INSTANCE 16u
#define UNFINISHED_BYTES_MAX     (64u << 20) /* in all */
#define MESSAGE_TIME_MS          10000       /* from its first byte to its last */
#define READ_BYTES               65536
/* CPU time that one instance may cost us; an instance that costs more is not heard until it has
 * paid. */
#define WORK_PER_S   UINT64_C(100000000)
#define WORK_MOST    UINT64_C(500000000)
#define PAUSE_NS     UINT64_C(10000000)
#define LAST_WORK_NS UINT64_C(20000000) /* for what an instance said before its end */

/* One program's connection. */
struct connection {
	struct ipc *ipc;
	struct watch watch; /* owns the descriptor */
	uint32_t slot;
	struct chain in_guest;
	char *unfinished; /* owned: of a message whose end has not come */
	size_t used, capacity;
	uint64_t begun_ns; /* when its first byte came */
	struct chain in_unfinished;
};

struct guest {
	struct ipc *ipc;
	uint32_t slot, generation, max_duration_ms;
	struct watch listener; /* owns the descriptor */
	int freeze_fd, log_fd;
	struct chain connections;
	uint32_t count; /* of them */
	bool retired, paused;
	struct allowance work;
	struct timer resume; /* of a paused one */
	uint64_t said_ns;    /* last line in our own log about it */
	char id[INSTANCE_ID_SIZE];
};

struct ipc {
	struct loop *loop;
	struct wire_link control;
	int doorbell_fd;
	int spare_fd; /* given up when there is no other, to tell the next one off */
	struct board *board;
	struct holds *holds;
	struct timer cut;        /* the first hold's deadline */
	struct chain unfinished; /* connections in the middle of a message, oldest first */
	struct timer expiry;     /* of the first of those */
	size_t unfinished_bytes;
	struct guest *guests[INSTANCES_MAX];
	uint32_t connection_count;
	char bytes[READ_BYTES];
};

/* guests.c. Takes fds[3] of an IPC_UP. 0 or -errno. */
int guest_up(struct ipc *ipc, const struct wire_ipc_up *up, int *fds);
/* Reads what is there still, then forgets it: its holds end. */
void guest_down(struct ipc *ipc, struct guest *g);
struct guest *guest_get(struct ipc *ipc, uint32_t slot, uint32_t generation);

/* work.c. These stand around all work for one instance: the board says whose bytes are read, the
 * cost is charged, and an instance that cost too much is not heard for a while. end takes the value
 * that begin returned. */
uint64_t guest_begin(struct ipc *ipc, const struct guest *g);
void guest_end(struct ipc *ipc, struct guest *g, uint64_t begun_ns);
void guest_on_resume(struct timer *resume);

/* connections.c */
void connection_open(struct ipc *ipc, struct guest *g, int fd); /* takes fd */
void connection_close(struct ipc *ipc, struct connection *c);
/* False when nothing more can be there: it was empty, or is closed and gone. */
bool connection_read(struct ipc *ipc, struct connection *c);
/* Refuses those whose message takes too long; when the next one does (UINT64_MAX: none). */
uint64_t connections_expire(struct ipc *ipc, uint64_t now_ns);
/* Counts and says why; not more than a line a second. */
void guest_refused(struct ipc *ipc, struct guest *g, const char *why);

/* actions.c: does what a message says. 0, or -errno with a sentence: it is refused. */
int guest_hear(struct ipc *ipc, struct guest *g, const char *bytes, size_t size, char *err,
	       size_t err_size);
void guests_cut_due(struct ipc *ipc, uint64_t now_ns); /* holds whose deadline has come */

#endif
