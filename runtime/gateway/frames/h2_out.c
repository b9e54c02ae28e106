// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/frames/h2_out.h"

#include <string.h>

#include "runtime/base/mem.h"

size_t h2_out_share(const struct h2_out *o, size_t size, size_t length)
{
	uint32_t room = BUFFER_UNIT - o->chunk.size;

	if (size > length)
		size = length;
	if (room >= 2048 && size > room - NGHTTP2_FRAME_HEAD)
		size = room - NGHTTP2_FRAME_HEAD;
	if (size > BUFFER_UNIT - NGHTTP2_FRAME_HEAD)
		size = BUFFER_UNIT - NGHTTP2_FRAME_HEAD;
	return size;
}

bool h2_out_body(struct h2_out *o, const uint8_t *head, const void *at, size_t size)
{
	char *to = o->chunk.at + o->chunk.size;

	must(o->chunk.size <= BUFFER_UNIT);
	if (BUFFER_UNIT - o->chunk.size < NGHTTP2_FRAME_HEAD + size) {
		o->full = true;
		return false;
	}
	memcpy(to, head, NGHTTP2_FRAME_HEAD);
	if (size)
		memcpy(to + NGHTTP2_FRAME_HEAD, at, size);
	o->chunk.size += NGHTTP2_FRAME_HEAD + (uint32_t)size;
	return true;
}

static void copy_rest(struct h2_out *o)
{
	uint32_t room = BUFFER_UNIT - o->chunk.size;
	uint32_t size = o->rest_size < room ? o->rest_size : room;

	must(o->rest && o->chunk.size <= BUFFER_UNIT);
	memcpy(o->chunk.at + o->chunk.size, o->rest, size);
	o->chunk.size += size;
	o->rest += size;
	o->rest_size -= size;
}

/* One more frame or head. False if there is none, or no room. */
static bool gather_one(struct h2_out *o, bool (*next)(void *self), void *self)
{
	bool submitted;
	ssize_t n;

	if (o->rest_size > 0)
		copy_rest(o);
	if (o->rest_size > 0 || o->chunk.size == BUFFER_UNIT)
		return false;
	submitted = next(self);
	n = nghttp2_session_mem_send(o->ng, &o->rest);
	if (n < 0) {
		o->broken = true;
		return false;
	}
	o->rest_size = (uint32_t)n;
	return n > 0 || submitted;
}

bool h2_out_fill(struct h2_out *o, struct buffers *b, bool (*next)(void *self), void *self)
{
	o->chunk = (struct chunk){.buffer = buffers_get(b, BUFFER_UNIT)};
	if (o->chunk.buffer == BUFFER_NONE) {
		o->hungry = true;
		return false;
	}
	o->chunk.at = buffers_at(b, o->chunk.buffer);
	o->full = o->hungry = false;
	while (!o->full && gather_one(o, next, self))
		;
	if (o->chunk.size > 0)
		return true;
	buffers_put(b, o->chunk.buffer);
	return false;
}
