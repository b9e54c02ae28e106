// SPDX-License-Identifier: Apache-2.0
/*
 * A chunked body, decoded at once and in pieces whose size the first byte says: the decoded bytes
 * and the place where the body ends must be the same.
 */
#include <errno.h>
#include <string.h>

#include "runtime/http/head.h"
#include "tests/fuzz/fuzz.h"

#define BODY_MAX 65536

struct outcome {
	int result; /* 1 ended, 0 wants more, -EBADMSG */
	size_t used, body_bytes;
	char body[BODY_MAX];
};

static void decode(const char *in, size_t size, size_t piece, struct outcome *out)
{
	struct http_chunked c;

	http_chunked_init(&c);
	out->result = 0;
	out->used = out->body_bytes = 0;
	while (out->used < size && out->result == 0) {
		size_t left = size - out->used, used = 0;
		struct http_slice run = {NULL, 0};

		out->result = http_chunked_next(&c, in + out->used, left < piece ? left : piece,
						&used, &run);
		if (out->result < 0)
			return;
		claim(used <= left && used > 0);
		claim(run.size <= used && out->body_bytes + run.size <= BODY_MAX);
		if (run.size)
			memcpy(out->body + out->body_bytes, run.at, run.size);
		out->body_bytes += run.size;
		out->used += used;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct outcome whole, pieces;

	if (size < 2 || size > BODY_MAX)
		return 0;
	decode((const char *)data + 1, size - 1, SIZE_MAX, &whole);
	decode((const char *)data + 1, size - 1, (size_t)data[0] % 32 + 1, &pieces);
	claim(whole.result == pieces.result);
	if (whole.result < 0)
		return 0;
	claim(whole.used == pieces.used && whole.body_bytes == pieces.body_bytes);
	claim(memcmp(whole.body, pieces.body, whole.body_bytes) == 0);
	return 0;
}
