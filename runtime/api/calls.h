/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to ebbd and to ebb-ledger that are not answered yet, by cookie.
 *
 * Every call ends exactly once: by its answer, by its deadline, or because the peer is gone. An
 * answer that comes too late finds no call and is dropped. Nothing here blocks.
 */
#ifndef EBB_API_CALLS_H
#define EBB_API_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api;
struct calls;
struct request;
struct wire_message;

/* err is 0 or a positive errno. records: count records of the answer's type, valid during done. */
struct answer {
	int err;
	const char *text; /* the cause, when err != 0 */
	const void *records;
	size_t count;
};

/* rq is NULL when the call was made without a request, or when the client of the request
 * has left. */
typedef void (*answer_fn)(struct api *api, struct request *rq, void *ctx,
			  const struct answer *answer);

enum call_peer { CALL_EBBD, CALL_LEDGER, CALL_FLOW };

/* A question. The record begins with its cookie, which calls_ask fills in. */
struct call_ask {
	enum call_peer peer;
	uint32_t type;
	void *record;
	size_t size;
	int fd; /* borrowed; sent along if has_fd */
	bool has_fd;
	uint32_t timeout_ms; /* 0: 30 s */
	uint32_t cancel;     /* type of the record {cookie} that takes the question back; 0: none */
	struct request *rq;  /* may be NULL */
	answer_fn done;
	void *ctx;
};

int calls_new(struct calls **out); /* 0 or -ENOMEM */
/* Frees the calls without an answer to their clients. NULL is fine. */
void calls_free(struct calls *calls);
/* Sends the question. If that fails, done is called with the error before calls_ask returns. */
void calls_ask(struct api *api, const struct call_ask *ask);
/* A record of an answer, which begins with the cookie. `append` keeps the record for done; `last`
 * or an err that is not 0 ends the call. */
struct call_part {
	const void *record;
	size_t size;
	bool append, last;
	int err;
	const char *text;
};
void calls_take(struct api *api, const struct call_part *part);
/* A row of an answer. The last one may be none: then its name is empty, and it is not kept. */
void calls_take_row(struct api *api, const void *row, size_t size, const char *name, bool last,
		    int err);
/* A rule of a peer's channel: RESULT ends the call that it names. */
int calls_on_result(void *self, struct wire_message *m);
/* The client of rq is gone: its calls go on without a request, and their peers get `cancel`. */
void calls_forget(struct api *api, const struct request *rq);
/* Ends every call that waits for this peer, with EPIPE. */
void calls_peer_lost(struct api *api, enum call_peer peer);
/* Ends calls whose deadline has passed, with ETIMEDOUT. Returns whether any call still waits. */
bool calls_expire(struct api *api, uint64_t now_ns);

#endif
