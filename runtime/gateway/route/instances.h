/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's own view of each instance: sockets born in its network namespace, the file that
 * thaws it, its idle connections. Only the board says whether an instance may be used.
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

/* The kind of the last request on a connection: servers end a connection behind some kinds and not
 * behind others. */
enum before { BEFORE_HEAD, BEFORE_SAFE, BEFORE_UNSAFE, BEFORE_COUNT };

/* The protocol that an instance speaks, by its setting or by what was found. */
enum speaks { SPEAKS_UNKNOWN, SPEAKS_HTTP1, SPEAKS_HTTP2 };

struct instance {
	bool up, asked_sockets;
	bool nacked; /* it gave a request back and has answered nothing since */
	bool said;   /* by the ebbd that takes over: hear/resume.c */
	uint32_t slot, generation, service, revision;
	struct chain of_service;
	/* Its accept queue, see upstream/room.h. */
	uint32_t room, room_max;  /* connects that may be made now; the number at first */
	uint32_t connecting;      /* connects that the kernel has not decided yet */
	uint32_t waiting;         /* connected without a byte yet, accepted or not */
	uint32_t left, left_then; /* closed without a byte; the number at the last question */
	uint32_t waiting_then;    /* waiting at the last question */
	uint32_t since_ask;       /* connects since room was asked for, and those under way then */
	uint32_t epoch, accepted_epoch; /* of the next question; the last that found it empty */
	bool asked_room;
	struct chain in_room; /* link in room_due of the upstreams */
	uint32_t empty_answers;
	uint64_t asked_room_ns;
	bool draining;         /* it drains: no idle connections are kept */
	uint64_t pool_from_ns; /* no idle connections are kept before this time */
	/* By the kind of the last request. keeps: a connection was good for another request. ends:
	 * a connection was ended at once without a word, so none is trusted any more. */
	bool keeps[BEFORE_COUNT], ends[BEFORE_COUNT];
	struct chain pool; /* of struct upstream by in_pool, the last one used first */
	uint32_t pool_count;
	struct chain waits;    /* of struct client: with a ticket, in line for a socket */
	struct chain wakes;    /* of struct client: WebSockets in line for a ticket */
	uint32_t used_sockets; /* sockets used since more were asked for */
	uint64_t up_ns, doubt_until_ns;
	uint8_t upstream;         /* enum wire_http: the setting of its service */
	uint8_t speaks;           /* enum speaks */
	bool told;                /* its own bytes showed what it speaks */
	uint32_t h2_streams_max;  /* streams on one connection, as it said last */
	struct chain h2_sessions; /* of struct h2up_session */
	uint32_t down_cause;      /* why the last instance in this slot ended, while up is false */
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
/* Adds the instance of the record. Takes the descriptors out of fds: cgroup.freeze first, then the
 * sockets. 0, or -EINVAL for a bad record. */
int instances_up(struct instances *all, struct routes *routes, const struct wire_instance_up *up,
		 int *fds, uint64_t now_ns);
/* The instance in this slot, if it is up and of this generation; else NULL. */
struct instance *instances_get(const struct instances *all, uint32_t slot, uint32_t generation);
/* Unlinks the instance and closes its descriptors. Its pool and its waiting clients are left to the
 * caller. */
void instances_down(struct instance *i);
/* Takes more sockets into the stock. Sockets that do not fit stay in fds. Returns how many were
 * taken. */
uint32_t instances_stock(struct instance *i, int *fds, uint32_t count);

#endif
