// SPDX-License-Identifier: Apache-2.0
#include "path.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SEGMENT_BYTES 255 /* NAME_MAX */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character of a segment, with its escape undone. Moves *at behind it. -EINVAL, or a byte. */
static int next_byte(const char **at)
{
	int high, low;

	if (**at != '%')
		return (unsigned char)*(*at)++;
	high = hex((*at)[1]);
	low = high < 0 ? -1 : hex((*at)[2]);
	if (low < 0 || (high | low) == 0)
		return -EINVAL;
	*at += 3;
	return high << 4 | low;
}

/* Whether a file may be reached by this segment of a path. */
static bool is_served(const char *segment, size_t size, bool first)
{
	static const char *const hidden[] = {"ebb.json", "vercel.json"};

	if (memchr(segment, '/', size) || size > SEGMENT_BYTES)
		return false;
	for (size_t i = 0; first && i < sizeof(hidden) / sizeof(hidden[0]); i++)
		if (strlen(hidden[i]) == size && memcmp(segment, hidden[i], size) == 0)
			return false;
	return segment[0] != '.' || (first && size == strlen(".well-known") &&
				     memcmp(segment, ".well-known", size) == 0);
}

/* Appends the next segment. 0, -EINVAL or -ENOENT. */
static int read_segment(struct path *path, const char **at)
{
	bool first = path->size == 0;
	size_t begin;

	if (!first && path->size < PATH_BYTES - 1)
		path->name[path->size++] = '/';
	begin = path->size;
	while (**at && **at != '/') {
		int c = next_byte(at);

		if (c < 0)
			return c;
		if (path->size >= PATH_BYTES - 1)
			return -ENOENT;
		path->name[path->size++] = (char)c;
	}
	return is_served(path->name + begin, path->size - begin, first) ? 0 : -ENOENT;
}

/* A bad escape behind a segment that names nothing is a bad path all the same. */
static int check_rest(const char *at)
{
	while (*at)
		if (next_byte(&at) < 0)
			return -EINVAL;
	return -ENOENT;
}

int path_read(const char *text, struct path *out)
{
	int r = 0;

	out->size = 0;
	out->slash = false;
	if (*text != '/')
		return -EINVAL;
	while (r == 0 && *text) {
		out->slash = *text == '/';
		if (out->slash)
			text++;
		else
			r = read_segment(out, &text);
	}
	out->name[out->size] = '\0';
	return r == -ENOENT ? check_rest(text) : r;
}

/* ---- redirects ---- */

static const char *last_segment(const char *name, size_t size)
{
	while (size > 0 && name[size - 1] != '/')
		size--;
	return name + size;
}

/* The size of the name without ".html", and without "index" as its last segment. */
static size_t clean_size(const struct path *path)
{
	const char *last = last_segment(path->name, path->size);
	size_t before = (size_t)(last - path->name), size = path->size - before;

	if (size > 5 && memcmp(last + size - 5, ".html", 5) == 0)
		size -= 5;
	if (size != 5 || memcmp(last, "index", 5) != 0)
		return before + size;
	return before > 0 ? before - 1 : 0;
}

/* A path with a dot in its last segment is one of a file, to which no slash is added. Nothing is
 * added or taken below .well-known, whose paths are those of protocols. */
static bool wants_slash(const struct path_rules *rules, const struct path *path, size_t size)
{
	const char *last = last_segment(path->name, size);

	if (rules->trailing == SLASH_AS_ASKED || path->name[0] == '.')
		return size == path->size && path->slash;
	return rules->trailing == SLASH_ALWAYS &&
	       !memchr(last, '.', size - (size_t)(last - path->name));
}

/* Appends text; bytes that a path cannot hold as they are become escapes. */
static bool put_path(char *out, size_t room, size_t *used, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = isalnum(c) || (c && strchr("/-._~!$&'()*+,;=:@", c));

		if (room - *used < 4)
			return false;
		*used += (size_t)snprintf(out + *used, room - *used, plain ? "%c" : "%%%02X", c);
	}
	return true;
}

bool path_moved(const struct path_rules *rules, const struct path *path, const char *query,
		char *out, size_t size)
{
	size_t wanted = rules->clean_urls ? clean_size(path) : path->size, used;
	bool slash = wants_slash(rules, path, wanted);
	int n;

	if (path->size == 0 || (wanted == path->size && slash == path->slash))
		return false;
	out[0] = '/';
	used = 1;
	if (!put_path(out, size, &used, path->name, wanted))
		return false;
	n = snprintf(out + used, size - used, "%s%s%s", slash && wanted > 0 ? "/" : "",
		     *query ? "?" : "", query);
	return n >= 0 && (size_t)n < size - used;
}
