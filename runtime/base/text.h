/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded text: copies that report when they do not fit, and numbers that are whole or refused. */
#ifndef EBB_BASE_TEXT_H
#define EBB_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copies src with its NUL. 0, or -ENAMETOOLONG with dst untouched. */
int text_copy(char *dst, size_t size, const char *src);
/* Formats into dst as printf(3). 0, or -ENAMETOOLONG (dst then holds the cut text). */
int text_format(char *dst, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Reads a decimal number from min to max, and nothing else. 0, -EINVAL or -ERANGE. */
int text_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out);
/* Whether a fixed field holds a NUL-terminated string; a peer may send one without a NUL. */
bool text_terminated(const char *field, size_t size);
/* Whether text is only printable ASCII, fit for a line of a log. */
bool text_is_printable(const char *text);
/* Whether text is a label of RFC 1123, as service names are: [a-z0-9]([-a-z0-9]*[a-z0-9])?, at most
 * 63 bytes. */
bool text_is_label(const char *text);
/* Whether text is a name of an environment variable: letters, digits, _ . - and no digit first. */
bool text_is_variable(const char *text, size_t size);
/* Writes bytes as lower-case hexadecimal, NUL-terminated; dst has room for 2 * size + 1. */
void text_hex(char *dst, const void *bytes, size_t size);
/* The inverse of text_hex: exactly 2 * size lower-case digits. 0, or -EINVAL with bytes untouched.
 */
int text_unhex(void *bytes, size_t size, const char *hex);
/* FNV-1a, 64 bits, for tables only. */
uint64_t text_hash(const void *bytes, size_t size);

#endif
