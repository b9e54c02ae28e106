/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces of instances, seen from ebbd (root): sockets born inside them.
 *
 * A socket belongs for ever to the namespace it was made in, so a gateway that was handed an
 * unconnected one can reach 127.0.0.1:$PORT inside the instance without any route, veth or NAT
 * (network_namespaces(7)). Nothing here logs or blocks.
 */
#ifndef EBB_NETNS_NETNS_H
#define EBB_NETNS_NETNS_H

#include <stdint.h>

/* Makes count non-blocking, O_CLOEXEC stream sockets of this family (AF_INET with TCP_NODELAY, or
 * AF_UNIX) inside net_ns_fd. The calling thread is back in home_ns_fd afterwards; if that fails the
 * program must not go on (-ENOTRECOVERABLE). All or nothing: 0 with fds filled, or -errno. */
int netns_sockets(int net_ns_fd, int home_ns_fd, int family, int *fds, uint32_t count);
/* The way back of all of these. Without memory in the kernel it is tried again. 0, or
 * -ENOTRECOVERABLE. */
int netns_leave(int home_ns_fd);
/* Makes a listening abstract unix socket inside the namespace (for runtimes that inherit
 * LISTEN_FDS), non-blocking, O_CLOEXEC. Returns it or -errno. */
int netns_listen_unix(int net_ns_fd, int home_ns_fd, const char *name, int backlog);
/* Starts connecting a socket from netns_sockets to 127.0.0.1:port. 1 connected, 0 under way (poll
 * for POLLOUT, then netns_connect_result; or call it again), -ECONNREFUSED: nobody listens yet; the
 * socket may be used again. */
int netns_connect_tcp(int socket_fd, uint16_t port);
int netns_connect_result(int socket_fd);
/* Connects one of family AF_UNIX to an abstract name. The kernel decides at once: 0 it is in the
 * listener's queue, -ECONNREFUSED nobody listens, -EAGAIN the queue is full. */
int netns_connect_unix(int socket_fd, const char *name);
/* How many connections of a listener inside nobody has accepted yet, and how many it may have (the
 * kernel lets one more in). Of several listeners on one port (SO_REUSEPORT), the fullest. */
struct netns_queue {
	uint32_t length, max;
};
/* Asks the kernel (sock_diag(7)) for the listeners on TCP port of any address, or with this
 * abstract unix name (port 0). 1 with *out, 0 nobody listens there, -errno. */
int netns_queue(int net_ns_fd, int home_ns_fd, uint16_t port, const char *unix_name,
		struct netns_queue *out);
/* A socket of NETLINK_ROUTE, made inside: each question over it is about that namespace, from any
 * process. Returns it or -errno. */
int netns_route_socket(int net_ns_fd, int home_ns_fd);
/* This thread's own namespace. Returns an owned descriptor or -errno. */
int netns_own(void);

#endif
