// SPDX-License-Identifier: Apache-2.0
/*
 * What an HTTP/2 connection may cost. Frames that carry no request and no body are paid from a
 * credit that time, answers and bodies refill: floods of them, of resets by either side and of
 * nothing at all (RFC 9113 section 10.5) end in ENHANCE_YOUR_CALM. Deadlines are those of HTTP/1.1.
 */
#include "runtime/base/clock.h"
#include "runtime/gateway/h2.h"

#define CREDIT_MAX        2000
#define CREDIT_PER_SECOND 200
#define WASTE_BYTES       64    /* of input that was good for nothing, for one credit */
#define USEFUL_MAX        65536 /* fields may be more than their bytes: so much is remembered */
#define GRACE_MS          5000  /* to take a GOAWAY */

int64_t h2_frame_cost(const nghttp2_frame_hd *hd)
{
	static const uint8_t costs[] = {
		[NGHTTP2_DATA] = 0,         [NGHTTP2_HEADERS] = 1,   [NGHTTP2_PRIORITY] = 4,
		[NGHTTP2_RST_STREAM] = 10,  [NGHTTP2_SETTINGS] = 10, [NGHTTP2_PUSH_PROMISE] = 10,
		[NGHTTP2_PING] = 5,         [NGHTTP2_GOAWAY] = 5,    [NGHTTP2_WINDOW_UPDATE] = 1,
		[NGHTTP2_CONTINUATION] = 5,
	};

	if (hd->type == NGHTTP2_DATA)
		return hd->length == 0 || (hd->flags & NGHTTP2_FLAG_PADDED) ? 2 : 0;
	return hd->type < sizeof(costs) ? costs[hd->type] : 5;
}

void h2_credit_init(struct h2_credit *c, uint64_t now_ns)
{
	*c = (struct h2_credit){.left = CREDIT_MAX, .at_ns = now_ns};
}

bool h2_charge(struct h2_credit *c, uint64_t now_ns, int64_t cost)
{
	int64_t more = (int64_t)((now_ns - c->at_ns) / (NS_PER_SEC / CREDIT_PER_SECOND));

	if (more > 0) {
		c->at_ns = now_ns;
		h2_refund(c, more);
	}
	c->left -= cost;
	return c->left >= 0;
}

/* Bytes that were no body and no field: frames nobody knows, padding, frames of nothing. */
bool h2_charge_bytes(struct h2_credit *c, uint64_t now_ns, uint64_t bytes)
{
	uint64_t waste = bytes > c->useful ? bytes - c->useful : 0;

	c->useful = c->useful > bytes ? c->useful - bytes : 0;
	if (c->useful > USEFUL_MAX)
		c->useful = USEFUL_MAX;
	return h2_charge(c, now_ns, (int64_t)(waste / WASTE_BYTES));
}

void h2_refund(struct h2_credit *c, int64_t credit)
{
	c->left = c->left + credit < CREDIT_MAX ? c->left + credit : CREDIT_MAX;
}

/* The next deadline, and what it means. */
static uint64_t next(struct h2_session *s, uint32_t *code)
{
	const struct wire_gateway_config *config = &s->p->config;
	const struct {
		bool counts;
		uint64_t since_ns, ms;
		uint32_t code;
	} waits[] = {
		{!s->failed && !s->acknowledged, s->begun_ns, config->head_timeout_ms,
		 NGHTTP2_SETTINGS_TIMEOUT},
		{!s->failed && s->block.open, s->block_ns, config->head_timeout_ms,
		 NGHTTP2_ENHANCE_YOUR_CALM},
		{!s->failed && s->streams == 0, s->quiet_ns,
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
		client_set_deadline(s->p, h2_carrier(s), when_ns);
}

bool h2_expired(struct h2_session *s)
{
	uint32_t code = 0;

	if (next(s, &code) > proxy_now(s->p))
		return false;
	if (s->failed || s->leaving || code == NGHTTP2_INTERNAL_ERROR)
		return true; /* it was told, or does not listen */
	if (code == NGHTTP2_NO_ERROR)
		h2_drain(s->p, h2_carrier(s));
	else
		h2_fail(s, code);
	return false;
}
