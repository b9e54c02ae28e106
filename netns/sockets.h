/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TCP and UDP sockets of a network namespace, as the kernel lists them (sock_diag(7)).
 *
 * A socket of NETLINK_SOCK_DIAG that was born inside answers about that namespace, to any process.
 * So ebbd makes one and hands it to a program without rights, which lists and cannot do more: to
 * end a socket takes CAP_NET_ADMIN there.
 */
#ifndef EBB_NETNS_SOCKETS_H
#define EBB_NETNS_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

struct net_socket {
	uint8_t local[16], remote[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t local_port, remote_port;
	uint8_t protocol;                   /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t state;                      /* as TCP counts them; UDP: 1 connected, 7 not */
	uint32_t receive_bytes, send_bytes; /* that wait in it */
};

/* Makes such a socket inside. Returns the descriptor, which the caller owns, or -errno. The calling
 * thread is back in home_ns_fd, or -ENOTRECOVERABLE (netns.h). */
int net_sockets_open(int net_ns_fd, int home_ns_fd);
/* Lists all of them. 0 or -errno. Never blocks. */
int net_sockets_each(int fd, void (*each)(void *self, const struct net_socket *s), void *self);
/* Whether this is an open connection to somebody outside of the namespace. A listener is none, nor
 * is one that is over. */
bool net_socket_is_connection(const struct net_socket *s);
/* "ESTAB", as ss(8) says it. */
const char *net_socket_state(uint32_t state);

#endif
