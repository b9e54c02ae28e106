// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/loop.h"
#include "runtime/base/fd.h"

#define WAITING_MAX 256 /* records; the largest is 64 KiB */

struct waiting {
	struct waiting *next;
	uint32_t type;
	int fd; /* a copy of the sender's, or -1 */
	size_t size;
	unsigned char record[];
};

struct wire_link {
	struct loop_source source;
	struct loop *loop;
	struct wire_link_handlers handlers;
	struct waiting *first, **last;
	unsigned int waiting;
	struct wire_message message;
};

static void waiting_free(struct waiting *w)
{
	fd_close(&w->fd);
	free(w);
}

void wire_link_free(struct wire_link *link)
{
	if (!link)
		return;
	loop_remove(link->loop, &link->source);
	fd_close(&link->source.fd);
	while (link->first) {
		struct waiting *w = link->first;

		link->first = w->next;
		waiting_free(w);
	}
	free(link);
}

static int send_now(struct wire_link *link, uint32_t type, const void *record, size_t size, int fd)
{
	return wire_send(link->source.fd, type, record, size, &fd, fd >= 0 ? 1 : 0);
}

static int send_waiting(struct wire_link *link)
{
	while (link->first) {
		struct waiting *w = link->first;
		int r = send_now(link, w->type, w->record, w->size, w->fd);

		if (r == -EAGAIN)
			return 0;
		if (r < 0)
			return r;
		link->first = w->next;
		link->waiting--;
		waiting_free(w);
	}
	link->last = &link->first;
	loop_change(link->loop, &link->source, EPOLLIN);
	return 0;
}

static int queue(struct wire_link *link, uint32_t type, const void *record, size_t size, int fd)
{
	struct waiting *w;

	if (link->waiting == WAITING_MAX)
		return -ENOBUFS;
	w = calloc(1, sizeof(*w) + size);
	if (!w)
		return -ENOMEM;
	w->type = type;
	w->size = size;
	if (size > 0)
		memcpy(w->record, record, size);
	w->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0 && w->fd < 0) {
		int err = -errno;

		free(w);
		return err;
	}
	*link->last = w;
	link->last = &w->next;
	if (link->waiting++ == 0)
		loop_change(link->loop, &link->source, EPOLLIN | EPOLLOUT);
	return 0;
}

int wire_link_send(struct wire_link *link, uint32_t type, const void *record, size_t size, int fd)
{
	int r = link->first ? -EAGAIN : send_now(link, type, record, size, fd);

	return r == -EAGAIN ? queue(link, type, record, size, fd) : r;
}

/* One record per turn of the loop, so that a busy peer starves nobody. */
static void on_ready(struct loop_source *source, uint32_t events)
{
	struct wire_link *link = container_of(source, struct wire_link, source);
	const struct wire_link_handlers *h = &link->handlers;
	int r = 1;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		r = wire_recv(source->fd, &link->message);
		if (r == -EAGAIN)
			r = 1;
		else if (r > 0) {
			int said =
				wire_dispatch(h->rules, h->rule_count, 1, h->self, &link->message);

			r = said < 0 ? said : 1;
		}
	}
	if (r > 0 && (events & EPOLLOUT)) {
		int sent = send_waiting(link);

		r = sent < 0 ? sent : 1;
	}
	if (r <= 0)
		h->lost(h->self, r);
}

int wire_link_open(struct loop *loop, int socket_fd, const struct wire_link_handlers *handlers,
		   struct wire_link **out)
{
	struct wire_link *link = calloc(1, sizeof(*link));
	int flags = fcntl(socket_fd, F_GETFL);
	int r;

	if (!link) {
		fd_close(&socket_fd);
		return -ENOMEM;
	}
	link->loop = loop;
	link->handlers = *handlers;
	link->last = &link->first;
	link->source = (struct loop_source){.fd = socket_fd, .ready = on_ready};
	if (flags < 0 || fcntl(socket_fd, F_SETFL, flags | O_NONBLOCK) < 0)
		r = -errno;
	else
		r = loop_add(loop, &link->source, EPOLLIN);
	if (r < 0) {
		wire_link_free(link);
		return r;
	}
	*out = link;
	return 0;
}
