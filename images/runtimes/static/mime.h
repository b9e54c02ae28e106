/* SPDX-License-Identifier: Apache-2.0 */
/* The facts that the name of a file tells: its type, and whether its content may ever change. */
#ifndef EBB_STATIC_MIME_H
#define EBB_STATIC_MIME_H

#include <stdbool.h>

/* The media type by the extension; application/octet-stream for an unknown one. */
const char *mime_type(const char *name);
/* Whether a build has put a hash of the content into the name, so that other content would have
 * another name: "main.3f9a1b2c.js", "index-BkL3dj2_.js", and all of _next/static and
 * _app/immutable. Rather misses a hash than takes a word for one. */
bool mime_hashed(const char *name);

#endif
