// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/imports.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/host/config.h"

void imports_init(struct imports *m, struct loop *loop, struct image_store *store, void *self,
		  void (*on_done)(void *self, const struct wire_image_done *done, const char *death,
				  bool imported))
{
	*m = (struct imports){.loop = loop, .store = store, .self = self, .on_done = on_done};
}

static void end(struct import *import)
{
	must(import->job);
	loop_unwatch(import->all->loop, &import->watch);
	image_import_free(import->job);
	import->job = NULL;
	free(import->done);
	import->done = NULL;
}

static void on_import(struct watch *w, uint32_t events)
{
	struct import *import = container_of(w, struct import, watch);
	struct imports *m = import->all;
	struct wire_image_done *done;
	char death[ERROR_TEXT_SIZE];
	bool orphan = import->orphan;

	must(import->job && import->done);
	if (image_import_step(import->job, import->done) != 1)
		return;
	(void)text_copy(death, sizeof(death), image_import_death(import->job));
	done = keep_mem(import->done);
	done->cookie = import->cookie;
	end(import);
	m->on_done(m->self, orphan ? NULL : done, death, done->err == 0);
	free(done);
}

static struct import *free_place(struct imports *m)
{
	for (size_t i = 0; i < IMPORTS_MAX; i++)
		if (!m->all[i].job)
			return &m->all[i];
	return NULL;
}

const char *imports_why(int r)
{
	return r == -ENOBUFS
		       ? "the host lets ebb start no process now, by a limit like TasksMax of "
			 "its service: Resource temporarily unavailable"
		       : strerror(-r);
}

int imports_start(struct imports *m, const struct wire_image_import *job, int source_fd)
{
	struct import *import = free_place(m);
	SCOPED_MEM struct wire_image_done *done = calloc(1, sizeof(*done));
	int r;

	if (!import)
		return -EBUSY;
	if (!done)
		return -ENOMEM;
	r = image_import_start(m->store, job, source_fd, &import->job);
	if (r < 0) {
		import->job = NULL;
		return r == -EAGAIN ? -ENOBUFS : r; /* fork(2) */
	}
	import->all = m;
	import->done = keep_mem(done);
	import->cookie = job->cookie;
	import->orphan = false;
	import->watch = (struct watch){.fd = image_import_fd(import->job),
				       .on_ready = on_import,
				       .name = "imports on_import"};
	r = loop_watch(m->loop, &import->watch, EPOLLIN);
	if (r < 0)
		end(import);
	return r;
}

void imports_cancel(struct imports *m, uint64_t cookie)
{
	for (size_t i = 0; i < IMPORTS_MAX; i++)
		if (m->all[i].job && !m->all[i].orphan && m->all[i].cookie == cookie)
			image_import_cancel(m->all[i].job);
}

void imports_orphan(struct imports *m)
{
	for (size_t i = 0; i < IMPORTS_MAX; i++) {
		if (!m->all[i].job)
			continue;
		m->all[i].orphan = true;
		image_import_cancel(m->all[i].job);
	}
}

void imports_end(struct imports *m)
{
	for (size_t i = 0; i < IMPORTS_MAX; i++)
		if (m->all[i].job)
			end(&m->all[i]);
}

void imports_limit(struct image_store *images, const struct config *c)
{
	const struct image_limits limits = {
		.bytes_max = c->image_max_mb << 20,
		.file_bytes_max = c->image_file_max_mb << 20,
		.entries_max = c->image_entries_max,
		.step_ms = (uint32_t)c->import_step_s * 1000,
	};

	image_store_limit(images, &limits);
}
