/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded text: copies that say when they do not fit, numbers that are whole numbers or refused. */
#ifndef EBB_BASE_TEXT_H
#define EBB_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copies with its NUL. 0, or -ENAMETOOLONG with dst untouched. */
int text_copy(char *dst, size_t size, const char *src);
/* printf into dst. 0, or -ENAMETOOLONG (dst then holds the cut text). */
int text_format(char *dst, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A decimal number and nothing else, min..max. 0, -EINVAL or -ERANGE. */
int text_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out);
/* Whether a fixed field holds a NUL-terminated string (what a peer sent is not trusted to). */
bool text_terminated(const char *field, size_t size);
/* Nothing but printable ASCII: fit for a line of a log. */
bool text_is_printable(const char *text);
/* RFC 1123 label, as service names are: [a-z0-9]([-a-z0-9]*[a-z0-9])?, at most 63 bytes. */
bool text_is_label(const char *text);
/* A name of an environment variable: letters, digits, _ . - and no digit first. */
bool text_is_variable(const char *text, size_t size);
/* Lower-case hexadecimal of bytes, NUL-terminated; dst has room for 2 * size + 1. */
void text_hex(char *dst, const void *bytes, size_t size);
/* The inverse; exactly 2 * size lower-case digits. 0 or -EINVAL. */
int text_unhex(void *bytes, size_t size, const char *hex);
/* FNV-1a, for tables only. */
uint64_t text_hash(const void *bytes, size_t size);

#endif
