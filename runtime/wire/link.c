// SPDX-License-Identifier: Apache-2.0
#include "runtime/wire/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#define BURST   64u             /* records received in one go before others get their turn */
#define TURN_NS (5 * NS_PER_MS) /* the longest time for them */

/* A record that waits. */
struct waiting {
	struct chain in_link;
	uint32_t type;
	unsigned int fd_count;
	size_t size;
	unsigned char *record; /* behind the descriptors */
	int fds[];             /* copies of the sender's */
};

static void waiting_free(struct waiting *w)
{
	for (unsigned int i = 0; i < w->fd_count; i++)
		fd_close(&w->fds[i]);
	free(w);
}

static struct waiting *waiting_new(uint32_t type, const void *record, size_t size, const int *fds,
				   unsigned int fd_count)
{
	struct waiting *w = malloc(sizeof(*w) + fd_count * sizeof(int) + size);

	if (!w)
		return NULL;
	*w = (struct waiting){.type = type, .size = size};
	chain_init(&w->in_link);
	w->record = (unsigned char *)(w->fds + fd_count);
	if (size)
		memcpy(w->record, record, size);
	for (unsigned int i = 0; i < fd_count; i++) {
		w->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (w->fds[i] < 0) {
			waiting_free(w);
			return NULL;
		}
		w->fd_count++;
	}
	return w;
}

/* ---- sending ---- */

bool wire_link_is_open(const struct wire_link *link)
{
	return link->loop && link->watch.fd >= 0;
}

uint32_t wire_link_queued(const struct wire_link *link)
{
	return link->queued;
}

static int watch_again(struct wire_link *link)
{
	uint32_t events = (link->deaf ? 0u : EPOLLIN) | (link->queued ? EPOLLOUT : 0u);

	if (link->parked)
		return 0;
	return loop_rewatch(link->loop, &link->watch, events);
}

static int queue(struct wire_link *link, uint32_t type, const void *record, size_t size,
		 const int *fds, unsigned int fd_count)
{
	struct waiting *w;

	if (link->queued >= link->queue_max || link->queued_fds + fd_count > link->queue_fds_max)
		return -ENOBUFS;
	w = waiting_new(type, record, size, fds, fd_count);
	if (!w)
		return -ENOMEM;
	chain_add_last(&link->waiting, &w->in_link);
	link->queued++;
	link->queued_fds += fd_count;
	return link->queued == 1 ? watch_again(link) : 0;
}

/* Shuts the socket down. The loop then sees its end, behind the records that the peer sent before.
 */
static void break_off(struct wire_link *link)
{
	shutdown(link->watch.fd, SHUT_RDWR);
}

int wire_link_send(struct wire_link *link, uint32_t type, const void *record, size_t size,
		   const int *fds, unsigned int fd_count)
{
	int r = -EAGAIN;

	if (!wire_link_is_open(link))
		return -ENOTCONN;
	must((link->queued == 0) == chain_is_empty(&link->waiting));
	if (link->queued == 0)
		r = wire_send(link->watch.fd, type, record, size, fds, fd_count);
	if (r == -EAGAIN)
		r = queue(link, type, record, size, fds, fd_count);
	if (r < 0 && link->ends_on_failure)
		break_off(link);
	return r;
}

/* Sends waiting records for a while. The rest goes out in the next turn, because the socket still
 * has room. */
static void send_waiting(struct wire_link *link)
{
	uint64_t until_ns = clock_mono_ns() + TURN_NS;

	while (link->queued > 0) {
		struct waiting *w =
			container_of(chain_first(&link->waiting), struct waiting, in_link);
		int r = wire_send(link->watch.fd, w->type, w->record, w->size, w->fds, w->fd_count);

		if (r < 0 && r != -EAGAIN)
			break_off(link);
		if (r < 0)
			return;
		chain_remove(&w->in_link);
		must(link->queued_fds >= w->fd_count);
		link->queued--;
		link->queued_fds -= w->fd_count;
		waiting_free(w);
		if (clock_mono_ns() > until_ns && link->queued > 0)
			return;
	}
	must(link->queued_fds == 0);
	(void)watch_again(link);
	if (link->drained)
		link->drained(link);
}

/* ---- receiving ---- */

static void lose(struct wire_link *link, int err)
{
	wire_link_close(link);
	link->lost(link, err);
}

/* Receives one record, or takes the one that was kept. 1: there may be more; 0: none is there; else
 * the error that ends the link. */
static int hear_one(struct wire_link *link, struct wire_message *m)
{
	int r = link->kept ? 1 : wire_recv(link->watch.fd, m);

	link->kept = false;
	if (r == -EAGAIN)
		return 0;
	if (r <= 0)
		return r < 0 ? r : -ECONNRESET;
	link->last_type = m->head.type;
	loop_note(link->loop, wire_type_name(m->head.type));
	r = wire_dispatch(link->rules, link->rule_count, link->phase, link->self, m);
	if (r == WIRE_LATER) {
		must(wire_link_is_open(link));
		link->kept = true;
		wire_link_hear(link, false);
	}
	return r < 0 ? r : 1;
}

/* Receives records. The buffer is kept out of the link meanwhile, because a rule may close the
 * link. */
static int hear(struct wire_link *link)
{
	struct wire_message *m = link->message;
	uint64_t begun_ns = clock_mono_ns();
	int r = 1;

	link->message = NULL;
	for (uint32_t n = 0; r == 1 && n < link->burst; n++) {
		if (n > 0 && clock_mono_ns() - begun_ns > TURN_NS)
			break;
		r = hear_one(link, m);
		if (!wire_link_is_open(link) || link->deaf)
			break;
	}
	if (wire_link_is_open(link) && !link->message)
		link->message = m;
	else
		free(m);
	return r;
}

/* Stops watching a deaf link whose peer is gone: epoll would report that end in every round. */
static void park(struct wire_link *link)
{
	loop_unwatch(link->loop, &link->watch);
	link->parked = true;
}

static void on_ready(struct watch *w, uint32_t events)
{
	struct wire_link *link = container_of(w, struct wire_link, watch);
	bool ended = events & (EPOLLHUP | EPOLLERR);
	int r = 0;

	if (events & EPOLLOUT && link->queued > 0)
		send_waiting(link);
	if (!wire_link_is_open(link))
		return;
	if (link->deaf && ended)
		park(link);
	else if (!link->deaf && (events & EPOLLIN || ended))
		r = hear(link);
	if (r < 0 && wire_link_is_open(link))
		lose(link, r == -ECONNRESET ? 0 : r);
}

void wire_link_hear(struct wire_link *link, bool on)
{
	if (link->deaf == !on)
		return;
	link->deaf = !on;
	if (!wire_link_is_open(link))
		return;
	if (on && link->parked)
		link->parked = loop_watch(link->loop, &link->watch, EPOLLIN) < 0;
	(void)watch_again(link);
}

void wire_link_again(struct wire_link *link)
{
	int r;

	if (!wire_link_is_open(link) || !link->kept)
		return;
	wire_link_hear(link, true);
	r = hear(link);
	if (r < 0 && wire_link_is_open(link))
		lose(link, r == -ECONNRESET ? 0 : r);
}

/* ---- life cycle ---- */

static void set_limits(struct wire_link *link)
{
	if (!link->queue_max)
		link->queue_max = LINK_QUEUE_MAX;
	if (!link->queue_fds_max)
		link->queue_fds_max = LINK_QUEUE_FDS_MAX;
	if (!link->burst)
		link->burst = BURST;
}

int wire_link_open(struct wire_link *link, struct loop *loop, int socket_fd)
{
	int flags = fcntl(socket_fd, F_GETFL), r = 0;

	must(!wire_link_is_open(link) && link->lost && link->rules);
	link->loop = loop;
	link->watch = (struct watch){
		.fd = socket_fd, .on_ready = on_ready, .name = link->name, .first = link->first};
	link->queued = link->queued_fds = 0;
	link->deaf = link->parked = link->kept = false;
	chain_init(&link->waiting);
	set_limits(link);
	link->message = malloc(sizeof(*link->message));
	if (!link->message)
		r = -ENOMEM;
	else if (flags < 0 || fcntl(socket_fd, F_SETFL, flags | O_NONBLOCK) < 0)
		r = -errno;
	else
		r = loop_watch(loop, &link->watch, EPOLLIN);
	if (r < 0)
		wire_link_close(link);
	return r;
}

void wire_link_close(struct wire_link *link)
{
	struct chain *first;

	if (!link->loop)
		return;
	loop_unwatch(link->loop, &link->watch);
	fd_close(&link->watch.fd);
	while ((first = chain_take_first(&link->waiting)))
		waiting_free(container_of(first, struct waiting, in_link));
	link->queued = link->queued_fds = 0;
	if (link->kept)
		wire_message_fini(link->message);
	link->kept = false;
	free(link->message);
	link->message = NULL;
}
