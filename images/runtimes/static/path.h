/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the path of a request to the name of a file below the root, and to the path to which a
 * client is sent instead (cleanUrls, trailingSlash). Nothing here asks the file system.
 */
#ifndef EBB_STATIC_PATH_H
#define EBB_STATIC_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define PATH_BYTES 4096

enum slash { SLASH_AS_ASKED, SLASH_ALWAYS, SLASH_NEVER };

struct path_rules {
	bool clean_urls;
	enum slash trailing;
};

struct path {
	bool slash;            /* the request's path ended with one */
	size_t size;           /* of name */
	char name[PATH_BYTES]; /* decoded, without empty segments; "" is the root */
};

/* Reads the path of a request (RFC 3986 section 3.3), without its query. 0; -EINVAL if it is no
 * valid path (a bad escape, a NUL, no slash in front); -ENOENT if it can name no file that is
 * served: a segment "." or "..", one that begins with a dot (but .well-known at the root), one with
 * an encoded slash, a name that is too long, or ebb.json or vercel.json at the root. */
int path_read(const char *text, struct path *out);

/* Writes the Location of a redirect, with the query if there is one, if the rules name another path
 * for this one. False if they do not, or if it does not fit. */
bool path_moved(const struct path_rules *rules, const struct path *path, const char *query,
		char *out, size_t size);

#endif
