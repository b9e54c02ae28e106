// SPDX-License-Identifier: Apache-2.0
#include "runtime/ipc/lines.h"

#include <errno.h>
#include <limits.h>
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

static uint64_t write_line(int log_fd, const struct request_id *id, const char *text, size_t size)
{
	char line[PIPE_BUF];
	uint64_t lost = 0;

	do {
		size_t at = put_tag(line, id);
		size_t n = piece_of(text, size, sizeof(line) - 1 - at);

		memcpy(line + at, text, n);
		line[at + n] = '\n';
		if (write(log_fd, line, at + n + 1) < 0)
			lost++;
		text += n;
		size -= n;
	} while (size > 0);
	return lost;
}

uint64_t lines_write(int log_fd, const struct request_id *id, const char *text, size_t size)
{
	uint64_t lost = 0;

	while (size > 0) {
		const char *end = memchr(text, '\n', size);
		size_t n = end ? (size_t)(end - text) : size;

		lost += write_line(log_fd, id, text, n);
		n += end != NULL;
		text += n;
		size -= n;
	}
	return lost;
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
