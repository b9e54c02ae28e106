// SPDX-License-Identifier: Apache-2.0
/*
 * A request head: parsed, written anew for an instance, and parsed again. The new head must mean
 * the same as the first one: otherwise a request could be smuggled past the gateway.
 */
#include <string.h>

#include "runtime/gateway/message/serialize.h"
#include "tests/fuzz/fuzz.h"

#define HEAD_MAX 16384

static bool same(struct http_slice a, struct http_slice b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

/* No slice may hold what would end its line, or lie outside of the head. */
static void check_slices(const struct http_head *head, const char *text, size_t size)
{
	for (size_t i = 0; i < head->header_count; i++) {
		const struct http_header *h = &head->headers[i];

		claim(h->name.size > 0 && h->name.at >= text && h->name.at < text + size);
		claim(!memchr(h->name.at, ':', h->name.size));
		if (h->value.size == 0)
			continue;
		claim(h->value.at >= text && h->value.at + h->value.size <= text + size);
		claim(!memchr(h->value.at, '\n', h->value.size));
		claim(!memchr(h->value.at, '\r', h->value.size));
		claim(!memchr(h->value.at, '\0', h->value.size));
	}
}

/* trusted: the head came from a front that is believed. */
static void check_rewritten(const struct http_head *head, size_t size, bool trusted)
{
	static char out[HEAD_MAX + 4096];
	static struct http_head again;
	struct request_extras x = {
		.peer = {"10.0.0.7", 8},
		.request_id = {"0123456789abcdef0123456789abcdef", 32},
		.deadline_ms = 1700000000123,
		.chunked = head->framing == HTTP_CHUNKED,
		.trusted = trusted,
	};
	struct writer w = {out, out + size + HEAD_GROWTH_MAX, false};
	const char *why = "";
	char *deadline_at;

	request_write(&w, head, &x, &deadline_at);
	if (w.overflow) /* refused by the gateway */
		return;
	claim(http_head_end(out, (size_t)(w.at - out), 0, sizeof(out)) == w.at - out);
	if (head->framing == HTTP_NO_BODY && head->header_count + 9 > HTTP_REQUEST_FIELDS_MAX)
		return;
	if (http_request_parse(out, (size_t)(w.at - out), &again, &why) == 431)
		return; /* our own fields came on top of the most there may be */
	claim(*why == '\0' || strcmp(why, "") == 0);
	claim(same(again.method, head->method));
	claim(again.framing == head->framing && again.body_bytes == head->body_bytes);
	claim(head->path.size == 0 || same(again.path, head->path));
	claim(head->host.size == 0 || same(again.host, head->host));
	claim(again.upgrade == head->upgrade);
	claim(!again.expect_continue);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_head head;
	const char *text = (const char *)data, *why;
	long end = http_head_end(text, size, 0, HEAD_MAX);

	if (end <= 0)
		return 0;
	claim((size_t)end <= size && end <= HEAD_MAX);
	if (http_request_parse(text, (size_t)end, &head, &why))
		return 0;
	check_slices(&head, text, (size_t)end);
	check_rewritten(&head, (size_t)end, false);
	check_rewritten(&head, (size_t)end, true);
	return 0;
}
