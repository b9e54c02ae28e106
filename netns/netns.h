/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces of instances, seen from ebbd (root): sockets born inside them.
 *
 * A socket belongs for ever to the namespace it was made in, so a gateway that is handed an
 * unconnected socket reaches 127.0.0.1:$PORT inside the instance without any route, veth or NAT
 * (network_namespaces(7), setns(2)). Nothing here logs or blocks.
 */
#ifndef EBB_NETNS_NETNS_H
#define EBB_NETNS_NETNS_H

#include <stdint.h>

/* Makes count non-blocking, O_CLOEXEC stream sockets of this family (AF_INET with TCP_NODELAY, or
 * AF_UNIX) inside net_ns_fd. A TCP socket has its local port from now on, so no program inside can
 * connect from the same one (ip(7), bind(2)). The calling thread is back in home_ns_fd afterwards;
 * if that fails the program must not go on (-ENOTRECOVERABLE). All or nothing: 0 with fds filled,
 * or -errno. */
int netns_sockets(int net_ns_fd, int home_ns_fd, int family, int *fds, uint32_t count);
/* Takes the calling thread back to home_ns_fd; all functions here that enter a namespace end with
 * it. Tries again while the kernel has no memory. 0, or -ENOTRECOVERABLE. */
int netns_leave(int home_ns_fd);
/* Makes a listening abstract unix socket inside the namespace (for runtimes that inherit
 * LISTEN_FDS), non-blocking, O_CLOEXEC. Returns the descriptor, which the caller owns, or
 * -errno. */
int netns_listen_unix(int net_ns_fd, int home_ns_fd, const char *name, int backlog);
/* Makes a listening TCP socket on 127.0.0.1:port inside the namespace for each of count ports. All
 * or nothing: 0 with fds filled, or -errno (-EADDRINUSE: somebody listens there). */
int netns_listen_tcp(int net_ns_fd, int home_ns_fd, const uint16_t *ports, uint32_t count,
		     int backlog, int *fds);
/* Starts to connect a socket from netns_sockets to 127.0.0.1:port. 1: connected. 0: under way; poll
 * for POLLOUT and call netns_connect_result, or call this again. -ECONNREFUSED: nobody listens yet,
 * and the socket may be used again. Else -errno. */
int netns_connect_tcp(int socket_fd, uint16_t port);
int netns_connect_result(int socket_fd);
/* Connects an AF_UNIX socket from netns_sockets to an abstract name. The kernel decides at once: 0
 * it is in the listener's queue, -ECONNREFUSED nobody listens, -EAGAIN the queue is full. */
int netns_connect_unix(int socket_fd, const char *name);
/* How many connections wait in the accept queue of a listener inside, and how many may wait there
 * (the kernel lets one more in). Of several listeners on one port (SO_REUSEPORT), the fullest. */
struct netns_queue {
	uint32_t length, max;
};
/* Asks the kernel (sock_diag(7)) for the listeners on TCP port of any address, or with this
 * abstract unix name (port 0). 1 with *out, 0 if nobody listens there, or -errno. */
int netns_queue(int net_ns_fd, int home_ns_fd, uint16_t port, const char *unix_name,
		struct netns_queue *out);
/* Makes a socket of NETLINK_ROUTE inside the namespace. Each question over this socket is about
 * that namespace, from any process. Returns the descriptor, which the caller owns, or -errno. */
int netns_route_socket(int net_ns_fd, int home_ns_fd);
/* This thread's own namespace. Returns an owned descriptor or -errno. */
int netns_own(void);

#endif
