// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/frames/h2_setup.h"

#include <errno.h>

#define ACKS_MAX          64u
#define SETTINGS_MAX      32u
#define CONTINUATIONS_MAX 8u

int h2_callbacks_new(const struct h2_callbacks *set, nghttp2_session_callbacks **out)
{
	nghttp2_session_callbacks *c;

	if (nghttp2_session_callbacks_new(&c) < 0)
		return -ENOMEM;
	nghttp2_session_callbacks_set_on_begin_frame_callback(c, set->begin_frame);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(c, set->invalid_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(c, set->begin_headers);
	nghttp2_session_callbacks_set_on_header_callback2(c, set->header);
	nghttp2_session_callbacks_set_on_invalid_header_callback2(c, set->invalid_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, set->frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, set->data);
	nghttp2_session_callbacks_set_on_stream_close_callback(c, set->stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(c, set->frame_sent);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(c, set->frame_not_sent);
	nghttp2_session_callbacks_set_send_data_callback(c, set->send_body);
	*out = c;
	return 0;
}

int h2_option_new(nghttp2_option **out)
{
	nghttp2_option *o;

	if (nghttp2_option_new(&o) < 0)
		return -ENOMEM;
	nghttp2_option_set_no_auto_window_update(o, 1);
	nghttp2_option_set_no_closed_streams(o, 1);
	nghttp2_option_set_max_outbound_ack(o, ACKS_MAX);
	nghttp2_option_set_max_settings(o, SETTINGS_MAX);
	nghttp2_option_set_max_continuations(o, CONTINUATIONS_MAX);
	nghttp2_option_set_max_reserved_remote_streams(o, 0);
	*out = o;
	return 0;
}

nghttp2_mem h2_mem(struct h2_arena *arena)
{
	return (nghttp2_mem){arena, h2_arena_get, h2_arena_put, h2_arena_get_zeroed,
			     h2_arena_resize};
}
