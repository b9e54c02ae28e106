/* SPDX-License-Identifier: Apache-2.0 */
/* Questions that several handlers ask. ctx and rq as in calls.h. */
#ifndef EBB_API_GATHER_H
#define EBB_API_GATHER_H

#include "runtime/api/calls.h"

struct wire_usage_get;

/* Answer: struct wire_instance_info, one each. */
void gather_instances(struct api *api, struct request *rq, answer_fn done, void *ctx);
/* Every meter read and safe in the ledger. */
void gather_flush(struct api *api, struct request *rq, answer_fn done, void *ctx);
/* Answer: struct wire_usage_row. */
void gather_usage(struct api *api, struct request *rq, const struct wire_usage_get *get,
		  answer_fn done, void *ctx);

#endif
