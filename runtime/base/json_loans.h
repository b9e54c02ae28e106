/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for yajl, which does not check whether it gets any. Each piece that yajl asks for is
 * noted. When there is none, the way back is longjmp(loans->none): loans_end gives back everything
 * noted, and with it the handle of yajl. For json_read.c only.
 */
#ifndef EBB_BASE_JSON_LOANS_H
#define EBB_BASE_JSON_LOANS_H

#include <setjmp.h>
#include <yajl/yajl_common.h>

struct loan;

struct loans {
	jmp_buf none;
	struct loan *first;
};

/* The functions that yajl_alloc takes. */
yajl_alloc_funcs loans_functions(struct loans *loans);
void loans_end(struct loans *loans);

#endif
