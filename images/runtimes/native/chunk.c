// SPDX-License-Identifier: Apache-2.0
/* The body of a request, by length or chunked (RFC 9112, 6 and 7.1); trailer fields are dropped. */
#include "loop.h"

#define BAD         UINT32_MAX
#define SIZE_DIGITS 15   /* a chunk of up to 2^60 bytes */
#define FIELD_BYTES 8192 /* extensions and trailers of one body */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint32_t after_size(struct ebb_request *rq, char c)
{
	int digit = hex(c);

	if (digit >= 0) {
		if (++rq->size_digits > SIZE_DIGITS)
			return BAD;
		rq->body_left = rq->body_left << 4 | (uint64_t)digit;
		return FRAME_SIZE;
	}
	if (rq->size_digits == 0)
		return BAD;
	return c == '\r' ? FRAME_SIZE_LF : c == ';' ? FRAME_EXTENSION : BAD;
}

/* Extensions and trailers have no meaning here. Their bytes are bounded over the whole body. */
static uint32_t within(struct ebb_request *rq, char c, enum frame here, enum frame at_cr)
{
	if (c == '\r')
		return at_cr;
	return c == '\n' || ++rq->field_bytes > FIELD_BYTES ? BAD : here;
}

/* The frame behind this byte, or BAD. */
static uint32_t step(struct ebb_request *rq, char c)
{
	switch (rq->frame) {
	case FRAME_SIZE:
		return after_size(rq, c);
	case FRAME_EXTENSION:
		return within(rq, c, FRAME_EXTENSION, FRAME_SIZE_LF);
	case FRAME_SIZE_LF:
		rq->size_digits = 0;
		return c != '\n' ? BAD : rq->body_left ? FRAME_DATA : FRAME_TRAILER;
	case FRAME_DATA_CR:
		return c == '\r' ? FRAME_DATA_LF : BAD;
	case FRAME_DATA_LF:
		return c == '\n' ? FRAME_SIZE : BAD;
	case FRAME_TRAILER:
		return within(rq, c, FRAME_FIELD, FRAME_LAST_LF);
	case FRAME_FIELD:
		return within(rq, c, FRAME_FIELD, FRAME_FIELD_LF);
	case FRAME_FIELD_LF:
		return c == '\n' ? FRAME_TRAILER : BAD;
	case FRAME_LAST_LF:
		return c == '\n' ? FRAME_DONE : BAD;
	default:
		return BAD;
	}
}

int body_take(struct ebb_request *rq, const char **out_data, size_t *out_size)
{
	while (rq->in_left > 0 && rq->frame != FRAME_DONE) {
		bool data = rq->frame == FRAME_LENGTH || rq->frame == FRAME_DATA;
		size_t n = !data ? 1 : rq->in_left < rq->body_left ? rq->in_left : rq->body_left;
		const char *at = rq->in_at;
		uint32_t next;

		rq->in_at += n;
		rq->in_left -= n;
		if (data) {
			rq->body_left -= n;
			if (rq->body_left == 0)
				rq->frame = rq->frame == FRAME_DATA ? FRAME_DATA_CR : FRAME_DONE;
			*out_data = at;
			*out_size = n;
			return 1;
		}
		next = step(rq, *at);
		if (next == BAD)
			return -1;
		rq->frame = next;
	}
	return 0;
}
