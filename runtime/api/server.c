// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/api/api.h"
#include "runtime/api/conn.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"

#define CONNS_MAX                256
#define UPLOAD_BYTES_MAX_DEFAULT (UINT64_C(16) << 30)

struct server {
	struct api *api;
	struct loop_source listener; /* owns the descriptor */
	int spool_dir_fd;            /* borrowed */
	uint64_t upload_bytes_max;
	struct conn *conns[CONNS_MAX];
	unsigned int count;
	struct conn *todo;
};

struct api *server_api(struct server *server)
{
	return server->api;
}

struct loop *server_loop(struct server *server)
{
	return server->api->loop;
}

uint64_t server_upload_bytes_max(struct server *server)
{
	return server->upload_bytes_max;
}

void server_todo(struct server *server, struct conn *c)
{
	if (c->in_todo)
		return;
	c->in_todo = true;
	c->next_todo = server->todo;
	server->todo = c;
}

int server_spool(struct server *server, int *write_fd, int *read_fd)
{
	static const char name[] = "upload"; /* gone again before anything else runs */
	SCOPED_FD out_fd = -1;
	SCOPED_FD in_fd = -1;
	int err = 0;

	(void)unlinkat(server->spool_dir_fd, name, 0);
	out_fd = openat(server->spool_dir_fd, name,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out_fd < 0)
		return -errno;
	in_fd = openat(server->spool_dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (in_fd < 0)
		err = -errno;
	if (unlinkat(server->spool_dir_fd, name, 0) < 0 && !err)
		err = -errno;
	if (err)
		return err;
	*write_fd = keep_fd(&out_fd);
	*read_fd = keep_fd(&in_fd);
	return 0;
}

static struct conn *conn_new(struct server *server, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	socklen_t size = sizeof(c->request.peer);

	if (!c)
		return NULL;
	c->server = server;
	c->source = (struct loop_source){.fd = fd, .ready = conn_on_ready};
	c->spool_write_fd = -1;
	c->request.spool_fd = -1;
	c->request.api = server->api;
	c->interest = EPOLLIN;
	c->progress_ns = clock_mono_ns();
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->request.peer, &size) < 0 ||
	    loop_add(server->api->loop, &c->source, EPOLLIN) < 0) {
		free(c);
		return NULL;
	}
	return c;
}

static void on_accept(struct loop_source *source, uint32_t events)
{
	struct server *server = container_of(source, struct server, listener);
	SCOPED_FD fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *c;

	(void)events;
	if (fd < 0)
		return;
	c = conn_new(server, fd);
	if (!c) {
		log_warn("event=connection_refused err=\"out of memory\"");
		return;
	}
	(void)keep_fd(&fd);
	server->conns[server->count++] = c;
	if (server->count == CONNS_MAX) /* the others wait in the socket's backlog */
		loop_change(server->api->loop, &server->listener, 0);
}

static void drop(struct server *server, unsigned int index)
{
	conn_free(server->conns[index]);
	if (server->count == CONNS_MAX)
		loop_change(server->api->loop, &server->listener, EPOLLIN);
	server->conns[index] = server->conns[--server->count];
}

unsigned int server_turn(struct server *server, uint64_t now_ns)
{
	while (server->todo) {
		struct conn *c = server->todo;

		server->todo = c->next_todo;
		c->in_todo = false;
		if (!c->doomed)
			conn_advance(c);
	}
	for (unsigned int i = server->count; i-- > 0;)
		if (server->conns[i]->doomed || conn_expired(server->conns[i], now_ns))
			drop(server, i);
	return server->count;
}

int server_new(struct api *api, int listener_fd, int spool_dir_fd, uint64_t upload_bytes_max,
	       struct server **out)
{
	struct server *server = calloc(1, sizeof(*server));
	int flags = fcntl(listener_fd, F_GETFL);
	int r;

	if (!server) {
		fd_close(&listener_fd);
		return -ENOMEM;
	}
	server->api = api;
	server->spool_dir_fd = spool_dir_fd;
	server->upload_bytes_max = upload_bytes_max ? upload_bytes_max : UPLOAD_BYTES_MAX_DEFAULT;
	server->listener = (struct loop_source){.fd = listener_fd, .ready = on_accept};
	if (flags < 0 || fcntl(listener_fd, F_SETFL, flags | O_NONBLOCK) < 0)
		r = -errno;
	else
		r = loop_add(api->loop, &server->listener, EPOLLIN);
	if (r < 0) {
		server_free(server);
		return r;
	}
	*out = server;
	return 0;
}

void server_free(struct server *server)
{
	if (!server)
		return;
	while (server->count > 0)
		conn_free(server->conns[--server->count]);
	loop_remove(server->api->loop, &server->listener);
	fd_close(&server->listener.fd);
	free(server);
}
