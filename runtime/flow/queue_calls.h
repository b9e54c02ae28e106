/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of instances to queues, as npm @vercel/queue makes them. */
#ifndef EBB_FLOW_QUEUE_CALLS_H
#define EBB_FLOW_QUEUE_CALLS_H

struct conn;
struct http_head;

/* Answers the request in hand (conn_answer). */
void queue_call(struct conn *c, const struct http_head *head);

#endif
