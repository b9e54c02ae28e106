/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The known name that a mistyped one was probably meant to be: "did you mean 'deploy'?".
 *
 * The distance is the optimal string alignment one (insert, delete, replace, swap of neighbours);
 * a name counts as near within a third of the word's length, and one edit for words of two to five
 * characters. No allocation; the candidates are borrowed during the call only.
 */
#ifndef EBB_BASE_NEAREST_H
#define EBB_BASE_NEAREST_H

#include <stddef.h>

#define NEAREST_CHARS_MAX 95

struct nearest {
	const char *word; /* borrowed */
	size_t distance;
	char found[NEAREST_CHARS_MAX + 1];
};

/* word: the misspelt one, borrowed. Each candidate is then offered; the nearest is copied. */
void nearest_init(struct nearest *n, const char *word);
void nearest_offer(struct nearest *n, const char *candidate);
/* "did you mean 'X'? " or "", into buf (128 bytes are enough). Returns buf. */
const char *nearest_question(const struct nearest *n, char *buf, size_t size);

#endif
