/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 (RFC 3629), strict: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
#ifndef EBB_BASE_UTF8_H
#define EBB_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The bytes of the sequence at the front of text[0..size) (1..4), or 0 if it is not valid UTF-8. */
size_t utf8_sequence(const char *text, size_t size);
/* Whether text[0..size) is valid UTF-8 and holds no NUL. */
bool utf8_is_text(const char *text, size_t size);

#endif
