// SPDX-License-Identifier: Apache-2.0
#include "runtime/ipc/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/ipc/guests.h"

#define EVENTS_AT_ONCE 64
#define LOOK_AGAIN_MS  1000 /* while somebody is in the middle of a message */

enum phase { PHASE_NEW = 1, PHASE_SERVING = 2 };

/* ---- what ebbd says ---- */

static int on_config(void *self, struct wire_message *m)
{
	struct ipc *ipc = self;
	int r = board_open(m->fds[0], &ipc->board);

	if (r == 0)
		r = holds_new(ipc->board, &ipc->holds);
	if (r < 0)
		return r;
	ipc->doorbell_fd = keep_fd(&m->fds[1]);
	ipc->phase = PHASE_SERVING;
	return wire_send(ipc->control_fd, WIRE_IPC_READY, NULL, 0, NULL, 0);
}

static int on_up(void *self, struct wire_message *m)
{
	return guest_up(self, (const void *)m->record, m->fds);
}

static int on_down(void *self, struct wire_message *m)
{
	struct ipc *ipc = self;
	const struct wire_ipc_down *down = (const void *)m->record;
	struct guest *g = guest_get(ipc, down->slot, down->generation);

	if (g)
		guest_down(ipc, g);
	return 0;
}

static const struct wire_rule rules[] = {
	{WIRE_IPC_CONFIG, 0, PHASE_NEW, 2, 2, on_config},
	{WIRE_IPC_UP, sizeof(struct wire_ipc_up), PHASE_SERVING, 3, 3, on_up},
	{WIRE_IPC_DOWN, sizeof(struct wire_ipc_down), PHASE_SERVING, 0, 0, on_down},
};

/* 0, or -errno: it cannot go on. The end of ebbd is not an error. */
static int read_control(struct ipc *ipc)
{
	int r = wire_recv(ipc->control_fd, &ipc->message);

	if (r == 1)
		return wire_dispatch(rules, ARRAY_LEN(rules), ipc->phase, ipc, &ipc->message);
	if (r == 0)
		ipc->ended = true;
	return r == -EAGAIN || r == -EINTR ? 0 : r;
}

/* ---- the loop ---- */

static void on_event(struct ipc *ipc, uint64_t key)
{
	uint32_t index = (uint32_t)key, life = (uint32_t)(key >> 32) & 0xfffffff;
	bool listener = key >> 60 == SOURCE_LISTENER;
	struct connection *c = listener ? NULL : ipc->connections[index];
	struct guest *g = NULL;
	uint64_t begun_ns;

	if (listener)
		g = guest_get(ipc, index, life);
	else if (c && (ipc->lives[index] & 0xfffffff) == life)
		g = ipc->guests[c->slot];
	if (!g || g->paused)
		return;
	begun_ns = guest_begin(ipc, g);
	if (listener)
		guest_accept(ipc, g);
	else
		(void)connection_read(ipc, c);
	guest_end(ipc, g, begun_ns);
}

static int timeout_ms(const struct ipc *ipc, uint64_t resume_ns)
{
	uint64_t due_ns = ipc->holds ? holds_next_due_ns(ipc->holds) : UINT64_MAX;
	uint64_t now_ns = clock_mono_ns(), ms = UINT64_MAX;

	due_ns = resume_ns < due_ns ? resume_ns : due_ns;
	if (due_ns != UINT64_MAX)
		ms = due_ns > now_ns ? (due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
	if (ipc->unfinished_count > 0 && ms > LOOK_AGAIN_MS)
		ms = LOOK_AGAIN_MS;
	if (ms == UINT64_MAX)
		return -1;
	return ms > 3600000 ? 3600000 : (int)ms;
}

/* What ebbd says first: an instance that is gone must not be heard any more. */
static int turn(struct ipc *ipc)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	uint64_t resume_ns = ipc->paused ? guests_resume(ipc, clock_mono_ns()) : UINT64_MAX;
	int n = epoll_wait(ipc->epoll_fd, events, EVENTS_AT_ONCE, timeout_ms(ipc, resume_ns));
	uint64_t now_ns = clock_mono_ns();
	int r = 0;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n && r == 0; i++)
		if (events[i].data.u64 >> 60 == SOURCE_CONTROL)
			r = read_control(ipc);
	for (int i = 0; i < n && r == 0; i++)
		if (events[i].data.u64 >> 60 != SOURCE_CONTROL)
			on_event(ipc, events[i].data.u64);
	if (r == 0 && ipc->holds)
		guests_cut_due(ipc, now_ns);
	connections_expire(ipc, now_ns);
	return r;
}

int ipc_run(struct ipc *ipc)
{
	int r = 0;

	while (r == 0 && !ipc->ended)
		r = turn(ipc);
	if (r < 0)
		log_error("event=ended err=%d what=\"%s\"", -r, strerror(-r));
	return r;
}

int ipc_new(int control_fd, struct ipc **out)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct ipc *ipc = calloc(1, sizeof(*ipc));
	int r = 0;

	if (!ipc)
		return -ENOMEM;
	ipc->control_fd = control_fd;
	ipc->doorbell_fd = -1;
	ipc->phase = PHASE_NEW;
	while (ipc->free_count < CONNECTIONS_MAX) {
		ipc->free_connections[ipc->free_count] = CONNECTIONS_MAX - 1 - ipc->free_count;
		ipc->free_count++;
	}
	ipc->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	ipc->spare_fd = ipc->epoll_fd < 0 ? -1 : fcntl(ipc->epoll_fd, F_DUPFD_CLOEXEC, 0);
	event.data.u64 = source_key(SOURCE_CONTROL, 0, 0);
	if (ipc->spare_fd < 0 || epoll_ctl(ipc->epoll_fd, EPOLL_CTL_ADD, control_fd, &event) < 0)
		r = -errno;
	if (r < 0)
		ipc_free(ipc);
	else
		*out = ipc;
	return r;
}

void ipc_free(struct ipc *ipc)
{
	if (!ipc)
		return;
	for (uint32_t slot = 0; slot < INSTANCES_MAX; slot++)
		if (ipc->guests[slot])
			guest_down(ipc, ipc->guests[slot]);
	holds_free(ipc->holds);
	board_close(ipc->board);
	fd_close(&ipc->doorbell_fd);
	fd_close(&ipc->spare_fd);
	fd_close(&ipc->epoll_fd);
	fd_close(&ipc->control_fd);
	free(ipc);
}
