// SPDX-License-Identifier: Apache-2.0
/* The text of a head that is arriving, and its bounds. */
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/frames/h2_conn.h"

/* A head that has more bytes, decoded, than this many times the largest head is an attack on the
 * decoder. */
#define BOMB_FACTOR 4u

static struct buffers *pool_of(const struct h2_conn *c)
{
	return c->side->io->buffers;
}

void h2_block_drop(struct h2_conn *c)
{
	buffers_put(pool_of(c), c->block.text.buffer);
	c->block.text = (struct chunk){.buffer = BUFFER_NONE};
	c->block.ignored = true;
}

bool h2_block_begin(struct h2_conn *c, int32_t id, bool ignored)
{
	struct h2_block *b = &c->block;

	h2_block_drop(c);
	*b = (struct h2_block){.open = true, .ignored = ignored, .id = id};
	b->text.buffer = ignored ? BUFFER_NONE : buffers_get(pool_of(c), BUFFER_UNIT);
	if (b->text.buffer == BUFFER_NONE)
		return ignored;
	b->text.at = buffers_at(pool_of(c), b->text.buffer) + BUFFER_HEADROOM;
	return true;
}

bool h2_block_count(struct h2_conn *c, size_t name, size_t value, uint32_t head_max)
{
	c->block.listed += name + value + 32;
	c->credit.useful += name + value;
	return c->block.listed <= (uint64_t)head_max * BOMB_FACTOR;
}

uint32_t h2_block_room(const struct h2_conn *c)
{
	must(c->block.text.buffer != BUFFER_NONE);
	return buffers_size(pool_of(c), c->block.text.buffer) - BUFFER_HEADROOM - BUFFER_SLACK;
}

bool h2_block_grow(struct h2_conn *c)
{
	struct buffers *pool = pool_of(c);
	struct chunk *text = &c->block.text, larger = {.size = text->size};

	if (buffers_size(pool, text->buffer) != BUFFER_UNIT)
		return false;
	larger.buffer = buffers_get(pool, pool->large_bytes);
	if (larger.buffer == BUFFER_NONE)
		return false;
	larger.at = buffers_at(pool, larger.buffer) + BUFFER_HEADROOM;
	memcpy(larger.at, text->at, text->size);
	buffers_put(pool, text->buffer);
	*text = larger;
	return true;
}

bool h2_block_add(struct h2_conn *c, const char *at, size_t size, uint32_t head_max)
{
	struct chunk *text = &c->block.text;
	size_t whole = text->size + size;

	if (whole > h2_block_room(c) &&
	    (whole > head_max || !h2_block_grow(c) || whole > h2_block_room(c)))
		return false;
	memcpy(text->at + text->size, at, size);
	text->size = (uint32_t)whole;
	return true;
}

bool h2_block_field(struct h2_conn *c, struct http_slice name, struct http_slice value,
		    uint32_t head_max)
{
	return h2_block_add(c, name.at, name.size, head_max) &&
	       h2_block_add(c, ": ", 2, head_max) &&
	       h2_block_add(c, value.at, value.size, head_max) &&
	       h2_block_add(c, "\r\n", 2, head_max);
}

void h2_block_trailers(struct h2_conn *c, struct stream *to, uint32_t head_max)
{
	struct chunk *text = &c->block.text;

	if (c->block.ignored || text->size == 0 || to->trailers.buffer != BUFFER_NONE ||
	    !h2_block_add(c, "\r\n", 2, head_max))
		return;
	to->trailers = *text;
	*text = (struct chunk){.buffer = BUFFER_NONE};
}

void h2_block_lost(struct h2_conn *c, int32_t id)
{
	if (!c->block.open || c->block.id != id)
		return;
	h2_block_drop(c);
	c->block.open = false;
}
