// SPDX-License-Identifier: Apache-2.0
#include "netns/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/base/fd.h"

#define PORT_FIRST  32768 /* ip_local_port_range, as it is by default (ip(7)) */
#define PORTS       28232
#define PORT_TRIES  8
#define LEAVE_TRIES 100 /* setns(2) may find no memory for a moment */

static int enter(int net_ns_fd)
{
	return setns(net_ns_fd, CLONE_NEWNET) < 0 ? -errno : 0;
}

int netns_leave(int home_ns_fd)
{
	for (int n = 0; n < LEAVE_TRIES; n++)
		if (setns(home_ns_fd, CLONE_NEWNET) == 0)
			return 0;
	return -ENOTRECOVERABLE;
}

static int make_socket(int family)
{
	SCOPED_FD fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	if (family == AF_INET && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return -errno;
	/* A gateway reaches the instance's own listeners and never through its network. A program
	 * without CAP_NET_RAW there cannot change this (socket(7)). */
	if (family == AF_INET &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof("lo")) < 0)
		return -errno;
	return keep_fd(&fd);
}

/* Binds a socket to a port of loopback that no connect(2) inside gets. A port that connect(2) chose
 * itself may be chosen once more by a program, because its socket is bound to no device: the kernel
 * takes both connections for different ones, and the program's ends the gateway's. The kernel's own
 * search for a free port has no bound. If a program has nearly all ports in use, the socket goes
 * without. */
static int keep_port(int fd)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};

	for (int n = 0; n < PORT_TRIES; n++) {
		at.sin_port = htons((uint16_t)(PORT_FIRST + arc4random_uniform(PORTS)));
		if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return -errno;
	}
	return 0;
}

static int make_client(int family)
{
	SCOPED_FD fd = make_socket(family);
	int r = fd >= 0 && family == AF_INET ? keep_port(fd) : 0;

	if (fd < 0 || r < 0)
		return fd < 0 ? fd : r;
	return keep_fd(&fd);
}

static void close_all(int *fds, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		fd_close(&fds[i]);
}

int netns_sockets(int net_ns_fd, int home_ns_fd, int family, int *fds, uint32_t count)
{
	uint32_t made;
	int r = enter(net_ns_fd);

	if (r < 0)
		return r;
	for (made = 0; r >= 0 && made < count; made += r >= 0) {
		r = make_client(family);
		if (r >= 0)
			fds[made] = r;
	}
	if (netns_leave(home_ns_fd) < 0)
		r = -ENOTRECOVERABLE;
	if (r < 0)
		close_all(fds, made);
	return r < 0 ? r : 0;
}

/* Abstract: a NUL first, and the length ends the name (unix(7)). */
static int abstract_address(const char *name, struct sockaddr_un *out, socklen_t *out_size)
{
	size_t size = strlen(name);

	if (size == 0 || size > sizeof(out->sun_path) - 1)
		return -EINVAL;
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(out->sun_path + 1, name, size);
	*out_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + size);
	return 0;
}

static int listen_unix(const char *name, int backlog)
{
	struct sockaddr_un address;
	socklen_t size;
	SCOPED_FD fd = -1;
	int r = abstract_address(name, &address, &size);

	if (r < 0)
		return r;
	fd = make_socket(AF_UNIX);
	if (fd < 0)
		return fd;
	if (bind(fd, (const struct sockaddr *)&address, size) < 0 || listen(fd, backlog) < 0)
		return -errno;
	return keep_fd(&fd);
}

int netns_listen_unix(int net_ns_fd, int home_ns_fd, const char *name, int backlog)
{
	int fd, r = enter(net_ns_fd);

	if (r < 0)
		return r;
	fd = listen_unix(name, backlog);
	if (netns_leave(home_ns_fd) == 0)
		return fd;
	fd_close(&fd);
	return -ENOTRECOVERABLE;
}

static int listen_tcp(uint16_t port, int backlog)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons(port),
					    .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	SCOPED_FD fd = make_socket(AF_INET);

	if (fd < 0)
		return fd;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, backlog) < 0)
		return -errno;
	return keep_fd(&fd);
}

int netns_listen_tcp(int net_ns_fd, int home_ns_fd, const uint16_t *ports, uint32_t count,
		     int backlog, int *fds)
{
	uint32_t made = 0;
	int r = enter(net_ns_fd), left;

	if (r < 0)
		return r;
	for (; r >= 0 && made < count; made += r >= 0) {
		r = listen_tcp(ports[made], backlog);
		if (r >= 0)
			fds[made] = r;
	}
	left = netns_leave(home_ns_fd);
	if (left == 0 && r >= 0)
		return 0;
	while (made > 0)
		fd_close(&fds[--made]);
	return left < 0 ? left : r;
}

int netns_route_socket(int net_ns_fd, int home_ns_fd)
{
	int fd, r = enter(net_ns_fd);

	if (r < 0)
		return r;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	r = fd < 0 ? -errno : fd;
	if (netns_leave(home_ns_fd) == 0)
		return r;
	fd_close(&fd);
	return -ENOTRECOVERABLE;
}

/* After a failed connect TCP reports the old error once more, unless it is told to forget the peer
 * (connect(2), AF_UNSPEC). */
static void forget_peer(int socket_fd)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	(void)!connect(socket_fd, &none, sizeof(none));
}

int netns_connect_result(int socket_fd)
{
	struct sockaddr_in peer;
	socklen_t size = sizeof(int);
	int error = 0;

	if (getsockopt(socket_fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	if (error != 0) {
		forget_peer(socket_fd);
		return -error;
	}
	size = sizeof(peer);
	if (getpeername(socket_fd, (struct sockaddr *)&peer, &size) == 0)
		return 1;
	return errno == ENOTCONN ? 0 : -errno;
}

int netns_connect_tcp(int socket_fd, uint16_t port)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int error;

	if (connect(socket_fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return 1;
	error = errno;
	/* On loopback the outcome is known by now, most of the time. On a busy machine a later call
	 * may find the connect still under way. */
	if (error == EINPROGRESS || error == EALREADY)
		return netns_connect_result(socket_fd);
	forget_peer(socket_fd);
	return -error;
}

int netns_connect_unix(int socket_fd, const char *name)
{
	struct sockaddr_un address;
	socklen_t size;
	int r = abstract_address(name, &address, &size);

	if (r < 0)
		return r;
	return connect(socket_fd, (const struct sockaddr *)&address, size) < 0 ? -errno : 0;
}

int netns_own(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}
