// SPDX-License-Identifier: Apache-2.0
/*
 * The fields of an HTTP/2 request become one HTTP/1.1 head: a line for each field and no line
 * more, although the head is moved to a larger place each time it finds no room.
 * Input: '1' if no body follows, the first room in bytes less 1, then fields: size, name, size,
 * value.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/http/h2_head.h"
#include "tests/fuzz/fuzz.h"

#define LARGE 65536u

struct input {
	const uint8_t *at, *end;
};

static bool take(struct input *in, struct http_slice *s)
{
	if (in->at == in->end || (size_t)(in->end - in->at - 1) < *in->at)
		return false;
	*s = (struct http_slice){(const char *)in->at + 1, *in->at};
	in->at += 1 + *in->at;
	return true;
}

/* Moves the head into an allocation of exactly `room` bytes, so that ASan sees a write beyond. */
static void move(struct h2_head *h, uint32_t room)
{
	char *to = malloc(room);

	claim(to != NULL);
	memcpy(to, h->text, h->size);
	free(h->text);
	h2_head_move(h, to, room);
}

static void check(const struct h2_head *h, uint32_t fields, bool ended)
{
	static struct http_head parsed;
	const char *text = h->text + h->begin, *why;
	size_t size = h->size - h->begin;
	uint32_t lines = 0;

	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	claim(http_head_end(text, size, 0, LARGE) == (long)size);
	claim(lines <= fields + 3); /* request line, coding, the empty one */
	if (http_request_parse(text, size, &parsed, &why))
		return; /* the gate of HTTP/1.1 refuses it */
	claim(!parsed.upgrade && parsed.minor_version == 1);
	claim(parsed.framing != HTTP_CHUNKED || !ended);
	claim(http_find(&parsed, "connection") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data + 2, data + size};
	struct http_slice name, value;
	struct h2_head h;
	uint32_t fields = 0;
	bool ended;
	int r;

	if (size < 2)
		return 0;
	ended = data[0] == '1';
	h2_head_init(&h, malloc(data[1] + 1u), data[1] + 1u, LARGE / 2);
	while (take(&in, &name) && take(&in, &value)) {
		fields++;
		while ((r = h2_head_field(&h, name, value)) == -ENOBUFS) {
			claim(h.room < LARGE);
			move(&h, h.room * 2 < LARGE ? h.room * 2 : LARGE);
		}
		claim(r == 0);
	}
	while ((r = h2_head_end(&h, ended)) == -ENOBUFS) {
		claim(h.room < LARGE);
		move(&h, h.room * 2 < LARGE ? h.room * 2 : LARGE);
	}
	claim(r == 0);
	if (h.status == 0)
		check(&h, fields, ended);
	free(h.text);
	return 0;
}
