// SPDX-License-Identifier: Apache-2.0
/* Instances that may talk: up, accept, down. */
#include "runtime/ipc/guests.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define ACCEPTS_AT_ONCE 32
#define LAST_READS      64 /* of a connection whose instance has ended: 4 MiB */

static void guest_free(struct guest *g)
{
	fd_close(&g->listen_fd);
	fd_close(&g->freeze_fd);
	fd_close(&g->log_fd);
	free(g);
}

int guest_up(struct ipc *ipc, const struct wire_ipc_up *up, int *fds)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct guest *g;

	if (up->slot >= INSTANCES_MAX || ipc->guests[up->slot] || up->max_duration_ms == 0 ||
	    !text_terminated(up->id, sizeof(up->id)))
		return -EPROTO;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	g->slot = up->slot;
	g->generation = up->generation;
	g->max_duration_ms = up->max_duration_ms;
	memcpy(g->id, up->id, sizeof(g->id));
	g->listen_fd = keep_fd(&fds[0]);
	g->freeze_fd = keep_fd(&fds[1]);
	g->log_fd = keep_fd(&fds[2]);
	event.data.u64 = source_key(SOURCE_LISTENER, g->generation, g->slot);
	if (epoll_ctl(ipc->epoll_fd, EPOLL_CTL_ADD, g->listen_fd, &event) < 0) {
		int r = -errno;

		guest_free(g);
		return r;
	}
	ipc->guests[g->slot] = g;
	return 0;
}

struct guest *guest_get(struct ipc *ipc, uint32_t slot, uint32_t generation)
{
	struct guest *g = slot < INSTANCES_MAX ? ipc->guests[slot] : NULL;

	return g && g->generation == generation ? g : NULL;
}

/* Out of descriptors: the one kept for this lets the next in line be told, so that it does not wait
 * for ever, nor the loop spin. */
static void turn_away(struct ipc *ipc, struct guest *g)
{
	fd_close(&ipc->spare_fd);
	ipc->spare_fd = accept4(g->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	fd_close(&ipc->spare_fd);
	ipc->spare_fd = fcntl(ipc->epoll_fd, F_DUPFD_CLOEXEC, 0);
	guest_refused(ipc, g, "no descriptor is left for it");
}

void guest_accept(struct ipc *ipc, struct guest *g)
{
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		int fd = accept4(g->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			connection_open(ipc, g, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE)
			turn_away(ipc, g);
		return;
	}
}

/* What it said before it ended may be the line that tells why. */
static void read_last(struct ipc *ipc, struct guest *g)
{
	guest_accept(ipc, g);
	for (uint32_t link = g->connections, next; link; link = next) {
		struct connection *c = ipc->connections[link - 1];

		next = c->next;
		for (int i = 0; i < LAST_READS && ipc->connections[link - 1] == c; i++)
			connection_read(ipc, c);
	}
}

void guest_down(struct ipc *ipc, struct guest *g)
{
	read_last(ipc, g);
	while (g->connections)
		connection_close(ipc, ipc->connections[g->connections - 1]);
	holds_end_all(ipc->holds, g->slot);
	ipc->guests[g->slot] = NULL;
	guest_free(g);
}
