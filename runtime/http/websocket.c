// SPDX-License-Identifier: Apache-2.0
#include "runtime/http/websocket.h"

#include <string.h>

#include "runtime/base/mem.h"

enum { KIND, LENGTH, LENGTH_16, LENGTH_64, MASK, BEGUN, PAYLOAD, BROKEN };

void ws_reader_init(struct ws_reader *r, bool masked, bool extensions)
{
	*r = (struct ws_reader){.state = KIND, .masked = masked, .extensions = extensions};
}

bool ws_between_frames(const struct ws_reader *r)
{
	return r->state == KIND;
}

bool ws_between_messages(const struct ws_reader *r)
{
	return r->state == KIND && !r->in_message;
}

static bool is_control(uint8_t opcode)
{
	return opcode & 8;
}

/* FIN, three reserved bits, the opcode. */
static bool take_kind(struct ws_reader *r, uint8_t byte)
{
	bool reserved = byte & 0x70;

	r->fin = byte & 0x80;
	r->opcode = byte & 0x0f;
	if (r->opcode > WS_PONG || (r->opcode > WS_BINARY && r->opcode < WS_CLOSE))
		return false;
	if (reserved && (!r->extensions || is_control(r->opcode)))
		return false;
	if (is_control(r->opcode))
		return r->fin; /* never fragmented, but may stand between fragments */
	if ((r->opcode == WS_CONTINUATION) != r->in_message)
		return false;
	r->in_message = !r->fin;
	return true;
}

static void expect(struct ws_reader *r, uint8_t state, uint8_t bytes)
{
	r->state = state;
	r->need = bytes;
}

static void after_length(struct ws_reader *r)
{
	if (r->masked)
		expect(r, MASK, 4);
	else
		expect(r, BEGUN, 0);
}

/* The MASK bit, then seven bits of length. */
static bool take_length(struct ws_reader *r, uint8_t byte)
{
	if (!!(byte & 0x80) != r->masked)
		return false;
	r->left = byte & 0x7f;
	if (r->left > WS_CONTROL_MAX && is_control(r->opcode))
		return false;
	if (r->left <= WS_CONTROL_MAX) {
		after_length(r);
		return true;
	}
	if (r->left == 126)
		expect(r, LENGTH_16, 2);
	else
		expect(r, LENGTH_64, 8);
	r->left = 0;
	return true;
}

static bool take_long_length(struct ws_reader *r, uint8_t byte)
{
	bool wide = r->state == LENGTH_64;

	must(r->need > 0 && r->need <= (wide ? 8 : 2));
	if (wide && r->need == 8 && byte & 0x80)
		return false; /* the most significant bit must be 0 */
	r->left = r->left << 8 | byte;
	if (--r->need > 0)
		return true;
	if (r->left < (wide ? 65536u : 126u))
		return false; /* not in the shortest form */
	after_length(r);
	return true;
}

static bool take_head_byte(struct ws_reader *r, uint8_t byte)
{
	switch (r->state) {
	case KIND:
		if (!take_kind(r, byte))
			return false;
		expect(r, LENGTH, 1);
		return true;
	case LENGTH:
		return take_length(r, byte);
	case LENGTH_16:
	case LENGTH_64:
		return take_long_length(r, byte);
	case MASK:
		must(r->need > 0 && r->need <= 4);
		if (--r->need == 0)
			expect(r, BEGUN, 0);
		return true;
	default:
		return false;
	}
}

static enum ws_step take_payload(struct ws_reader *r, size_t size, size_t *used)
{
	size_t take = size < r->left ? size : (size_t)r->left;

	must(r->state == PAYLOAD && take <= r->left);
	*used += take;
	r->left -= take;
	if (r->left > 0)
		return WS_MORE;
	expect(r, KIND, 1);
	return WS_END;
}

enum ws_step ws_next(struct ws_reader *r, const void *in, size_t size, size_t *used)
{
	const uint8_t *bytes = in;

	*used = 0;
	while (r->state < BEGUN && *used < size) {
		if (!take_head_byte(r, bytes[(*used)++])) {
			r->state = BROKEN;
			return WS_BAD;
		}
		if (r->state == BEGUN) {
			r->state = PAYLOAD;
			return WS_HEAD;
		}
	}
	if (r->state == PAYLOAD)
		return take_payload(r, size - *used, used);
	return r->state == BROKEN ? WS_BAD : WS_MORE;
}

int ws_peek_control(const struct ws_reader *r, const void *in, size_t size, struct ws_frame *out)
{
	struct ws_reader copy = *r;
	const uint8_t *bytes = in;
	size_t used, body;

	if (size == 0)
		return 0;
	if (!ws_between_frames(r) || !is_control(bytes[0] & 0x0f))
		return -1;
	switch (ws_next(&copy, in, size, &used)) {
	case WS_MORE:
		return 0;
	case WS_HEAD:
		break;
	default:
		return -1;
	}
	*out = (struct ws_frame){.opcode = copy.opcode,
				 .head_bytes = (uint32_t)used,
				 .payload_bytes = (uint32_t)copy.left};
	if (r->masked)
		memcpy(out->mask, bytes + used - 4, 4);
	return ws_next(&copy, bytes + used, size - used, &body) == WS_END;
}

size_t ws_write_pong(char *out, const struct ws_frame *ping, const char *payload)
{
	out[0] = (char)(0x80 | WS_PONG);
	out[1] = (char)ping->payload_bytes;
	for (uint32_t i = 0; i < ping->payload_bytes; i++)
		out[2 + i] = (char)((uint8_t)payload[i] ^ ping->mask[i % 4]);
	return 2 + ping->payload_bytes;
}

size_t ws_write_close(char *out, enum ws_close_code code, bool masked)
{
	size_t at = 0;

	out[at++] = (char)(0x80 | WS_CLOSE);
	out[at++] = (char)(masked ? 0x82 : 2);
	if (masked) {
		memset(out + at, 0, 4);
		at += 4;
	}
	out[at++] = (char)(code >> 8);
	out[at++] = (char)(code & 0xff);
	return at;
}
