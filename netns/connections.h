/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of a network namespace, as the kernel knows them (sock_diag(7)): ebbd's view of
 * what an instance talks to. Listeners, and what has ended on both sides, are left out.
 *
 * Nothing here blocks: a dump goes on inside recv(2).
 */
#ifndef EBB_NETNS_CONNECTIONS_H
#define EBB_NETNS_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* The states that are dumped, as linux/tcp_states.h numbers them. A socket of UDP is ESTABLISHED if
 * it has a peer, else CLOSE. */
enum netns_state {
	NETNS_ESTABLISHED = 1,
	NETNS_SYN_SENT = 2,
	NETNS_FIN_WAIT1 = 4, /* the program has closed its direction */
	NETNS_FIN_WAIT2 = 5,
	NETNS_CLOSE = 7,
	NETNS_CLOSE_WAIT = 8, /* the peer has closed its direction */
};

struct netns_connection {
	uint8_t protocol;            /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t state;               /* enum netns_state */
	bool owned;                  /* a process has it open; else the kernel ends it alone */
	bool known;                  /* the times and sums are known (TCP) */
	uint8_t local[16], peer[16]; /* IPv4 as ::ffff:a.b.c.d; peer: zeroes if it has none */
	uint16_t local_port, peer_port;
	uint64_t cookie;       /* names it as long as the host runs */
	uint32_t unread_bytes; /* arrived, and the program has not read them */
	uint32_t unsent_bytes; /* written, and the peer has not taken them */
	/* How long ago the last data went out and came in, and the last acknowledgement. */
	uint32_t sent_ms, received_ms, acknowledged_ms;
	uint64_t sent_bytes, received_bytes, acknowledged_bytes;
};

#define NETNS_CONNECTIONS_MAX 1024

/* Hands the connections to on_connection: of TCP, and with udp also the sockets of UDP. The calling
 * thread is back in home_ns_fd afterwards; if that fails the program must not go on
 * (-ENOTRECOVERABLE). 0: those were all; 1: there are more than NETNS_CONNECTIONS_MAX; or -errno.
 */
int netns_connections(int net_ns_fd, int home_ns_fd, bool udp,
		      void (*on_connection)(void *self, const struct netns_connection *c),
		      void *self);

#endif
