// SPDX-License-Identifier: Apache-2.0
/* The head of an answer: parsed, written anew for the client, and parsed again. */
#include <string.h>

#include "runtime/gateway/message/serialize.h"
#include "tests/fuzz/fuzz.h"

#define HEAD_MAX 16384

static void check_rewritten(const struct http_head *head, size_t size, bool method_was_head)
{
	static char out[HEAD_MAX + 4096];
	static struct http_head again;
	bool chunked = head->framing == HTTP_CHUNKED || head->framing == HTTP_UNTIL_CLOSE;
	struct response_extras x = {
		.request_id = {"0123456789abcdef0123456789abcdef", 32},
		.instance = {"api-17", 6},
		.start = {"warm", 4},
		.date = {"Sun, 06 Nov 1994 08:49:37 GMT", 29},
		.chunked = chunked && !head->upgrade,
		.timing = true,
	};
	struct writer w = {out, out + size + HEAD_GROWTH_MAX, false};
	const char *why = "";

	response_write(&w, head, &x);
	if (w.overflow)
		return;
	claim(http_head_end(out, (size_t)(w.at - out), 0, sizeof(out)) == w.at - out);
	if (http_response_parse(out, (size_t)(w.at - out), method_was_head, &again, &why)) {
		claim(head->header_count + 6 > HTTP_HEADERS_MAX);
		return;
	}
	claim(again.status == head->status && again.upgrade == head->upgrade);
	if (!head->upgrade)
		claim(again.framing == (chunked ? HTTP_CHUNKED : head->framing));
	claim(again.body_bytes == head->body_bytes);
}

/* As a gateway takes it from its own function: mended in place. */
static void check_own(const char *text, size_t size, bool method_was_head)
{
	static struct http_head head;
	static char own[HEAD_MAX];
	const char *why;

	memcpy(own, text, size);
	if (http_response_parse_own(own, size, method_was_head, &head, &why) == 0)
		check_rewritten(&head, size, method_was_head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_head head;
	const char *text = (const char *)data, *why;
	long end = http_head_end(text, size, 0, HEAD_MAX);

	if (end <= 0)
		return 0;
	for (int method_was_head = 0; method_was_head < 2; method_was_head++) {
		if (http_response_parse(text, (size_t)end, method_was_head, &head, &why) == 0)
			check_rewritten(&head, (size_t)end, method_was_head);
		check_own(text, (size_t)end, method_was_head);
	}
	return 0;
}
