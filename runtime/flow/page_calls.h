/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of instances about pages that they share (docs/internals/page-protocol.md): GET and PUT
 * /api/ebb/pages/v1/values/KEY, POST and GET /api/ebb/pages/v1/marks.
 */
#ifndef EBB_FLOW_PAGE_CALLS_H
#define EBB_FLOW_PAGE_CALLS_H

#include "runtime/flow/inlets.h"

bool page_is_path(struct http_slice path);
/* Answers the request in hand (conn_answer). */
void page_call(struct conn *c, const struct http_head *head);

#endif
