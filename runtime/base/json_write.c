// SPDX-License-Identifier: Apache-2.0
/* Writing JSON into a growing buffer. */
#include "runtime/base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/json_value.h"
#include "runtime/base/mem.h"
#include "runtime/base/utf8.h"

#define FIRST_CAPACITY 256

void json_out_init(struct json_out *o)
{
	*o = (struct json_out){0};
}

void json_out_fini(struct json_out *o)
{
	free(o->text);
	json_out_init(o);
}

static void fail(struct json_out *o)
{
	json_out_fini(o);
	o->failed = true;
}

/* Makes room for size more bytes and the NUL. */
static bool reserve(struct json_out *o, size_t size)
{
	size_t need = o->length + size + 1, capacity = o->capacity ? o->capacity : FIRST_CAPACITY;
	char *text;

	if (o->failed)
		return false;
	if (need <= o->capacity)
		return true;
	while (capacity < need)
		capacity *= 2;
	text = realloc(o->text, capacity);
	if (!text) {
		fail(o);
		return false;
	}
	o->text = text;
	o->capacity = capacity;
	return true;
}

static void put(struct json_out *o, const char *bytes, size_t size)
{
	if (!reserve(o, size))
		return;
	memcpy(o->text + o->length, bytes, size);
	o->length += size;
	o->text[o->length] = '\0';
}

static void put_text(struct json_out *o, const char *text)
{
	put(o, text, strlen(text));
}

static void put_escape(struct json_out *o, unsigned char c)
{
	static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	char text[8];

	for (size_t i = 0; names[i]; i += 2) {
		if ((unsigned char)names[i] != c)
			continue;
		text[0] = '\\';
		text[1] = names[i + 1];
		put(o, text, 2);
		return;
	}
	snprintf(text, sizeof(text), "\\u%04x", c);
	put_text(o, text);
}

/* How many bytes at text may be copied as they are; 0 when the first needs care. */
static size_t plain_run(const char *text, size_t size)
{
	size_t n = 0;

	while (n < size) {
		unsigned char c = (unsigned char)text[n];
		size_t bytes = utf8_sequence(text + n, size - n);

		if (bytes == 0 || c < 0x20 || c == 0x7f || c == '"' || c == '\\')
			break;
		n += bytes;
	}
	return n;
}

static void put_quoted(struct json_out *o, const char *text)
{
	size_t left = strlen(text);

	put_text(o, "\"");
	while (left > 0) {
		size_t n = plain_run(text, left);

		if (n > 0) {
			put(o, text, n);
		} else {
			n = 1;
			/* U+FFFD: foreign bytes (of logs) must not make the document invalid. */
			if ((unsigned char)*text >= 0x80)
				put_text(o, "\xef\xbf\xbd");
			else
				put_escape(o, (unsigned char)*text);
		}
		text += n;
		left -= n;
	}
	put_text(o, "\"");
}

/* Writes the comma and the key in front of a value. */
static void begin(struct json_out *o, const char *key)
{
	if (o->need_comma)
		put_text(o, ",");
	o->need_comma = true;
	if (!key)
		return;
	put_quoted(o, key);
	put_text(o, ":");
}

static void open_container(struct json_out *o, const char *key, const char *bracket)
{
	begin(o, key);
	put_text(o, bracket);
	o->need_comma = false;
	o->depth++;
}

static void close_container(struct json_out *o, const char *bracket)
{
	must(o->failed || o->depth > 0);
	put_text(o, bracket);
	o->need_comma = true;
	if (o->depth > 0)
		o->depth--;
}

void json_out_object(struct json_out *o, const char *key)
{
	open_container(o, key, "{");
}

void json_out_array(struct json_out *o, const char *key)
{
	open_container(o, key, "[");
}

void json_out_end_object(struct json_out *o)
{
	close_container(o, "}");
}

void json_out_end_array(struct json_out *o)
{
	close_container(o, "]");
}

void json_out_string(struct json_out *o, const char *key, const char *value)
{
	begin(o, key);
	if (value)
		put_quoted(o, value);
	else
		put_text(o, "null");
}

void json_out_u64(struct json_out *o, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	begin(o, key);
	put_text(o, text);
}

void json_out_i64(struct json_out *o, const char *key, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	begin(o, key);
	put_text(o, text);
}

void json_out_bool(struct json_out *o, const char *key, bool value)
{
	begin(o, key);
	put_text(o, value ? "true" : "false");
}

/* Three bytes, or the last one or two, as four letters (RFC 4648 section 4). */
static void put_triple(char *to, const unsigned char *at, size_t have)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = (uint32_t)at[0] << 16;

	if (have > 1)
		bits |= (uint32_t)at[1] << 8;
	if (have > 2)
		bits |= at[2];
	for (size_t k = 0; k < 4; k++)
		to[k] = k <= have ? letters[bits >> (18 - 6 * k) & 63] : '=';
}

void json_out_base64(struct json_out *o, const char *key, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	begin(o, key);
	put_text(o, "\"");
	if (!reserve(o, (size + 2) / 3 * 4 + 1))
		return;
	for (size_t n = 0; n < size; n += 3) {
		put_triple(o->text + o->length, at + n, size - n < 3 ? size - n : 3);
		o->length += 4;
	}
	put_text(o, "\"");
}

static void json_out_null(struct json_out *o, const char *key)
{
	json_out_string(o, key, NULL);
}

static void put_items(struct json_out *o, const struct json *value)
{
	for (size_t i = 0; i < value->count; i++)
		json_out_value(o, value->keys ? value->keys[i] : NULL, value->items[i]);
}

void json_out_value(struct json_out *o, const char *key, const struct json *value)
{
	switch (json_kind(value)) {
	case JSON_NULL:
		json_out_null(o, key);
		break;
	case JSON_BOOL:
		json_out_bool(o, key, value->boolean);
		break;
	case JSON_INT:
		json_out_i64(o, key, value->integer);
		break;
	case JSON_REAL:
		begin(o, key);
		put_text(o, value->text);
		break;
	case JSON_STRING:
		json_out_string(o, key, value->text);
		break;
	case JSON_ARRAY:
		json_out_array(o, key);
		put_items(o, value);
		json_out_end_array(o);
		break;
	case JSON_OBJECT:
		json_out_object(o, key);
		put_items(o, value);
		json_out_end_object(o);
		break;
	}
}
