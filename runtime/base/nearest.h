/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the known name that a mistyped one was probably meant to be: "did you mean 'deploy'?".
 *
 * The distance is that of optimal string alignment (insert, delete, replace, swap of neighbours). A
 * name is near if its distance is at most a third of the length of the word, or 1 for words of two
 * to five characters. No allocation; candidates are borrowed during the call only.
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

/* word: the mistyped word, borrowed. nearest_offer is then called with each candidate, and the
 * nearest one is copied. */
void nearest_init(struct nearest *n, const char *word);
void nearest_offer(struct nearest *n, const char *candidate);
/* Writes "did you mean 'X'? ", or "" if no candidate is near, into buf (128 bytes are enough).
 * Returns buf. */
const char *nearest_question(const struct nearest *n, char *buf, size_t size);

#endif
