// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/json_loans.h"

#include <stddef.h>
#include <stdlib.h>

struct loan {
	struct loan *before, *next;
	_Alignas(16) unsigned char bytes[];
};

static struct loan *of_bytes(void *bytes)
{
	return (struct loan *)((unsigned char *)bytes - offsetof(struct loan, bytes));
}

/* Ties a loan that is new, or has moved, to its neighbours. */
static void *note(struct loans *loans, struct loan *loan)
{
	if (loan->before)
		loan->before->next = loan;
	else
		loans->first = loan;
	if (loan->next)
		loan->next->before = loan;
	return loan->bytes;
}

static void *lend_again(void *ctx, void *bytes, size_t size)
{
	struct loans *loans = ctx;
	struct loan *old = bytes ? of_bytes(bytes) : NULL;
	struct loan *loan = realloc(old, sizeof(*loan) + size);

	if (!loan)
		longjmp(loans->none, 1);
	if (!old) {
		loan->before = NULL;
		loan->next = loans->first;
	}
	return note(loans, loan);
}

static void *lend(void *ctx, size_t size)
{
	return lend_again(ctx, NULL, size);
}

static void take_back(void *ctx, void *bytes)
{
	struct loans *loans = ctx;
	struct loan *loan = bytes ? of_bytes(bytes) : NULL;

	if (!loan)
		return;
	if (loan->before)
		loan->before->next = loan->next;
	else
		loans->first = loan->next;
	if (loan->next)
		loan->next->before = loan->before;
	free(loan);
}

yajl_alloc_funcs loans_functions(struct loans *loans)
{
	return (yajl_alloc_funcs){
		.malloc = lend, .realloc = lend_again, .free = take_back, .ctx = loans};
}

void loans_end(struct loans *loans)
{
	while (loans->first)
		take_back(loans, loans->first->bytes);
}
