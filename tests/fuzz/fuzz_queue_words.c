// SPDX-License-Identifier: Apache-2.0
/*
 * Words of instances to queues. The first line is a target and a content type, the rest a batch:
 * all parts and fields lie in the batch, one behind the other; names and numbers are what they may
 * be.
 */
#include <errno.h>
#include <string.h>

#include "runtime/flow/queue_words.h"
#include "tests/fuzz/fuzz.h"

static void check_target(struct http_slice line)
{
	struct queue_target t;
	const char *why = NULL;
	int r = queue_target_parse(line, &t, &why);

	claim(r == 0 || r == -ENOENT || (r == -EINVAL && why));
	if (r < 0)
		return;
	claim(queue_name_valid(t.topic));
	claim(t.action < QUEUE_RECEIVE || queue_name_valid(t.consumer));
	claim(t.action != QUEUE_BY_ID || t.message > 0);
}

static void check_field(struct http_slice head, const char *name)
{
	struct http_slice value = queue_part_field(head, name);
	uint64_t n = 7;

	if (!value.at)
		return;
	claim(value.at >= head.at && value.at + value.size <= head.at + head.size);
	claim(!memmem(value.at, value.size, "\r\n", 2));
	claim(queue_number(value, 60, 100, &n) < 0 || (n >= 60 && n <= 100));
}

static void check_parts(struct http_slice type, const char *body, size_t size)
{
	const char *behind = body;
	struct http_slice head, part;
	struct queue_parts p;

	if (queue_parts_init(&p, type, body, size) < 0)
		return;
	while (queue_parts_next(&p, &head, &part) == 1) {
		claim(head.at >= behind && head.size <= size);
		claim(part.at >= head.at && part.at + part.size <= body + size);
		claim(!part.size || head.at + head.size <= part.at);
		check_field(head, "vqs-delay-seconds");
		check_field(head, "content-type");
		behind = head.at + head.size;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *end = memchr(data, '\n', size);
	size_t line = end ? (size_t)(end - text) : size;

	check_target((struct http_slice){text, line});
	if (end)
		check_parts((struct http_slice){text, line}, end + 1, size - line - 1);
	return 0;
}
