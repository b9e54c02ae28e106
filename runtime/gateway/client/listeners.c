// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/client/listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

/* A peer that answers nothing for two minutes is gone. */
#define KEEPALIVE_IDLE_S  60
#define KEEPALIVE_EVERY_S 15
#define KEEPALIVE_PROBES  4
/* Unsent bytes that the kernel keeps for a client that does not read, beside the bytes in its
 * window (TCP_NOTSENT_LOWAT, tcp(7)). A larger number would not make a fast client faster. */
#define UNSENT_MAX (512 * 1024)

void listeners_init(struct gateway *g)
{
	for (uint32_t i = 0; i < LISTENER_PLACES; i++)
		g->listeners[i] = (struct listener){.fd = -1, .next_fd = -1};
}

/* Accepted sockets inherit these options, and SO_KEEPALIVE, which ebbd has set. Every answer is
 * sent whole, so the algorithm of Nagle could only delay it. Only the probes of TCP find out that
 * the peer of a silent WebSocket is gone, and they do not wake the gateway. */
void listener_set_options(int fd)
{
	static const int options[][2] = {{TCP_NODELAY, 1},
					 {TCP_NOTSENT_LOWAT, UNSENT_MAX},
					 {TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
					 {TCP_KEEPINTVL, KEEPALIVE_EVERY_S},
					 {TCP_KEEPCNT, KEEPALIVE_PROBES}};

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		(void)setsockopt(fd, IPPROTO_TCP, options[i][0], &options[i][1], sizeof(int));
}

void listener_left(struct gateway *g, uint32_t index)
{
	struct listener *l = &g->listeners[index];

	must(!l->armed);
	fd_close(&l->fd);
	l->fd = keep_fd(&l->next_fd);
	l->proxy = l->next_proxy;
	l->leaving = false;
}

/* Cancels the accept by its user_data and not by its socket, which another place may have taken. */
static void cancel(struct gateway *g, uint32_t index)
{
	io_uring_prep_cancel64(ring_sqe(g->io.ring, RING_IGNORE, 0, 0),
			       ring_user_data(RING_ACCEPT, index, 0), 0);
}

/* tcpi_unacked of a listening socket is the length of its queue (tcp_get_info() of the kernel). */
bool listener_is_owed_a_look(const struct gateway *g, int fd, int result)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	if (!g->draining || g->leaving ||
	    (result < 0 && result != -ECANCELED && result != -ECONNABORTED))
		return false;
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_unacked > 0;
}

bool listener_flow_is_owed_a_look(struct gateway *g)
{
	struct listener *l = &g->listeners[LISTENER_FLOW];
	bool owed = g->draining && !g->leaving && !l->looked;

	l->looked = true;
	return owed;
}

void listener_flow_put(struct gateway *g, int *fd)
{
	struct listener *l = &g->listeners[LISTENER_FLOW];

	if (l->fd < 0 && !g->draining)
		l->fd = keep_fd(fd);
	listeners_arm(g);
}

void listener_accept(struct io_uring_sqe *sqe, int fd)
{
	io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
}

static void arm(struct gateway *g, uint32_t index)
{
	struct listener *l = &g->listeners[index];

	must(!l->armed && l->fd >= 0);
	listener_accept(ring_sqe(g->io.ring, RING_ACCEPT, index, 0), l->fd);
	l->armed = true;
}

/* A drain takes all that wait. */
void listener_empty(struct gateway *g, uint32_t index)
{
	struct listener *l = &g->listeners[index];

	must(!l->armed && l->fd >= 0);
	io_uring_prep_multishot_accept(ring_sqe(g->io.ring, RING_ACCEPT, index, 0), l->fd, NULL,
				       NULL, SOCK_CLOEXEC);
	l->armed = true;
	cancel(g, index);
}

void listeners_change(struct gateway *g, int *fds, uint32_t count, uint32_t proxy)
{
	must(count <= LISTENERS_MAX);
	for (uint32_t i = 0; i < LISTENERS_MAX; i++) {
		struct listener *l = &g->listeners[i];

		fd_close(&l->next_fd); /* left from a change that has not taken effect yet */
		if (i < count) {
			listener_set_options(fds[i]);
			l->next_fd = keep_fd(&fds[i]);
		}
		l->next_proxy = i < count && proxy >> i & 1;
		if (!l->armed)
			listener_left(g, i);
		else if (!l->leaving)
			cancel(g, i);
		l->leaving = l->armed;
	}
}

void listeners_arm(struct gateway *g)
{
	if (g->config.routes_follow && !g->routes_known)
		return; /* a gateway that was restarted would say 503 to who has come meanwhile */
	for (uint32_t i = 0; i < LISTENER_PLACES; i++) {
		const struct listener *l = &g->listeners[i];

		if (!l->armed && l->fd >= 0 && !g->draining)
			arm(g, i);
	}
}

void listeners_drain(struct gateway *g)
{
	struct listener *l = &g->listeners[LISTENER_FLOW];

	must(g->draining);
	listeners_change(g, NULL, 0, 0);
	if (!l->armed)
		listener_left(g, LISTENER_FLOW);
	else if (!l->leaving)
		cancel(g, LISTENER_FLOW);
	l->leaving = l->armed;
}

bool listeners_idle(const struct gateway *g)
{
	for (uint32_t i = 0; i < LISTENER_PLACES; i++)
		if (g->listeners[i].armed)
			return false;
	return true;
}
