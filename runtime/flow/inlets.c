// SPDX-License-Identifier: Apache-2.0
#include "runtime/flow/inlets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/text.h"

static const char full[] = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
			   "content-length: 76\r\nretry-after: 1\r\nconnection: close\r\n\r\n"
			   "{\"error\":\"too many connections to queues are open: keep a few and "
			   "use them\"}";

static struct inlet *find(struct flow *f, uint32_t slot, uint32_t generation)
{
	struct inlet *i;

	chain_each(i, &f->inlets, all)
		if (i->slot == slot && i->generation == generation)
			return i;
	return NULL;
}

/* ---- doors ---- */

static void take_connection(struct inlet_door *door)
{
	SCOPED_FD fd = accept4(door->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (inlet_may_connect(door->inlet))
		conn_begin(door, keep_fd(&fd));
	else
		(void)send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL);
}

static void on_door(struct watch *w, uint32_t events)
{
	struct inlet_door *door = container_of(w, struct inlet_door, watch);
	uint64_t begun_ns = clock_thread_ns();

	(void)events;
	take_connection(door);
	inlet_worked(door->inlet, clock_thread_ns() - begun_ns);
}

static void free_inlet(struct inlet *i)
{
	struct conn *c;

	chain_each(c, &i->conns, of_inlet)
		conn_end(c);
	for (uint32_t n = 0; n < i->count; n++) {
		loop_unwatch(i->flow->loop, &i->doors[n].watch);
		fd_close(&i->doors[n].watch.fd);
	}
	loop_timer_off(i->flow->loop, &i->resume);
	chain_remove(&i->all);
	free(i);
}

static bool record_ok(const struct flow *f, const struct wire_bindings *r, unsigned int fd_count)
{
	(void)f;
	if (r->slot >= INSTANCES_MAX || r->count != fd_count || r->count > BINDINGS_MAX ||
	    !text_terminated(r->service, sizeof(r->service)))
		return false;
	for (uint32_t n = 0; n < r->count; n++)
		if (r->list[n].kind != WIRE_BINDING_QUEUES ||
		    !text_terminated(r->list[n].service, sizeof(r->list[n].service)))
			return false;
	return true;
}

static int open_door(struct inlet *i, const struct wire_binding *to, int *fd)
{
	struct inlet_door *door = &i->doors[i->count++];

	door->inlet = i;
	door->watch =
		(struct watch){.fd = keep_fd(fd), .on_ready = on_door, .name = "flow on_door"};
	(void)text_copy(door->space, sizeof(door->space), to->service);
	return loop_watch(i->flow->loop, &door->watch, EPOLLIN);
}

int inlets_put(struct flow *f, const struct wire_bindings *record, int *fds, unsigned int fd_count)
{
	struct inlet *i;
	int r = 0;

	if (!record_ok(f, record, fd_count))
		return -EPROTO;
	if (find(f, record->slot, record->generation))
		return 0; /* said twice, at the start of this process */
	i = calloc(1, sizeof(*i));
	if (!i)
		return -ENOMEM;
	chain_init(&i->all);
	chain_init(&i->conns);
	i->flow = f;
	inlet_share(i);
	i->slot = record->slot;
	i->generation = record->generation;
	(void)text_copy(i->service, sizeof(i->service), record->service);
	chain_add_last(&f->inlets, &i->all);
	for (uint32_t n = 0; r == 0 && n < record->count; n++)
		r = open_door(i, &record->list[n], &fds[n]);
	if (r < 0)
		free_inlet(i);
	return r;
}

void inlets_gone(struct flow *f, uint32_t slot, uint32_t generation)
{
	struct inlet *i = find(f, slot, generation);

	if (i)
		free_inlet(i);
}

void inlets_free(struct flow *f)
{
	struct inlet *i;

	chain_each(i, &f->inlets, all)
		free_inlet(i);
}

void inlets_answer(struct flow *f, int result, uint64_t work_ns)
{
	struct chain waiting, *link;
	uint32_t count = 0;
	struct conn *c;

	chain_init(&waiting);
	chain_take_all(&f->answers, &waiting);
	chain_each(c, &waiting, answer)
		count++;
	while ((link = chain_take_first(&waiting)) != NULL) {
		struct inlet *i = container_of(link, struct conn, answer)->door->inlet;
		uint64_t begun_ns = clock_thread_ns();

		conn_flush(container_of(link, struct conn, answer), result);
		inlet_worked(i, work_ns / count + clock_thread_ns() - begun_ns);
	}
}
