/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's own view of each instance: sockets born in its namespace, the file that thaws it,
 * its idle connections. Only the board says whether it may be used.
 */
#ifndef EBB_GATEWAY_INSTANCES_H
#define EBB_GATEWAY_INSTANCES_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "runtime/gateway/route/route.h"
#include "runtime/wire/board.h"
#include "runtime/wire/channel.h"

#define STOCK_MAX    WIRE_FDS_MAX
#define STOCK_LOW    4u
#define STOCK_REFILL 8u

/* The last use of a connection: servers end it behind some requests and not behind others. */
enum before { BEFORE_HEAD, BEFORE_SAFE, BEFORE_UNSAFE, BEFORE_COUNT };

/* The protocol that it was found or is said to speak. */
enum speaks { SPEAKS_UNKNOWN, SPEAKS_HTTP1, SPEAKS_HTTP2 };

struct instance {
	bool up, asked_sockets;
	bool nacked; /* and has answered nothing since */
	uint32_t slot, generation, service, revision;
	struct chain of_service;
	/* Its accept queue, see room.c. */
	uint32_t room, room_max; /* connects that may be made now, and at first */
	uint32_t connecting;     /* not decided yet by the kernel */
	uint32_t waiting; /* connected, no byte came; some of them nobody may have accepted */
	uint32_t left, left_then; /* of these, closed */
	uint32_t waiting_then;    /* when it was asked */
	uint32_t since_ask;       /* made since it was asked how full it is, or on their way then */
	uint32_t epoch, accepted_epoch; /* epoch: of the next question */
	bool asked_room;
	struct chain in_room; /* of those to be asked again */
	uint32_t empty_answers;
	uint64_t asked_room_ns;
	bool draining;         /* no idle connections are kept */
	uint64_t pool_from_ns; /* nor before this */
	/* By the kind of the last request: a connection was good for another request; or one was
	 * ended at once without a word, so none is trusted any more. */
	bool keeps[BEFORE_COUNT], ends[BEFORE_COUNT];
	struct chain pool; /* of struct upstream, the last one used first */
	uint32_t pool_count;
	struct chain waits;    /* of struct client: they have a ticket and no socket */
	struct chain wakes;    /* of struct client: WebSockets that want a ticket again */
	uint32_t used_sockets; /* since the last time we asked for more */
	uint64_t up_ns, doubt_until_ns;
	uint8_t upstream;         /* enum wire_upstream: the setting of its service */
	uint8_t speaks;           /* enum speaks */
	bool told;                /* it was the instance that said so */
	uint32_t h2_streams_max;  /* on one connection, as it said last */
	struct chain h2_sessions; /* of struct h2up_session */
	uint32_t down_cause;      /* of the last one that had this slot, while up is false */
	int32_t down_detail;
	int freeze_fd;
	int stock_fds[STOCK_MAX];
	uint32_t stock_count;
	socklen_t address_size;
	struct sockaddr_storage address;
	size_t id_size;
	char id[INSTANCE_ID_SIZE];
};

struct instances {
	struct instance *slots; /* INSTANCES_MAX */
};

int instances_init(struct instances *all); /* 0 or -ENOMEM */
/* Adds what the record says; takes the descriptors out of m. 0, -EINVAL for a bad record. */
int instances_up(struct instances *all, struct routes *routes, const struct wire_instance_up *up,
		 int *fds, uint64_t now_ns);
/* The instance of this generation, or NULL. */
struct instance *instances_get(const struct instances *all, uint32_t slot, uint32_t generation);
/* Unlinks it and closes what it had; the pool and the waiting clients are the caller's. */
void instances_down(struct instance *i);
/* Takes more sockets; those that do not fit are left in fds. Returns how many were taken. */
uint32_t instances_stock(struct instance *i, int *fds, uint32_t count);

#endif
