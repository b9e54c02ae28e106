/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instances that may talk, and their connections. Private to this folder.
 *
 * A connection that sends a bad message is closed; the other connections of its instance and all
 * holds stay. Everything is bounded: connections in all and of one instance, bytes of unfinished
 * messages in all, the time that a message may take, the work for one instance. When all
 * connections or bytes are in use, one of the service that has the most gives way (shares.h).
 */
#ifndef EBB_IPC_GUESTS_H
#define EBB_IPC_GUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/chain.h"
#include "runtime/base/loop.h"
#include "runtime/base/pace.h"
#include "runtime/ipc/holds.h"
#include "runtime/ipc/shares.h"
#include "runtime/wire/board.h"
#include "runtime/wire/link.h"

#define CONNECTIONS_MAX          4096u
#define CONNECTIONS_PER_INSTANCE 16u
#define UNFINISHED_BYTES_MAX     (64u << 20) /* in all */
#define MESSAGE_TIME_MS          10000       /* from its first byte to its last */
#define READ_BYTES               65536
/* CPU time in ns that one instance may cost ebb-ipc (pace.h). An instance that costs more is not
 * heard until its allowance is above zero again. */
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
	char *unfinished; /* owned: the bytes of a message whose end has not come */
	size_t used, capacity;
	uint64_t begun_ns; /* when the first byte of that message came */
	struct chain in_unfinished;
};

struct guest {
	struct ipc *ipc;
	uint32_t slot, generation, service, max_duration_ms;
	struct watch listener; /* owns the descriptor */
	int freeze_fd, log_fd;
	struct chain connections;
	uint32_t count; /* of connections */
	bool retired, paused;
	struct pace work;
	struct timer resume; /* ends a pause, or the time between two turns */
	uint64_t said_ns;    /* when the last line about this instance went into ebb-ipc's log */
	char id[INSTANCE_ID_SIZE];
};

struct ipc {
	struct loop *loop;
	struct wire_link control;
	int doorbell_fd;
	int spare_fd; /* given up when no other descriptor is left, to refuse the next connection */
	struct board *board;
	struct holds *holds;
	struct timer cut;        /* the first hold's deadline */
	struct chain unfinished; /* connections in the middle of a message, oldest first */
	struct timer expiry;     /* due when the oldest of those has taken too long */
	struct guest *guests[INSTANCES_MAX];
	struct shares room, open; /* of bytes of unfinished messages, of connections */
	char bytes[READ_BYTES];
};

/* guests.c. Takes over the three descriptors of an IPC_UP. 0 or -errno. */
int guest_up(struct ipc *ipc, const struct wire_ipc_up *up, int *fds);
/* Reads the messages that are still there, then forgets the instance; its holds end. */
void guest_down(struct ipc *ipc, struct guest *g);
struct guest *guest_get(struct ipc *ipc, uint32_t slot, uint32_t generation);

/* work.c. To be called before and after all work for one instance. In between the board names the
 * instance whose bytes are read. guest_end charges the cost, and an instance that has cost too much
 * is not heard for a while; begun_ns is the value that guest_begin returned. */
uint64_t guest_begin(struct ipc *ipc, const struct guest *g);
void guest_end(struct ipc *ipc, struct guest *g, uint64_t begun_ns);
void guest_on_resume(struct timer *resume);

/* connections.c */
void connection_open(struct ipc *ipc, struct guest *g, int fd); /* takes fd */
void connection_close(struct ipc *ipc, struct connection *c);
/* Reads once. False when nothing more can be there: the connection was empty, or is closed and
 * freed. */
bool connection_read(struct ipc *ipc, struct connection *c);
/* Refuses connections whose message takes too long. Returns when the next message will have taken
 * too long (CLOCK_MONOTONIC, ns), or UINT64_MAX. */
uint64_t connections_expire(struct ipc *ipc, uint64_t now_ns);
/* Counts a refusal and logs why; at most a line a second per instance. */
void guest_refused(struct ipc *ipc, struct guest *g, const char *why);

/* actions.c. Carries out a message. 0, or -errno with a sentence in err when it is refused. */
int guest_hear(struct ipc *ipc, struct guest *g, const char *bytes, size_t size, char *err,
	       size_t err_size);
void guests_cut_due(struct ipc *ipc, uint64_t now_ns); /* ends holds whose deadline has come */

#endif
