/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that the function noted, with their heads: those of ebb-flow. */
#ifndef EBB_FUNCTION_NOTED_H
#define EBB_FUNCTION_NOTED_H

struct call;

/* /note?status=N&first=M&ms=T: notes the request, waits T ms, answers N; the first M requests are
 * answered 500. */
void on_note(struct call *c);
/* /noted: all of them as JSON: {"at": us, "head": "..."}. */
void on_noted(struct call *c);

#endif
