/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to ebbd and to the ledger that are not answered yet, by cookie.
 *
 * Every call ends exactly once: by its answer, by its deadline, or because the peer is gone. An
 * answer that comes too late finds no call and is dropped.
 */
#ifndef EBB_API_CALLS_H
#define EBB_API_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api;
struct calls;
struct request;

/* err is 0 or a positive errno. records: count records of the answer's type, valid during done. */
struct answer {
	int err;
	const char *text; /* the cause, when err != 0 */
	const void *records;
	size_t count;
};

/* rq is NULL when the client did not wait for it. */
typedef void (*answer_fn)(struct api *api, struct request *rq, void *ctx,
			  const struct answer *answer);

enum call_peer { CALL_EBBD, CALL_LEDGER };

/* A question. Each record that carries a cookie begins with it; it is filled in here. */
struct call_ask {
	enum call_peer peer;
	uint32_t type;
	void *record;
	size_t size;
	int fd; /* borrowed; sent along if has_fd */
	bool has_fd;
	uint32_t timeout_ms; /* 0: 30 s */
	uint32_t cancel;     /* type of the record {cookie} that says nobody waits; 0: none */
	struct request *rq;  /* may be NULL */
	answer_fn done;
	void *ctx;
};

int calls_new(struct calls **out); /* 0 or -ENOMEM */
/* Without a word to clients that still wait; NULL is fine. */
void calls_free(struct calls *calls);
/* Sends. If it cannot, done is called at once, from in here, with the error. */
void calls_ask(struct api *api, const struct call_ask *ask);
/* A record of an answer came: record begins with the cookie. Kept if append. last ends the call. */
struct call_part {
	const void *record;
	size_t size;
	bool append, last;
	int err;
	const char *text;
};
void calls_take(struct api *api, const struct call_part *part);
/* Its client is gone: calls for it alone are cancelled. */
void calls_forget(struct api *api, const struct request *rq);
/* Ends what waits for this peer. */
void calls_peer_lost(struct api *api, enum call_peer peer);
/* Ends what waited too long. Returns whether anything still waits. */
bool calls_expire(struct api *api, uint64_t now_ns);

#endif
