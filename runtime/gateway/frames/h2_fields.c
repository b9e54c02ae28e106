// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/frames/h2_fields.h"

#include <string.h>

#include "runtime/http/scan.h"

void h2_fields_add(struct h2_fields *f, char *name, size_t name_size, char *value,
		   size_t value_size)
{
	if (f->count == sizeof(f->at) / sizeof(f->at[0]))
		return;
	for (size_t i = 0; i < name_size; i++)
		if (name[i] >= 'A' && name[i] <= 'Z')
			name[i] |= 32; /* RFC 9113 section 8.2.1 */
	f->at[f->count++] =
		(nghttp2_nv){(uint8_t *)name, (uint8_t *)value, name_size, value_size,
			     NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

void h2_fields_add_all(struct h2_fields *f, const struct http_head *head)
{
	for (size_t i = 0; i < head->header_count; i++) {
		const struct http_header *h = &head->headers[i];

		h2_fields_add(f, (char *)(uintptr_t)h->name.at, h->name.size,
			      (char *)(uintptr_t)h->value.at, h->value.size);
	}
}

char *h2_fields_line(char *line, char *end, struct http_header *out)
{
	char *name = line + 1, *colon;

	line = line < end ? memchr(name, '\n', (size_t)(end + 2 - name)) : NULL;
	colon = line ? memchr(name, ':', (size_t)(line - name)) : NULL;
	if (!colon)
		return NULL;
	out->name = (struct http_slice){name, (size_t)(colon - name)};
	out->value = (struct http_slice){colon + 2, (size_t)(line - 1 - (colon + 2))};
	return line;
}

bool h2_fields_clean(struct http_slice name, struct http_slice value)
{
	for (size_t i = 0; i < name.size; i++)
		if (!http_is_token_char((unsigned char)name.at[i]))
			return false;
	return name.size > 0 && (value.size == 0 || http_text_clean(value));
}

bool h2_fields_hop(struct http_slice name)
{
	return http_slice_is_nocase(name, "connection") ||
	       http_slice_is_nocase(name, "transfer-encoding") ||
	       http_slice_is_nocase(name, "keep-alive") || http_slice_is_nocase(name, "upgrade");
}
