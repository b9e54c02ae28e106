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
	g->work = (struct allowance){.per_s = WORK_PER_S, .most = WORK_MOST};
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

/* Out of descriptors: a spare one takes the next connection, so that it hears of its refusal and
 * the loop does not spin. */
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

/* ---- what hearing one costs ---- */

static void listen_to(struct ipc *ipc, int fd, int op, uint64_t key)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = key};

	(void)epoll_ctl(ipc->epoll_fd, op, fd, &event);
}

static void listen_to_all(struct ipc *ipc, struct guest *g, int op)
{
	listen_to(ipc, g->listen_fd, op, source_key(SOURCE_LISTENER, g->generation, g->slot));
	for (uint32_t link = g->connections; link; link = ipc->connections[link - 1]->next)
		listen_to(ipc, ipc->connections[link - 1]->fd, op,
			  source_key(SOURCE_CONNECTION, ipc->lives[link - 1], link - 1));
}

static void pause_guest(struct ipc *ipc, struct guest *g, uint64_t now_ns)
{
	uint64_t wait_ns = allowance_wait_ns(&g->work);

	listen_to_all(ipc, g, EPOLL_CTL_DEL);
	g->paused = true;
	g->resume_ns = now_ns + (wait_ns > PAUSE_NS ? wait_ns : PAUSE_NS);
	g->next_paused = ipc->paused;
	ipc->paused = g;
	atomic_fetch_add(&board_tally(ipc->board, g->slot)->paused, 1);
}

static void forget_paused(struct ipc *ipc, const struct guest *g)
{
	struct guest **at = &ipc->paused;

	while (*at && *at != g)
		at = &(*at)->next_paused;
	if (*at)
		*at = g->next_paused;
}

uint64_t guest_begin(struct ipc *ipc, const struct guest *g)
{
	atomic_store(board_hearing(ipc->board), (uint64_t)g->generation << 32 | (g->slot + 1));
	return clock_thread_ns();
}

void guest_end(struct ipc *ipc, struct guest *g, uint64_t begun_ns)
{
	uint64_t work_ns = clock_thread_ns() - begun_ns, now_ns = clock_mono_ns();

	atomic_store(board_hearing(ipc->board), 0);
	atomic_fetch_add(&board_tally(ipc->board, g->slot)->work_ns, work_ns);
	if (!allowance_take(&g->work, work_ns, now_ns) && !g->paused)
		pause_guest(ipc, g, now_ns);
}

uint64_t guests_resume(struct ipc *ipc, uint64_t now_ns)
{
	uint64_t next_ns = UINT64_MAX;

	for (struct guest *g = ipc->paused, *next; g; g = next) {
		next = g->next_paused;
		if (g->resume_ns > now_ns) {
			next_ns = g->resume_ns < next_ns ? g->resume_ns : next_ns;
			continue;
		}
		forget_paused(ipc, g);
		g->paused = false;
		listen_to_all(ipc, g, EPOLL_CTL_ADD);
	}
	return next_ns;
}

/* Words from before its end may tell why it ended, so they are read; its limits stay the same. */
static void read_last(struct ipc *ipc, struct guest *g)
{
	uint64_t begun_ns = guest_begin(ipc, g), now_ns = begun_ns;

	guest_accept(ipc, g);
	for (uint32_t link = g->connections, next; link; link = next) {
		struct connection *c = ipc->connections[link - 1];

		next = c->next;
		while (ipc->connections[link - 1] == c && now_ns - begun_ns < LAST_WORK_NS &&
		       connection_read(ipc, c))
			now_ns = clock_thread_ns();
	}
	g->paused = true; /* it is not heard again */
	guest_end(ipc, g, begun_ns);
}

void guest_down(struct ipc *ipc, struct guest *g)
{
	forget_paused(ipc, g);
	if (ipc->board) /* else it never served */
		read_last(ipc, g);
	while (g->connections)
		connection_close(ipc, ipc->connections[g->connections - 1]);
	holds_end_all(ipc->holds, g->slot);
	ipc->guests[g->slot] = NULL;
	guest_free(g);
}
