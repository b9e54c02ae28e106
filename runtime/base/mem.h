/* SPDX-License-Identifier: Apache-2.0 */
/* Heap memory freed when its scope ends, and the checks that only a bug can fail. */
#ifndef EBB_BASE_MEM_H
#define EBB_BASE_MEM_H

#include <stdlib.h>

static inline void mem_free_scoped(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

/* SCOPED_MEM char *text = malloc(n); is freed at the end of the scope. Move out with keep_mem. */
#define SCOPED_MEM __attribute__((cleanup(mem_free_scoped)))
#define keep_mem(p)                        \
	({                                 \
		__typeof__(p) kept_ = (p); \
		(p) = NULL;                \
		kept_;                     \
	})

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* must(x): x is false only if this program has a bug. Always compiled in; logs the place and
 * aborts. Never use it for anything that a client, a guest or the environment can cause. */
#define must(x) ((x) ? (void)0 : must_failed(#x, __FILE__, __LINE__))
__attribute__((noreturn, cold)) void must_failed(const char *what, const char *file, int line);

#endif
