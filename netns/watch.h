/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A watch on what arrives for instances: a program in the kernel (BPF, cgroup_skb) at the cgroup of
 * all instances tells of the first data for one that is watched.
 *
 * The kernel runs it for each packet that a socket of an instance is about to take. It knows the
 * instance by the address, which is one of the pool. Data are new bytes of TCP, the end of a
 * connect, or a datagram; the end of a connection (FIN or RST) is told apart. Acknowledgements,
 * keep-alive probes, and bytes and ends that came before are none of these. No byte of a packet but
 * its ports and its sender's address comes out. It also notes, watched or not, how much a socket
 * had said when the last data came to it.
 *
 * Needs CAP_BPF and CAP_NET_ADMIN, in ebbd. Nothing here blocks.
 */
#ifndef EBB_NETNS_WATCH_H
#define EBB_NETNS_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#define NET_WATCH_RANGES 4096 /* addresses of the pool, and places to watch */
#define NET_WATCH_ENDS   256  /* ends of connections that are told for one watch */

enum net_arrival { NET_ARRIVAL_DATA = 1, NET_ARRIVAL_END = 2 };

/* As the program in the kernel writes it. */
struct net_event {
	uint32_t range; /* the number of the address in the pool */
	uint8_t kind;   /* enum net_arrival */
	uint8_t protocol;
	uint16_t reserved;
	uint16_t peer_port, local_port; /* in the order of the network */
	uint32_t reserved_too;
	uint8_t peer[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct net_watch;

/* Loads the program and attaches it to a cgroup2 directory, for as long as *out is open. The pools
 * are a /20 and a /64. 0; or -errno, with the step that failed. */
int net_watch_open(int cgroup_fd, const uint8_t pool_v4[4], const uint8_t pool_v6[16],
		   struct net_watch **out, const char **step);
void net_watch_close(struct net_watch *w);   /* NULL is fine */
int net_watch_fd(const struct net_watch *w); /* readable when events wait; borrowed */

/* From now on the first data that arrive for the range are told, and end its watch. So many ends of
 * connections are told meanwhile, and one more is told as data. */
void net_watch_begin(struct net_watch *w, uint32_t range);
void net_watch_end(struct net_watch *w, uint32_t range);
/* Whether no data arrived since the watch began. */
bool net_watch_goes_on(const struct net_watch *w, uint32_t range);
/* The bytes that a socket of TCP had sent when the last data came to it, as tcpi_bytes_acked counts
 * them. 0; -ENOENT: not known. */
int net_watch_said(const struct net_watch *w, uint64_t cookie, uint64_t *out);
/* Hands out the events that wait. False: the ring was full, so events may be missing, and a watch
 * may have ended without one. */
bool net_watch_read(struct net_watch *w, void (*on_event)(void *self, const struct net_event *e),
		    void *self);

#endif
