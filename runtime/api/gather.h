/* SPDX-License-Identifier: Apache-2.0 */
/* Questions that several handlers ask. rq, done and ctx are as in struct call_ask (calls.h). */
#ifndef EBB_API_GATHER_H
#define EBB_API_GATHER_H

#include "netns/sockets.h"
#include "runtime/api/calls.h"

struct wire_usage_get;

/* All instances. Answer: a struct wire_instance_info for each. */
void gather_instances(struct api *api, struct request *rq, answer_fn done, void *ctx);
/* The same, and how many connections each has open. */
void gather_counted(struct api *api, struct request *rq, answer_fn done, void *ctx);
/* The sockets inside an instance. Answer: a struct one_socket for
 * each; SOCKETS_SHOWN_MAX at most. err ENOENT: there is no such instance. */
#define SOCKETS_SHOWN_MAX 4096u
struct one_socket {
	uint64_t cookie;
	struct net_socket socket;
};
void gather_sockets(struct api *api, struct request *rq, const char *id, answer_fn done, void *ctx);
/* Answers when every meter was read and its reading is durable in the ledger. */
void gather_flush(struct api *api, struct request *rq, answer_fn done, void *ctx);
/* Usage as the ledger has it. Answer: a struct wire_usage_row for each row. */
void gather_usage(struct api *api, struct request *rq, const struct wire_usage_get *get,
		  answer_fn done, void *ctx);

#endif
