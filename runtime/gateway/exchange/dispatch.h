/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the instance for a request: chooses, takes a ticket, queues, or tries again. */
#ifndef EBB_GATEWAY_DISPATCH_H
#define EBB_GATEWAY_DISPATCH_H

#include "runtime/gateway/exchange/gateway.h"

/* c is READY: sends its request to the best instance, or queues it. */
enum verdict dispatch_request(struct gateway *g, struct client *c);
/* Tries again for a client in the queue. True: an instance had room, and c has left the queue. */
bool dispatch_try(struct gateway *g, struct client *c);
/* Takes c out of the queue, or out of the line for a socket; nothing if it is in neither. */
void dispatch_unqueue(struct gateway *g, struct client *c);
/* c owns a ticket on i: sends its request, or puts c in line for a socket to i. */
void dispatch_start(struct gateway *g, struct client *c, struct instance *i);
/* c has waited as long as it may: fails with 503. */
enum verdict dispatch_expired(struct gateway *g, struct client *c);

/* The upstream failed before it answered. refused: the instance cannot have read any of the
 * request. err: -errno. */
enum verdict dispatch_failed(struct gateway *g, struct client *c, bool refused, int err);
/* Nobody has read the request, and nothing is wrong with the instance: sends it there once more. */
enum verdict dispatch_anew(struct gateway *g, struct client *c, int err);
/* Takes the request back from its instance, for the instance that is best now. */
enum verdict dispatch_elsewhere(struct gateway *g, struct client *c);
/* c is in DOUBT, LOST or JUDGED: the cause of the failure is known by now, or will not come. */
enum verdict dispatch_doubt_over(struct gateway *g, struct client *c);
/* The whole request is held, and no byte of an answer came. */
bool dispatch_held(const struct client *c);
/* dispatch_held, and the request is idempotent and has an attempt left. */
bool dispatch_repeatable(const struct client *c);

#endif
