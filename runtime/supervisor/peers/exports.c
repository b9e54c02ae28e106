// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/exports.h"

#include <errno.h>
#include <sys/epoll.h>

#include "runtime/base/mem.h"

void exports_init(struct exports *m, struct loop *loop, struct image_store *store, void *self,
		  void (*on_done)(void *self, uint64_t cookie, int err, const char *text))
{
	*m = (struct exports){.loop = loop, .store = store, .self = self, .on_done = on_done};
}

static void end(struct export *x)
{
	must(x->job);
	loop_unwatch(x->all->loop, &x->watch);
	image_export_free(x->job);
	x->job = NULL;
}

static void on_export(struct watch *w, uint32_t events)
{
	struct export *x = container_of(w, struct export, watch);
	struct exports *m = x->all;
	char text[ERROR_TEXT_SIZE] = "";
	int err = image_export_end(x->job, text, sizeof(text));

	(void)events;
	end(x);
	m->on_done(m->self, x->cookie, err, text);
}

static struct export *free_place(struct exports *m)
{
	for (size_t i = 0; i < EXPORTS_MAX; i++)
		if (!m->all[i].job)
			return &m->all[i];
	return NULL;
}

int exports_start(struct exports *m, const struct wire_image_export *job, int to_fd)
{
	struct export *x = free_place(m);
	int r;

	if (!x)
		return -EBUSY;
	r = image_export_start(m->store, job, to_fd, &x->job);
	if (r < 0) {
		x->job = NULL;
		return r == -EAGAIN ? -ENOBUFS : r; /* fork(2) */
	}
	x->all = m;
	x->cookie = job->cookie;
	x->watch = (struct watch){
		.fd = image_export_fd(x->job), .on_ready = on_export, .name = "exports on_export"};
	r = loop_watch(m->loop, &x->watch, EPOLLIN);
	if (r < 0)
		end(x);
	return r;
}

void exports_cancel(struct exports *m, uint64_t cookie)
{
	for (size_t i = 0; i < EXPORTS_MAX; i++) {
		if (!m->all[i].job || m->all[i].cookie != cookie)
			continue;
		end(&m->all[i]);
		m->on_done(m->self, cookie, -ECANCELED, "given up: nobody waits for it any more");
	}
}

void exports_end(struct exports *m)
{
	for (size_t i = 0; i < EXPORTS_MAX; i++)
		if (m->all[i].job)
			end(&m->all[i]);
}
