/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floors of a gateway up to exchange/, without a ring: the test itself moves the bytes of
 * streams. The board and the channel to ebbd are real. There is one service.
 */
#ifndef EBB_TEST_GATEWAY_RIG_H
#define EBB_TEST_GATEWAY_RIG_H

#include "runtime/gateway/exchange/run.h"

#define RIG_LIMIT 2u /* tickets of the instance */

struct rig {
	struct gateway g;
	struct ring ring;
	struct buffers buffers;
	int ebbd_fd;     /* the other end of the channel */
	uint32_t nexts;  /* clients that went on to their next request */
	uint32_t closed; /* and that were closed */
};

struct rig *rig_new(void);
void rig_free(struct rig *r);
/* An instance that runs, with room for RIG_LIMIT requests and no sockets. */
struct instance *rig_instance(struct rig *r);
/* A client with the request "GET /" that is READY. */
struct client *rig_client(struct rig *r, uint32_t index);
/* An upstream of i, carried by the test, which c is joined to: ASKED. */
struct upstream *rig_join(struct rig *r, struct client *c, struct instance *i);
/* Bytes arrive. */
void rig_receive(struct rig *r, struct stream *s, const char *text);
uint32_t rig_tickets(const struct rig *r);

#endif
