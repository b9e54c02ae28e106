/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket frames (RFC 6455 section 5), read as far as a proxy must know them: where frames and
 * messages begin and end, which kind they are, and whether they are well-formed. Payloads are
 * neither kept nor unmasked. Incremental, 16 bytes of state per direction, no allocation.
 */
#ifndef EBB_HTTP_WEBSOCKET_H
#define EBB_HTTP_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

enum ws_close_code {
	WS_GOING_AWAY = 1001,
	WS_PROTOCOL_ERROR = 1002,
	WS_INTERNAL_ERROR = 1011,
	WS_TRY_AGAIN_LATER = 1013,
};

#define WS_CONTROL_MAX       125u
#define WS_CLOSE_SIZE        4u /* an unmasked close frame with a code */
#define WS_CLOSE_MASKED_SIZE 8u
#define WS_HEAD_MAX          14u

struct ws_reader {
	uint64_t left;  /* payload bytes still to come; at WS_HEAD: all of the frame */
	uint8_t state;  /* private */
	uint8_t need;   /* private: bytes of this part of the head still to come */
	uint8_t opcode; /* enum ws_opcode of the frame at hand or just ended */
	bool fin;
	bool masked;     /* frames of this direction are masked: they come from a client */
	bool extensions; /* extensions were agreed on: they may use the reserved bits */
	bool in_message; /* inside a message of several frames */
};

enum ws_step {
	WS_MORE, /* all bytes were looked at */
	WS_HEAD, /* the head of a frame is complete: opcode, fin, left */
	WS_END,  /* the frame is complete */
	WS_BAD,  /* a violation: the bytes behind it mean nothing */
};

/* Begins at the beginning of a frame. masked, extensions: see the members. */
void ws_reader_init(struct ws_reader *r, bool masked, bool extensions);
/* Reads in[0..size) up to the next step; *used: bytes that were read. Call it again with the rest
 * until WS_MORE (the end of an empty frame takes no byte). */
enum ws_step ws_next(struct ws_reader *r, const void *in, size_t size, size_t *used);

/* No frame is read in part. */
bool ws_between_frames(const struct ws_reader *r);
/* No frame and no message is read in part. */
bool ws_between_messages(const struct ws_reader *r);

/* The first whole frame in in[0..size), read by a copy of r, which must be between frames. */
struct ws_frame {
	uint8_t opcode;
	uint32_t head_bytes, payload_bytes;
	uint8_t mask[4]; /* 0 if there is none */
};
/* 1 and *out for a whole control frame, 0 if more bytes are needed, -1 for any other frame or a
 * violation. */
int ws_peek_control(const struct ws_reader *r, const void *in, size_t size, struct ws_frame *out);

/* Both write a frame and return its bytes. A pong has at most WS_CONTROL_MAX + 2. payload: that of
 * the ping, still masked. masked: the close frame is masked with the key 0 and has
 * WS_CLOSE_MASKED_SIZE bytes, else WS_CLOSE_SIZE. */
size_t ws_write_pong(char *out, const struct ws_frame *ping, const char *payload);
size_t ws_write_close(char *out, enum ws_close_code code, bool masked);

#endif
