// SPDX-License-Identifier: Apache-2.0
#include "accept.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define WHOLE  1000 /* q=1 */
#define UNSAID (-1)

static const struct {
	const char *name, *suffix;
} codings[CODING_COUNT] = {
	[CODING_BR] = {"br", ".br"},
	[CODING_ZSTD] = {"zstd", ".zst"},
	[CODING_GZIP] = {"gzip", ".gz"},
};

const char *coding_name(enum coding c)
{
	return codings[c].name;
}

const char *coding_suffix(enum coding c)
{
	return codings[c].suffix;
}

/* The weight of a list's element, in thousandths: `text` begins behind the name. A weight that is
 * not valid is 0, so that nothing is chosen that the client may not take. */
static int weight(const char *text, const char *end)
{
	int q = 0, unit = WHOLE;

	text += strspn(text, " \t");
	if (text >= end)
		return WHOLE;
	if (*text++ != ';')
		return 0;
	text += strspn(text, " \t");
	if (strncasecmp(text, "q=", 2) != 0)
		return 0;
	for (text += 2; text < end && *text != ' ' && *text != '\t'; text++) {
		if (*text == '.' && unit == WHOLE / 10)
			continue;
		if (*text < '0' || *text > '9' || unit == 0)
			return 0;
		q += (*text - '0') * unit;
		unit /= 10;
	}
	return q > WHOLE ? 0 : q;
}

static bool is_word(const char *text, size_t size, const char *word)
{
	return strlen(word) == size && strncasecmp(text, word, size) == 0;
}

struct weights {
	int of[CODING_COUNT], identity, others;
};

static void note(struct weights *w, const char *text, size_t size, int q)
{
	for (int c = 0; c < CODING_COUNT; c++)
		if (is_word(text, size, codings[c].name))
			w->of[c] = q;
	if (is_word(text, size, "x-gzip"))
		w->of[CODING_GZIP] = q;
	else if (is_word(text, size, "identity"))
		w->identity = q;
	else if (is_word(text, size, "*"))
		w->others = q;
}

enum coding accept_coding(const char *field, unsigned int set)
{
	struct weights w = {{UNSAID, UNSAID, UNSAID}, 0, UNSAID};
	enum coding best = CODING_NONE;
	int most;

	for (const char *at = field; at && *at;) {
		const char *end = at + strcspn(at, ",");
		size_t size;

		at += strspn(at, " \t");
		size = strcspn(at, " \t;,");
		note(&w, at, size, weight(at + size, end));
		at = *end ? end + 1 : end;
	}
	most = w.identity;
	for (int c = 0; field && c < CODING_COUNT; c++) {
		int q = w.of[c] == UNSAID ? w.others : w.of[c];

		if (!(set & 1u << c) || q <= 0 || q < most || (q == most && best != CODING_NONE))
			continue;
		best = (enum coding)c;
		most = q;
	}
	return best;
}

bool accept_tag(const char *list, const char *tag, bool weak)
{
	size_t size = strlen(tag);

	list += strspn(list, " \t,");
	if (list[0] == '*' && !list[1 + strspn(list + 1, " \t")])
		return true;
	while (*list) {
		bool is_weak = strncmp(list, "W/", 2) == 0;
		const char *end;

		list += is_weak ? 2 : 0;
		end = *list == '"' ? strchr(list + 1, '"') : NULL;
		if (!end)
			return false;
		end++;
		if ((weak || !is_weak) && (size_t)(end - list) == size &&
		    memcmp(list, tag, size) == 0)
			return true;
		list = end + strspn(end, " \t,");
	}
	return false;
}
