// SPDX-License-Identifier: Apache-2.0
/* The parts of a table: bytes, expressions, templates. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/rules/build_inside.h"

static void say(struct building *b, bool warning, const char *member, const struct json *value,
		const char *what)
{
	char path[BUILD_PATH_SIZE * 2];

	(void)text_format(path, sizeof(path), "%s%s", b->path, member);
	b->listener->say(b->listener->self, warning, path, value, what);
	b->failed |= !warning;
}

void build_refuse(struct building *b, const char *member, const struct json *value,
		  const char *what)
{
	say(b, false, member, value, what);
}

void build_warn(struct building *b, const char *member, const struct json *value, const char *what)
{
	say(b, true, member, value, what);
}

static bool grow(struct building *b, size_t size)
{
	size_t capacity = b->capacity;
	void *larger;

	while (capacity < size)
		capacity *= 2;
	if (capacity == b->capacity)
		return true;
	larger = realloc(b->table, capacity);
	if (!larger) {
		b->no_memory = true;
		return false;
	}
	b->table = larger;
	b->capacity = capacity;
	return true;
}

struct rules_text build_add(struct building *b, const void *bytes, size_t size, size_t align)
{
	size_t at = (b->table->size + align - 1) / align * align;

	if (size == 0 || b->no_memory)
		return (struct rules_text){0, 0};
	if (size > RULES_BYTES_MAX || at + size > RULES_BYTES_MAX) {
		if (!b->failed)
			build_refuse(b, "", NULL,
				     "finds no room: all rules together take more "
				     "than 4 MB");
		return (struct rules_text){0, 0};
	}
	if (!grow(b, at + size))
		return (struct rules_text){0, 0};
	memset((char *)b->table + b->table->size, 0, at - b->table->size);
	memcpy((char *)b->table + at, bytes, size);
	b->table->size = (uint32_t)(at + size);
	return (struct rules_text){(uint32_t)at, (uint32_t)size};
}

struct rules_text build_regex(struct building *b, const char *text, size_t size, const char *member,
			      const struct json *value)
{
	struct rules_text added = {0, 0};
	const char *why = "is too long";
	size_t bytes;
	void *copy;

	if (regex_compile(text, size, &b->regex, &why) < 0) {
		build_refuse(b, member, value, why);
		return added;
	}
	bytes = regex_size(&b->regex.head);
	copy = malloc(bytes);
	if (!copy) {
		b->no_memory = true;
		return added;
	}
	regex_write(&b->regex, copy);
	added = build_add(b, copy, bytes, 4);
	free(copy);
	return added;
}

/* ---- templates ---- */

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

struct pieces {
	uint8_t bytes[DESTINATION_MAX * 2];
	size_t size, text_at; /* text_at: of the size of the text that is written, or 0 */
};

static void add_byte(struct pieces *p, uint8_t byte)
{
	if (p->size < sizeof(p->bytes))
		p->bytes[p->size++] = byte;
}

static void add_char(struct pieces *p, char c)
{
	size_t size;

	if (!p->text_at) {
		add_byte(p, PIECE_TEXT);
		p->text_at = p->size;
		add_byte(p, 0);
		add_byte(p, 0);
	}
	add_byte(p, (uint8_t)c);
	size = p->size - p->text_at - 2;
	p->bytes[p->text_at] = (uint8_t)size;
	p->bytes[p->text_at + 1] = (uint8_t)(size >> 8);
}

/* A reference behind the $. Returns its size, 0 if it is none. */
static size_t add_reference(struct building *b, struct pieces *p, const char *text, size_t size)
{
	size_t n = 0, number = 0;

	while (n < size && is_word(text[n]))
		n++;
	for (size_t i = 0; i < b->names.count; i++)
		if (strlen(b->names.names[i]) == n && memcmp(b->names.names[i], text, n) == 0) {
			add_byte(p, PIECE_FOUND);
			add_byte(p, b->found[i].cond);
			add_byte(p, b->found[i].group);
			p->text_at = 0;
			return n;
		}
	for (n = 0; n < size && n < 3 && text[n] >= '0' && text[n] <= '9'; n++)
		number = number * 10 + (size_t)(text[n] - '0');
	if (number == 0)
		return 0;
	if (number <= b->source.key_count) {
		add_byte(p, PIECE_GROUP);
		add_byte(p, (uint8_t)number);
	}
	p->text_at = 0;
	return n;
}

struct rules_text build_template(struct building *b, const char *text, size_t size)
{
	struct pieces p = {.size = 0};

	for (size_t i = 0; i < size; i++) {
		size_t n = text[i] == '$' ? add_reference(b, &p, text + i + 1, size - i - 1) : 0;

		if (n)
			i += n;
		else
			add_char(&p, text[i]);
	}
	return build_add(b, p.bytes, p.size, 4);
}
