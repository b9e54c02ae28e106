// SPDX-License-Identifier: Apache-2.0
/* The time limits of an HTTP/2 connection; they are the settings for HTTP/1.1. */
#include "runtime/base/clock.h"
#include "runtime/gateway/h2/h2.h"

#define GRACE_MS 5000 /* time to read a GOAWAY */

/* The next deadline, CLOCK_MONOTONIC, or UINT64_MAX. *code: the error if it passes. */
static uint64_t next(struct h2_session *s, uint32_t *code)
{
	const struct wire_gateway_config *config = &s->g->config;
	const struct {
		bool counts;
		uint64_t since_ns, ms;
		uint32_t code;
	} waits[] = {
		{!s->failed && !s->acknowledged, s->begun_ns, config->head_timeout_ms,
		 NGHTTP2_SETTINGS_TIMEOUT},
		{!s->failed && s->conn.block.open, s->block_ns, config->head_timeout_ms,
		 NGHTTP2_ENHANCE_YOUR_CALM},
		{!s->failed && s->conn.stream_count == 0, s->quiet_ns,
		 s->leaving ? GRACE_MS : config->idle_timeout_ms, NGHTTP2_NO_ERROR},
		{h2_carrier(s)->s.sending, s->stuck_ns, config->idle_timeout_ms,
		 NGHTTP2_INTERNAL_ERROR},
		{s->failed, s->stuck_ns, GRACE_MS, NGHTTP2_INTERNAL_ERROR},
	};
	uint64_t first_ns = UINT64_MAX;

	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		uint64_t when_ns = waits[i].since_ns + waits[i].ms * NS_PER_MS;

		if (!waits[i].counts || when_ns >= first_ns)
			continue;
		first_ns = when_ns;
		*code = waits[i].code;
	}
	return first_ns;
}

void h2_set_deadline(struct h2_session *s)
{
	uint32_t code;
	uint64_t when_ns = next(s, &code);

	if (when_ns != UINT64_MAX)
		exchange_set_deadline(s->g, h2_carrier(s), when_ns);
}

enum h2_expiry h2_expired(struct h2_session *s, uint32_t *code)
{
	*code = NGHTTP2_NO_ERROR;
	if (next(s, code) > gateway_now(s->g))
		return H2_IN_TIME;
	if (s->failed || s->leaving || *code == NGHTTP2_INTERNAL_ERROR)
		return H2_OVER;
	return *code == NGHTTP2_NO_ERROR ? H2_LEAVES : H2_TOO_LATE;
}

/* The first of the two GOAWAY of a graceful end (RFC 9113, 6.8): streams that are on their way are
 * served. */
void h2_retire(struct gateway *g, struct client *c)
{
	struct h2_session *s = h2_of(g, c);

	if (s->leaving)
		return;
	(void)nghttp2_submit_shutdown_notice(s->conn.out.ng);
	h2_mark(&s->conn);
}

void h2_drain(struct gateway *g, struct client *c)
{
	struct h2_session *s = h2_of(g, c);

	if (s->leaving)
		return;
	s->leaving = true;
	s->quiet_ns = gateway_now(g);
	(void)nghttp2_submit_goaway(s->conn.out.ng, NGHTTP2_FLAG_NONE,
				    nghttp2_session_get_last_proc_stream_id(s->conn.out.ng),
				    NGHTTP2_NO_ERROR, NULL, 0);
	h2_mark(&s->conn);
}
