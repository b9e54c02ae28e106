/* SPDX-License-Identifier: Apache-2.0 */
/* From an embedded member to the structure that it is part of. */
#ifndef EBB_BASE_CONTAINER_OF_H
#define EBB_BASE_CONTAINER_OF_H

#include <stddef.h>

/* pointer must point to the member of a type: another kind of pointer does not compile. */
#define container_of(pointer, type, member) \
	((type *)(void *)((char *)(1 ? (pointer) : &((type *)0)->member) - offsetof(type, member)))

#endif
