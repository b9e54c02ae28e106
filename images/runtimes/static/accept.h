/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of a client: the codings it takes (RFC 9110 section 12.5.3), and the tags of
 * content that it has (section 8.8.3). */
#ifndef EBB_STATIC_ACCEPT_H
#define EBB_STATIC_ACCEPT_H

#include <stdbool.h>

/* Files compressed ahead lie beside the file under its name and a suffix. */
enum coding { CODING_BR, CODING_ZSTD, CODING_GZIP, CODING_COUNT, CODING_NONE = CODING_COUNT };

const char *coding_name(enum coding c);   /* "br" */
const char *coding_suffix(enum coding c); /* ".br" */
/* The coding that the client likes best of those in the set (bits 1 << coding), or CODING_NONE. The
 * field may be NULL. Of equal ones the first of the enum wins. */
enum coding accept_coding(const char *field, unsigned int set);

/* Whether an entity tag, with its quotes, is in the list or the list is "*". weak: W/ makes no
 * difference; else a weak tag is never equal (section 8.8.3.2). */
bool accept_tag(const char *list, const char *tag, bool weak);

#endif
