// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/api/conn.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"

#define CONNS_MAX                256
#define DEAF_NS                  (NS_PER_SEC / 2)
#define UPLOAD_BYTES_MAX_DEFAULT (UINT64_C(16) << 30)

struct server {
	struct conn_shared shared;
	struct watch listener; /* owns the descriptor */
	struct conn *conns[CONNS_MAX];
	unsigned int count;
	uint64_t deaf_until_ns; /* no descriptor was left for a client; 0: there was */
};

static void hear_clients(struct server *server, bool on)
{
	must(loop_rewatch(server->shared.options.loop, &server->listener, on ? EPOLLIN : 0) == 0);
}

static void on_accept(struct watch *source, uint32_t events)
{
	struct server *server = container_of(source, struct server, listener);
	SCOPED_FD fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *c;

	(void)events;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
		/* The client waits in the socket's backlog, and would wake this loop for ever. */
		server->deaf_until_ns = clock_mono_ns() + DEAF_NS;
		hear_clients(server, false);
	}
	if (fd < 0)
		return;
	c = conn_new(&server->shared, fd);
	if (!c) {
		log_warn("event=connection_refused err=\"out of memory\"");
		return;
	}
	(void)keep_fd(&fd);
	server->conns[server->count++] = c;
	if (server->count == CONNS_MAX) /* further clients wait in the socket's backlog */
		hear_clients(server, false);
}

static void drop(struct server *server, unsigned int index)
{
	conn_free(server->conns[index]);
	if (server->count == CONNS_MAX || server->deaf_until_ns) {
		server->deaf_until_ns = 0;
		hear_clients(server, true);
	}
	server->conns[index] = server->conns[--server->count];
}

unsigned int server_turn(struct server *server, uint64_t now_ns)
{
	struct chain *first;

	while ((first = chain_take_first(&server->shared.todo))) {
		struct conn *c = container_of(first, struct conn, in_todo);

		if (!c->doomed)
			conn_advance(c);
	}
	for (unsigned int i = server->count; i-- > 0;)
		if (server->conns[i]->doomed || conn_expired(server->conns[i], now_ns))
			drop(server, i);
	if (server->deaf_until_ns && now_ns >= server->deaf_until_ns) {
		server->deaf_until_ns = 0;
		hear_clients(server, true);
	}
	return server->count + (server->deaf_until_ns != 0);
}

int server_new(const struct server_options *options, int listener_fd, struct server **out)
{
	struct server *server = calloc(1, sizeof(*server));
	int flags = fcntl(listener_fd, F_GETFL);
	int r;

	if (!server) {
		fd_close(&listener_fd);
		return -ENOMEM;
	}
	server->shared.options = *options;
	if (options->upload_bytes_max == 0)
		server->shared.options.upload_bytes_max = UPLOAD_BYTES_MAX_DEFAULT;
	chain_init(&server->shared.todo);
	server->listener = (struct watch){
		.fd = listener_fd, .on_ready = on_accept, .name = "server on_accept"};
	if (flags < 0 || fcntl(listener_fd, F_SETFL, flags | O_NONBLOCK) < 0)
		r = -errno;
	else
		r = loop_watch(options->loop, &server->listener, EPOLLIN);
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
	loop_unwatch(server->shared.options.loop, &server->listener);
	fd_close(&server->listener.fd);
	free(server);
}
