// SPDX-License-Identifier: Apache-2.0
#include "runtime/ipc/lines.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define TAG_BYTE  0x1e
#define TAG_BYTES (1 + REQUEST_ID_CHARS + 1)

static size_t put_tag(char *line, const struct request_id *id)
{
	char digits[REQUEST_ID_CHARS + 1];

	if (!id)
		return 0;
	request_id_format(*id, digits);
	line[0] = TAG_BYTE;
	memcpy(line + 1, digits, REQUEST_ID_CHARS);
	line[TAG_BYTES - 1] = ' ';
	return TAG_BYTES;
}

/* A cut never goes through a UTF-8 sequence (RFC 3629: continuation bytes are 10xxxxxx). */
static size_t piece_of(const char *text, size_t size, size_t room)
{
	size_t n = size < room ? size : room;

	if (n == size)
		return n;
	for (size_t back = 0; back < 3 && n > 1 && ((unsigned char)text[n] & 0xc0) == 0x80; back++)
		n--;
	return n;
}

/* Whole lines that go into the pipe with one write. */
struct batch {
	int fd;
	bool full; /* the pipe took no more: the rest is lost without a further write */
	size_t used;
	uint64_t lines, lost;
	char bytes[PIPE_BUF];
};

static void batch_flush(struct batch *b)
{
	if (b->lines > 0 && (b->full || write(b->fd, b->bytes, b->used) < 0)) {
		b->full = true;
		b->lost += b->lines;
	}
	b->used = b->lines = 0;
}

static void add_line(struct batch *b, const struct request_id *id, const char *text, size_t size)
{
	size_t tag_bytes = id ? TAG_BYTES : 0;

	do {
		size_t n = piece_of(text, size, sizeof(b->bytes) - 1 - tag_bytes);

		if (b->used + tag_bytes + n + 1 > sizeof(b->bytes))
			batch_flush(b);
		b->used += put_tag(b->bytes + b->used, id);
		memcpy(b->bytes + b->used, text, n);
		b->used += n;
		b->bytes[b->used++] = '\n';
		b->lines++;
		text += n;
		size -= n;
	} while (size > 0);
}

uint64_t lines_write(int log_fd, const struct request_id *id, const char *text, size_t size)
{
	struct batch b = {.fd = log_fd};

	while (size > 0) {
		const char *end = memchr(text, '\n', size);
		size_t n = end ? (size_t)(end - text) : size;

		add_line(&b, id, text, n);
		n += end != NULL;
		text += n;
		size -= n;
	}
	batch_flush(&b);
	return b.lost;
}

static int digit_of(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

int base64_decode(const char *text, char *out, size_t *out_size)
{
	uint32_t bits = 0;
	unsigned int count = 0, padding = 0;
	size_t size = 0;

	for (; *text; text++) {
		int digit = digit_of(*text);

		if (*text == '\n' || *text == '\r' || *text == ' ')
			continue;
		if (*text == '=' && ++padding <= 2)
			continue;
		if (digit < 0 || padding > 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)digit;
		if (++count % 4 != 1)
			out[size++] = (char)(bits >> (2 * (3 - (count - 1) % 4)));
	}
	if (count % 4 == 1)
		return -EINVAL;
	*out_size = size;
	return 0;
}
