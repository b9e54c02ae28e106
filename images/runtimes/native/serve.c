// SPDX-License-Identifier: Apache-2.0
/* From the inherited socket to the loop, and from SIGTERM to the end. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"

#define INHERITED_FD 3 /* sd_listen_fds(3) */

static bool inherits(void)
{
	return env_number("LISTEN_FDS", 0) == 1 && env_number("LISTEN_PID", 0) == getpid();
}

/* Listens on TCP $PORT: without ebb, or in an image that is not of one of ebb's own runtimes. */
static int open_listener(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)env_number("PORT", PORT_DEFAULT))};
	int one = 1, fd;

	if (inherits())
		return INHERITED_FD;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1024) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static void on_signal(struct ebb *e, struct watch *w)
{
	struct signalfd_siginfo info;

	while (read(w->fd, &info, sizeof(info)) == sizeof(info))
		e->draining = true;
	e->backend->watch(e, w);
}

static int watch_signals(struct ebb *e)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t term;

	/* sendfile(2) has no flag against SIGPIPE, as send(2) has. */
	if (sigaction(SIGPIPE, &ignore, NULL) < 0)
		return -errno;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &term, NULL) < 0)
		return -errno;
	e->signals = (struct watch){.events = POLLIN, .on_ready = on_signal};
	e->signals.fd = signalfd(-1, &term, SFD_NONBLOCK | SFD_CLOEXEC);
	if (e->signals.fd < 0)
		return -errno;
	e->backend->watch(e, &e->signals);
	return 0;
}

/* Maps the buffers. A page takes memory only when it is first used. */
static int open_buffers(struct ebb *e)
{
	void *at = mmap(NULL, (size_t)BUFFERS * BUFFER_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return -errno;
	e->buffers = at;
	return 0;
}

static int open_all(struct ebb *e)
{
	int r = open_buffers(e);

	if (r < 0)
		return r;
	e->listen_fd = open_listener();
	if (e->listen_fd < 0)
		return e->listen_fd;
	e->backend = getenv("EBB_RING_FD") ? &ring_backend : &epoll_backend;
	r = e->backend->open(e);
	if (r == 0)
		r = watch_signals(e);
	if (r < 0)
		return r;
	ipc_open(e, works_hold_all);
	ipc_started(e);
	return 0;
}

static bool done(const struct ebb *e)
{
	return e->draining && e->open == 0 && !e->works && !e->calls;
}

static void close_all(struct ebb *e)
{
	if (e->backend)
		e->backend->close(e);
	ipc_close(e);
	queue_calls_free(e);
	conns_free(e);
	if (e->signals.fd > 0)
		close(e->signals.fd);
	if (e->listen_fd > 0)
		close(e->listen_fd);
	if (e->buffers)
		munmap(e->buffers, (size_t)BUFFERS * BUFFER_BYTES);
	free(e->heap);
	free(e);
}

int ebb_serve(ebb_handler *handler, void *ctx)
{
	struct ebb *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->ipc.fd = -1;
	e->user = &request_user;
	e->handler = handler;
	e->ctx = ctx;
	e->began_ns = clock_ns();
	r = open_all(e);
	if (r < 0)
		log_line("", "ebb: cannot serve: %s", strerror(-r));
	while (r == 0 && !done(e)) {
		r = e->backend->wait(e, timers_run(e));
		conns_reap(e);
	}
	close_all(e);
	return r;
}
