/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The accounts that have readings in a window, each with its first and its last one there. They are
 * found by name in memory for each account and not for each reading: SQLite's GROUP BY would sort
 * all readings of the window in memory.
 */
#ifndef EBB_LEDGER_ACCOUNTS_H
#define EBB_LEDGER_ACCOUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/wire/records.h"

struct account {
	char instance[INSTANCE_ID_SIZE];
	uint64_t boot_us;
	uint64_t first_seq, last_seq, count; /* readings in the window */
	uint32_t service;                    /* as the owner counts */
};

/* Begins as zeros. */
struct accounts {
	struct account *list; /* in the order in which they were met */
	size_t count, capacity;
	uint32_t *places; /* by hash: index + 1; 0 is free */
	size_t place_count;
};

/* The account, which is a new one with a count of 0 if it was not met before. NULL: no memory. It
 * stays until the next call. */
struct account *accounts_get(struct accounts *a, uint64_t boot_us, const char *instance);
void accounts_fini(struct accounts *a);

#endif
