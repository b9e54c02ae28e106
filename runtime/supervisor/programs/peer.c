// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/programs/peer.h"

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

#define QUEUE_MAX     65536
#define QUEUE_FDS_MAX 8192 /* copies held for one that does not read: the host has only so many */
#define MESSAGES_TURN 64   /* received in one go before others get their turn */
#define TURN_NS       (5 * NS_PER_MS) /* and no longer than this */

struct peer_message {
	struct peer_message *next;
	uint32_t type;
	unsigned int fd_count;
	size_t size;
	int fds[WIRE_FDS_MAX];
	unsigned char record[];
};

static void message_free(struct peer_message *m)
{
	for (unsigned int i = 0; i < m->fd_count; i++)
		fd_close(&m->fds[i]);
	free(m);
}

static struct peer_message *message_copy(uint32_t type, const void *record, size_t size,
					 const int *fds, unsigned int fd_count)
{
	struct peer_message *m = malloc(sizeof(*m) + size);

	must(fd_count <= WIRE_FDS_MAX);
	if (!m)
		return NULL;
	*m = (struct peer_message){.type = type, .size = size};
	if (size)
		memcpy(m->record, record, size);
	for (unsigned int i = 0; i < fd_count; i++) {
		m->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (m->fds[i] < 0) {
			message_free(m);
			return NULL;
		}
		m->fd_count++;
	}
	return m;
}

static void on_ready(struct watch *w, uint32_t events);

int peer_open(struct peer *p, struct loop *loop, int socket_fd)
{
	int r;

	must(!p->head && p->queued == 0 && p->on_lost);
	p->loop = loop;
	p->watch = (struct watch){.fd = socket_fd, .on_ready = on_ready, .name = p->name};
	if (!p->message)
		p->message = malloc(sizeof(*p->message));
	if (!p->message)
		r = -ENOMEM;
	else if (fcntl(socket_fd, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	else
		r = loop_watch(loop, &p->watch, EPOLLIN);
	if (r < 0)
		fd_close(&p->watch.fd);
	return r;
}

void peer_close(struct peer *p)
{
	struct peer_message *m = p->head;

	if (p->loop)
		loop_unwatch(p->loop, &p->watch);
	fd_close(&p->watch.fd);
	while (m) {
		struct peer_message *next = m->next;

		message_free(m);
		m = next;
	}
	p->head = p->tail = NULL;
	p->queued = p->queued_fds = 0;
}

void peer_fini(struct peer *p)
{
	peer_close(p);
	free(p->message);
	p->message = NULL;
}

bool peer_is_open(const struct peer *p)
{
	return p->loop && p->watch.fd >= 0;
}

static void lose(struct peer *p, int error)
{
	if (!peer_is_open(p))
		return;
	peer_close(p);
	p->on_lost(p, error);
}

/* A send that failed is not the sender's to handle: make the loop see the end of this socket. */
static void break_off(struct peer *p)
{
	shutdown(p->watch.fd, SHUT_RDWR);
}

static int queue(struct peer *p, uint32_t type, const void *record, size_t size, const int *fds,
		 unsigned int fd_count)
{
	struct peer_message *m;

	if (p->queued >= QUEUE_MAX || p->queued_fds + fd_count > QUEUE_FDS_MAX)
		return -ENOBUFS;
	m = message_copy(type, record, size, fds, fd_count);
	if (!m)
		return -ENOMEM;
	if (p->tail)
		p->tail->next = m;
	else
		p->head = m;
	p->tail = m;
	p->queued++;
	p->queued_fds += fd_count;
	return loop_rewatch(p->loop, &p->watch, EPOLLIN | EPOLLOUT);
}

void peer_send(struct peer *p, uint32_t type, const void *record, size_t size, const int *fds,
	       unsigned int fd_count)
{
	int r = -EAGAIN;

	if (!peer_is_open(p))
		return;
	must((p->head == NULL) == (p->queued == 0));
	if (!p->head)
		r = wire_send(p->watch.fd, type, record, size, fds, fd_count);
	if (r == -EAGAIN)
		r = queue(p, type, record, size, fds, fd_count);
	if (r < 0)
		break_off(p);
}

static void flush(struct peer *p)
{
	while (p->head) {
		struct peer_message *m = p->head;
		int r = wire_send(p->watch.fd, m->type, m->record, m->size, m->fds, m->fd_count);

		if (r == -EAGAIN)
			return;
		if (r < 0) {
			break_off(p);
			return;
		}
		p->head = m->next;
		must(p->queued > 0 && p->queued_fds >= m->fd_count);
		p->queued--;
		p->queued_fds -= m->fd_count;
		message_free(m);
	}
	p->tail = NULL;
	(void)loop_rewatch(p->loop, &p->watch, EPOLLIN);
}

static void on_ready(struct watch *w, uint32_t events)
{
	struct peer *p = (struct peer *)((char *)w - offsetof(struct peer, watch));
	struct wire_message *m = p->message;
	uint64_t begun_ns;

	must(peer_is_open(p) && m);
	if (events & EPOLLOUT)
		flush(p);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	begun_ns = clock_mono_ns();
	for (int i = 0; i < MESSAGES_TURN && peer_is_open(p); i++) {
		int r = clock_mono_ns() - begun_ns > TURN_NS ? -EAGAIN : wire_recv(p->watch.fd, m);

		if (r == -EAGAIN)
			break;
		if (r > 0) {
			p->last_type = m->head.type;
			loop_note(p->loop, wire_type_name(m->head.type));
		}
		if (r > 0)
			r = wire_dispatch(p->rules, p->rule_count, p->phase, p->self, m);
		else if (r == 0)
			r = -ECONNRESET;
		if (r < 0) {
			lose(p, r == -ECONNRESET ? 0 : r);
			break;
		}
	}
}
