/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to ebb-api: usage and the audit. One request is worked on at a time; the next request is
 * read when the answer before it has been sent, so the socket is the queue. Work is done in slices
 * (a bucket, or VERIFY_SLICE_ROWS rows) and sending never blocks, so a slow reader does not delay
 * the readings of ebbd.
 */
#ifndef EBB_LEDGER_ANSWER_H
#define EBB_LEDGER_ANSWER_H

#include <stdbool.h>

#include "runtime/ledger/usage.h"
#include "runtime/ledger/verify.h"

#define USAGE_BUCKETS_MAX 10000u

enum answer_kind { ANSWER_NONE, ANSWER_USAGE, ANSWER_VERIFY };

struct answer {
	enum answer_kind kind;
	uint64_t cookie;
	/* usage */
	struct wire_usage_get get;
	uint64_t bucket_from_us, bucket_to_us, next_from_us;
	struct usage_rows rows; /* of this bucket; the first `sent` rows have been sent */
	size_t sent;
	bool done; /* no bucket is left */
	int err;
	/* audit */
	struct verify verify;
};

/* Gives up the answer under way, after which the next request can be taken on. */
void answer_fini(struct answer *a);
/* Takes a request on. */
void answer_usage(struct answer *a, const struct wire_usage_get *get);
void answer_verify(struct answer *a, struct db *db, uint64_t cookie);
/* Does one slice of work or of sending. 0, or -errno when ebb-api is gone. */
int answer_step(struct answer *a, struct db *db, int api_fd);

#endif
