// SPDX-License-Identifier: Apache-2.0
#include "runtime/http/path_key.h"

#include "runtime/base/text.h"

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The next byte of a path, decoded and in lower case. */
static char take(struct http_slice *path)
{
	char c = path->at[0];
	size_t used = 1;

	if (c == '%' && path->size > 2 && digit(path->at[1]) >= 0 && digit(path->at[2]) >= 0) {
		c = (char)(digit(path->at[1]) * 16 + digit(path->at[2]));
		used = 3;
	}
	path->at += used;
	path->size -= used;
	if (c == '\\')
		c = '/';
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Ends a segment at text[size]: drops one that is empty or ".", and with ".." the one before. */
static size_t settle(const char *text, size_t begin, size_t size)
{
	size_t n = size - begin;

	if (n == 0 || (n == 1 && text[begin] == '.'))
		return begin;
	if (n == 2 && text[begin] == '.' && text[begin + 1] == '.') {
		size_t at = begin ? begin - 1 : 0; /* the slash between them */

		while (at > 0 && text[at - 1] != '/')
			at--;
		return at;
	}
	return size;
}

uint64_t http_path_key(struct http_slice path)
{
	char text[PATH_KEY_BYTES];
	size_t size = 0, begin = 0;
	uint64_t key;

	while (path.size > 0 && size + 2 < sizeof(text)) {
		char c = take(&path);

		if (c != '/') {
			text[size++] = c;
			continue;
		}
		size = settle(text, begin, size);
		if (size > begin)
			text[size++] = '/';
		begin = size;
	}
	size = settle(text, begin, size);
	while (size > 0 && text[size - 1] == '/')
		size--;
	key = text_hash(text, size);
	return key ? key : 1;
}
