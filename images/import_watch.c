// SPDX-License-Identifier: Apache-2.0
/* Functions that all parts of an import use: they note its fault and watch its children. */
#include "images/import.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "runtime/base/fd.h"

int import_fault(struct image_import *i, int err, const char *fmt, ...)
{
	va_list ap;

	if (i->done.err)
		return err;
	i->done.err = -err;
	va_start(ap, fmt);
	(void)vsnprintf(i->done.text, sizeof(i->done.text), fmt, ap);
	va_end(ap);
	return err;
}

/* Does nothing: image_import_step looks at all children, whichever descriptor was ready. */
static void on_ready(struct watch *w, uint32_t events)
{
	(void)w;
	(void)events;
}

int import_watch(struct image_import *i, struct watch *w, int fd)
{
	*w = (struct watch){.fd = fd, .on_ready = on_ready, .name = "import on_ready"};
	return loop_watch(i->loop, w, EPOLLIN);
}

void import_forget(struct image_import *i, struct watch *w, int *fd)
{
	loop_unwatch(i->loop, w);
	w->fd = -1;
	fd_close(fd);
}

int import_renew_output(struct worker *w)
{
	fd_close(&w->output_fd);
	w->output_fd = memfd_create("ebb-image", MFD_CLOEXEC);
	return w->output_fd < 0 ? -errno : 0;
}
