// SPDX-License-Identifier: Apache-2.0
/*
 * Frames of a WebSocket, read at once and in pieces. The first byte says the size of the pieces,
 * the direction, and whether there are extensions. Both ways must find the same frames, judge alike
 * whether the bytes are valid, and agree whether they end between two messages.
 */
#include <string.h>

#include "runtime/http/websocket.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX 65536

struct outcome {
	bool bad, between_frames, between_messages;
	uint32_t heads, ends;
	uint64_t mix; /* of all heads, in order */
};

static void read_frames(const uint8_t *in, size_t size, size_t piece, uint8_t kind,
			struct outcome *out)
{
	struct ws_reader r;
	size_t at = 0;

	ws_reader_init(&r, kind & 1, kind & 2);
	*out = (struct outcome){0};
	while (!out->bad) {
		size_t left = size - at < piece ? size - at : piece, used;
		enum ws_step step = ws_next(&r, in + at, left, &used);

		claim(used <= left);
		at += used;
		if (step == WS_HEAD)
			out->mix = (out->mix * 31 + r.opcode) * 31 + r.left;
		if (step == WS_MORE && at == size)
			break;
		claim(step != WS_MORE || used == left);
		out->heads += step == WS_HEAD;
		out->ends += step == WS_END;
		out->bad = step == WS_BAD;
		claim(out->ends <= out->heads && out->heads <= out->ends + 1);
	}
	out->between_frames = ws_between_frames(&r);
	out->between_messages = ws_between_messages(&r);
	claim(!out->between_messages || out->between_frames);
	claim(!out->bad || !out->between_frames);
}

/* The pong for a client must have the bytes of its ping. */
static void peek(const uint8_t *in, size_t size, uint8_t kind)
{
	char pong[WS_CONTROL_MAX + 2];
	struct ws_reader r, answer;
	struct ws_frame frame;
	size_t used, body;

	ws_reader_init(&r, kind & 1, kind & 2);
	if (ws_peek_control(&r, in, size, &frame) != 1)
		return;
	claim(frame.head_bytes + frame.payload_bytes <= size);
	claim(frame.payload_bytes <= WS_CONTROL_MAX);
	claim(ws_write_pong(pong, &frame, (const char *)in + frame.head_bytes) ==
	      frame.payload_bytes + 2);
	ws_reader_init(&answer, false, false);
	claim(ws_next(&answer, pong, frame.payload_bytes + 2, &used) == WS_HEAD);
	claim(ws_next(&answer, pong + used, frame.payload_bytes, &body) == WS_END);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, pieces;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	read_frames(data + 1, size - 1, SIZE_MAX, data[0], &whole);
	read_frames(data + 1, size - 1, (size_t)(data[0] >> 2) + 1, data[0], &pieces);
	claim(whole.bad == pieces.bad && whole.heads == pieces.heads && whole.ends == pieces.ends);
	claim(whole.mix == pieces.mix);
	claim(whole.between_frames == pieces.between_frames);
	claim(whole.between_messages == pieces.between_messages);
	peek(data + 1, size - 1, data[0]);
	return 0;
}
