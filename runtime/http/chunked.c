// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "runtime/base/mem.h"
#include "runtime/http/head.h"
#include "runtime/http/scan.h"

/* No line of the chunked framing needs to be longer. Extensions are skipped, within this bound. */
#define LINE_BYTES_MAX    1024
#define TRAILER_BYTES_MAX 16384

enum chunked_state {
	SIZE_FIRST, /* the first digit */
	SIZE,
	EXTENSION_FIRST, /* behind the semicolon: a name must come */
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_FIRST, /* first byte of a trailer line, or of the empty one */
	TRAILER_NAME,
	TRAILER,
	TRAILER_LF,
	END_LF,
	END,
	BROKEN,
};

void http_chunked_init(struct http_chunked *c)
{
	*c = (struct http_chunked){.state = SIZE_FIRST};
}

static int hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint32_t on_size(struct http_chunked *c, unsigned char byte)
{
	int digit = hex_value(byte);

	if (digit >= 0) {
		if (c->left >> 56)
			return BROKEN; /* more than any body has, and the shift would lose bits */
		c->left = c->left << 4 | (uint64_t)digit;
		return SIZE;
	}
	if (c->state == SIZE_FIRST)
		return BROKEN;
	if (byte == '\r')
		return SIZE_LF;
	return byte == ';' ? EXTENSION_FIRST : BROKEN;
}

static uint32_t on_extension(unsigned char byte)
{
	if (byte == ' ' || byte == '\t')
		return EXTENSION_FIRST;
	return http_is_token_char(byte) ? EXTENSION : BROKEN;
}

static uint32_t on_trailer_name(uint32_t state, unsigned char byte)
{
	if (http_is_token_char(byte))
		return TRAILER_NAME;
	if (state == TRAILER_FIRST)
		return byte == '\r' ? END_LF : BROKEN;
	return byte == ':' ? TRAILER : BROKEN;
}

/* The text of extensions and trailers may be dropped (RFC 9112 section 7.1.1, RFC 9110 section
 * 6.5.1). A control byte in it is refused, because parsers disagree about it. */
static uint32_t on_text(unsigned char byte, uint32_t stay, uint32_t at_cr)
{
	if (byte == '\r')
		return at_cr;
	return (byte < 0x20 && byte != '\t') || byte == 0x7f ? BROKEN : stay;
}

static uint32_t on_byte(struct http_chunked *c, unsigned char byte)
{
	switch (c->state) {
	case SIZE_FIRST:
	case SIZE:
		return on_size(c, byte);
	case EXTENSION_FIRST:
		return on_extension(byte);
	case EXTENSION:
		return on_text(byte, EXTENSION, SIZE_LF);
	case SIZE_LF:
		c->line_bytes = 0;
		if (byte != '\n')
			return BROKEN;
		return c->left ? DATA : TRAILER_FIRST;
	case DATA_CR:
		return byte == '\r' ? DATA_LF : BROKEN;
	case DATA_LF:
		c->line_bytes = 0;
		return byte == '\n' ? SIZE_FIRST : BROKEN;
	case TRAILER_FIRST:
	case TRAILER_NAME:
		return on_trailer_name(c->state, byte);
	case TRAILER:
		return on_text(byte, TRAILER, TRAILER_LF);
	case TRAILER_LF:
		return byte == '\n' ? TRAILER_FIRST : BROKEN;
	case END_LF:
		return byte == '\n' ? END : BROKEN;
	default:
		return BROKEN;
	}
}

static bool line_too_long(const struct http_chunked *c)
{
	return c->line_bytes > (c->state >= TRAILER_FIRST ? TRAILER_BYTES_MAX : LINE_BYTES_MAX);
}

int http_chunked_next(struct http_chunked *c, const char *in, size_t size, size_t *used,
		      struct http_slice *data)
{
	size_t i = 0, trailers = size;

	*data = (struct http_slice){in, 0};
	while (i < size && c->state != DATA && c->state < END) {
		if (c->state >= TRAILER_FIRST && trailers > i)
			trailers = i;
		c->state = on_byte(c, (unsigned char)in[i++]);
		c->line_bytes++;
		if (line_too_long(c))
			c->state = BROKEN;
	}
	if (c->state == BROKEN)
		return -EBADMSG;
	c->in_trailers = c->keep_trailers && trailers < i;
	if (c->in_trailers)
		*data = (struct http_slice){in + trailers, i - trailers};
	if (c->state == DATA && i < size) {
		size_t run = size - i < c->left ? size - i : (size_t)c->left;

		must(run > 0 && !c->in_trailers); /* a chunk of nothing has no data */
		*data = (struct http_slice){in + i, run};
		c->left -= run;
		i += run;
		if (c->left == 0)
			c->state = DATA_CR;
	}
	must(i <= size && data->size <= i);
	*used = i;
	return c->state == END;
}
