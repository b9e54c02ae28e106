// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/nearest.h"

#include <stdio.h>
#include <string.h>

static size_t least(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Fills one row of the table from the two rows above it. */
static void fill_row(const char *a, const char *b, size_t i, size_t n,
		     size_t rows[3][NEAREST_CHARS_MAX + 1])
{
	const size_t *above2 = rows[(i + 1) % 3], *above = rows[(i + 2) % 3];
	size_t *row = rows[i % 3];

	row[0] = i;
	for (size_t j = 1; j <= n; j++) {
		row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
		if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
		    above2[j - 2] + 1 < row[j])
			row[j] = above2[j - 2] + 1;
	}
}

static size_t distance_of(const char *a, const char *b)
{
	size_t rows[3][NEAREST_CHARS_MAX + 1];
	size_t m = strlen(a), n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= m; i++)
		fill_row(a, b, i, n, rows);
	return rows[m % 3][n];
}

void nearest_init(struct nearest *n, const char *word)
{
	size_t chars = strlen(word), most = chars / 3;

	*n = (struct nearest){.word = word};
	if (most == 0 && chars > 1)
		most = 1;
	n->distance = most + 1; /* a candidate must be nearer than this */
}

void nearest_offer(struct nearest *n, const char *candidate)
{
	size_t chars = strlen(candidate), distance;

	if (chars == 0 || chars > NEAREST_CHARS_MAX || strlen(n->word) > NEAREST_CHARS_MAX)
		return;
	distance = distance_of(n->word, candidate);
	if (distance >= n->distance)
		return;
	n->distance = distance;
	memcpy(n->found, candidate, chars + 1);
}

const char *nearest_question(const struct nearest *n, char *buf, size_t size)
{
	buf[0] = '\0';
	if (n->found[0])
		snprintf(buf, size, "did you mean '%s'? ", n->found);
	return buf;
}
