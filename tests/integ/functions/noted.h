/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that the function noted, with their heads: those of ebb-flow. */
#ifndef EBB_FUNCTION_NOTED_H
#define EBB_FUNCTION_NOTED_H

struct call;

/* /note?status=N&first=M&ms=T: notes the request, waits T ms, answers N; the first M requests are
 * answered 500. */
void on_note(struct call *c);
/* /later: notes the request. The body of a message is a status, with which its first delivery is
 * answered, and Retry-After: 1. */
void on_later(struct call *c);
/* /count?n=N: notes one more request with this number. /counts: how many numbers there were, and
 * those that came twice. */
void on_count(struct call *c);
void on_counts(struct call *c);
/* /noted: all of them as JSON: {"at": us, "head": "..."}. */
void on_noted(struct call *c);

#endif
