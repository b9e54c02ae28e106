/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as the user sees them: RFC 9457 problem documents with one more member, "mend". */
#ifndef EBB_API_PROBLEM_H
#define EBB_API_PROBLEM_H

#include <stddef.h>

struct answer;
struct request;

/* One wrong value of a document: "memory: 3 is too small (64..)". */
struct problem_item {
	char path[96];
	char message[320];
};

#define PROBLEM_ITEMS_MAX 16
struct problem_list {
	struct problem_item items[PROBLEM_ITEMS_MAX];
	size_t count; /* may exceed the maximum: then the rest is not kept */
};

/* Adds a fault; path names the value in the document ("ebb.timers"). A full list only counts it. */
void problem_add(struct problem_list *list, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* mend: the caller's remedy, or NULL. */
void problem_reply(struct request *rq, int status, const char *mend, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* With every item: 422, a document that is wrong; or this status. */
void problem_reply_failed(struct request *rq, int status, const char *mend,
			  const struct problem_list *list);
void problem_reply_list(struct request *rq, const struct problem_list *list);
/* Answers with the refusal of ebbd or ebb-ledger, or with the reason why no answer came. `what`
 * completes "cannot ...". With rq NULL nothing happens. */
void problem_reply_answer(struct request *rq, const char *what, const struct answer *answer);

/* The answer when there is no memory for another one. */
#define PROBLEM_NO_MEMORY                                                               \
	"{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500," \
	"\"detail\":\"out of memory\"}"

#endif
