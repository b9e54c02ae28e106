/* SPDX-License-Identifier: Apache-2.0 */
/* How nghttp2 is set up: its bounds, its callbacks, its memory. */
#ifndef EBB_GATEWAY_H2_SETUP_H
#define EBB_GATEWAY_H2_SETUP_H

#include <nghttp2/nghttp2.h>

#include "runtime/gateway/frames/h2_memory.h"

/* The callbacks of one end; NULL: that one is not set. */
struct h2_callbacks {
	nghttp2_on_begin_frame_callback begin_frame;
	nghttp2_on_invalid_frame_recv_callback invalid_frame;
	nghttp2_on_begin_headers_callback begin_headers;
	nghttp2_on_header_callback2 header;
	nghttp2_on_invalid_header_callback2 invalid_header;
	nghttp2_on_frame_recv_callback frame;
	nghttp2_on_data_chunk_recv_callback data;
	nghttp2_on_stream_close_callback stream_close;
	nghttp2_on_frame_send_callback frame_sent;
	nghttp2_on_frame_not_send_callback frame_not_sent;
	nghttp2_send_data_callback send_body;
};

/* 0 or -ENOMEM; the caller frees it (nghttp2_session_callbacks_del). */
int h2_callbacks_new(const struct h2_callbacks *set, nghttp2_session_callbacks **out);
/* The bounds that nghttp2 keeps itself, beside ours. 0 or -ENOMEM; the caller frees them
 * (nghttp2_option_del). */
int h2_option_new(nghttp2_option **out);
/* The allocator of a session: this arena. */
nghttp2_mem h2_mem(struct h2_arena *arena);

#endif
