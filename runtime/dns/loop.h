/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebb-dns: answers the questions of instances for names. It is alone in a network namespace with a
 * wire to the host, through which it reaches the host's resolvers and nothing else; the source
 * address of a question, which ebb-net's rules have checked, says who asks. Before an answer opens
 * addresses for an instance ebb-net has opened them, at ebb-dns's word.
 */
#ifndef EBB_DNS_LOOP_H
#define EBB_DNS_LOOP_H

struct dns;

int dns_new(int control_fd, struct dns **out); /* 0 or -errno; opens its sockets */
int dns_run(struct dns *dns);                  /* 0 when ebbd is gone, or -errno */
void dns_free(struct dns *dns);                /* NULL is fine */

#endif
