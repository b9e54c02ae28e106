/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebb-net: CAP_NET_ADMIN in the host's network namespace, and nothing else. ebbd says, in records
 * of fixed size, which sandbox is to be wired and what its instance may reach; ebb-net writes it
 * into the kernel. It keeps one number for each sandbox, the index of its interface, and finds
 * these again when it is started anew. When ebbd is gone it removes all wires, then the table:
 * nobody is left unfiltered.
 */
#ifndef EBB_NET_LOOP_H
#define EBB_NET_LOOP_H

struct net;

int net_new(int control_fd, struct net **out); /* 0 or -errno; opens its sockets */
int net_run(struct net *net);                  /* 0 when ebbd is gone, or -errno */
void net_free(struct net *net);                /* NULL is fine */

#endif
