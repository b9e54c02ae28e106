// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

struct loop {
	int epoll_fd;
	bool stopped;
	int result;
};

int loop_new(struct loop **out)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		int err = -errno;

		free(loop);
		return err;
	}
	*out = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	fd_close(&loop->epoll_fd);
	free(loop);
}

static int control(struct loop *loop, int what, struct loop_source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	return epoll_ctl(loop->epoll_fd, what, source->fd, &event) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
	return control(loop, EPOLL_CTL_ADD, source, events);
}

void loop_change(struct loop *loop, struct loop_source *source, uint32_t events)
{
	must(control(loop, EPOLL_CTL_MOD, source, events) == 0);
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	if (source->fd >= 0)
		(void)control(loop, EPOLL_CTL_DEL, source, 0);
}

int loop_run(struct loop *loop, int (*after)(void *ctx), void *ctx)
{
	while (!loop->stopped) {
		/* One event at a time: a batch could hold sources that its first ones freed. */
		struct epoll_event event;
		int n = epoll_wait(loop->epoll_fd, &event, 1, after(ctx));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 1) {
			struct loop_source *source = event.data.ptr;

			source->ready(source, event.events);
		}
	}
	return loop->result;
}

void loop_stop(struct loop *loop, int result)
{
	loop->stopped = true;
	loop->result = result;
}
