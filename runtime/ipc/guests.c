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

static void guest_free(struct guest *g)
{
	loop_timer_off(g->ipc->loop, &g->resume);
	loop_unwatch(g->ipc->loop, &g->listener);
	fd_close(&g->listener.fd);
	fd_close(&g->freeze_fd);
	fd_close(&g->log_fd);
	free(g);
}

/* When descriptors have run out, the spare one is given up for the next connection, which is closed
 * at once. So the client sees the refusal, and the loop does not spin on the listener. */
static void turn_away(struct ipc *ipc, struct guest *g)
{
	fd_close(&ipc->spare_fd);
	ipc->spare_fd = accept4(g->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	fd_close(&ipc->spare_fd);
	ipc->spare_fd = fcntl(ipc->control.watch.fd, F_DUPFD_CLOEXEC, 0);
	guest_refused(ipc, g, "no descriptor is left for it");
}

static void accept_some(struct ipc *ipc, struct guest *g)
{
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		int fd = accept4(g->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			connection_open(ipc, g, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE)
			turn_away(ipc, g);
		return;
	}
}

static void on_connect(struct watch *w, uint32_t events)
{
	struct guest *g = container_of(w, struct guest, listener);
	uint64_t begun_ns = guest_begin(g->ipc, g);

	accept_some(g->ipc, g);
	guest_end(g->ipc, g, begun_ns);
}

int guest_up(struct ipc *ipc, const struct wire_ipc_up *up, int *fds)
{
	struct guest *g;
	int r;

	if (up->slot >= INSTANCES_MAX || ipc->guests[up->slot] || up->max_duration_ms == 0 ||
	    up->service >= SERVICES_MAX || !text_terminated(up->id, sizeof(up->id)))
		return -EPROTO;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	g->ipc = ipc;
	g->slot = up->slot;
	g->generation = up->generation;
	g->service = up->service;
	g->max_duration_ms = up->max_duration_ms;
	g->work = pace_of(WORK_PER_S, WORK_MOST);
	g->resume = (struct timer){.on_due = guest_on_resume, .name = "guest on_resume"};
	chain_init(&g->connections);
	memcpy(g->id, up->id, sizeof(g->id));
	g->listener = (struct watch){
		.fd = keep_fd(&fds[0]), .on_ready = on_connect, .name = "guest on_connect"};
	g->freeze_fd = keep_fd(&fds[1]);
	g->log_fd = keep_fd(&fds[2]);
	r = loop_watch(ipc->loop, &g->listener, EPOLLIN);
	if (r < 0) {
		guest_free(g);
		return r;
	}
	ipc->guests[g->slot] = g;
	holds_of_service(ipc->holds, g->slot, g->service);
	return 0;
}

struct guest *guest_get(struct ipc *ipc, uint32_t slot, uint32_t generation)
{
	struct guest *g = slot < INSTANCES_MAX ? ipc->guests[slot] : NULL;

	return g && g->generation == generation ? g : NULL;
}

/* Reads messages that the instance sent before its end, because they may tell why it ended. The
 * limits of an instance hold here too. */
static void read_last(struct ipc *ipc, struct guest *g)
{
	uint64_t begun_ns = guest_begin(ipc, g), now_ns = begun_ns;
	struct connection *c;

	accept_some(ipc, g);
	chain_each(c, &g->connections, in_guest)
		while (now_ns - begun_ns < LAST_WORK_NS && connection_read(ipc, c))
			now_ns = clock_thread_ns();
	g->paused = true; /* so that guest_end does not pause it; it is forgotten next */
	guest_end(ipc, g, begun_ns);
}

void guest_down(struct ipc *ipc, struct guest *g)
{
	struct connection *c;

	must(ipc->guests[g->slot] == g);
	read_last(ipc, g);
	chain_each(c, &g->connections, in_guest)
		connection_close(ipc, c);
	must(g->count == 0);
	holds_end_all(ipc->holds, g->slot);
	ipc->guests[g->slot] = NULL;
	guest_free(g);
}
