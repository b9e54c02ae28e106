// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/frames/h2_credit.h"

#include "runtime/base/mem.h"
#include "runtime/base/clock.h"

#define CREDIT_MAX        2000
#define CREDIT_PER_SECOND 200
#define WASTE_BYTES       64    /* so many bytes of useless input cost one credit */
#define USEFUL_MAX        65536 /* HPACK shrinks fields on the wire: only so much counts later */

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
	must(cost >= 0 && now_ns >= c->at_ns);
	int64_t more = (int64_t)((now_ns - c->at_ns) / (NS_PER_SEC / CREDIT_PER_SECOND));

	if (more > 0) {
		c->at_ns = now_ns;
		h2_refund(c, more);
	}
	c->left -= cost;
	return c->left >= 0;
}

/* Charges the bytes that were neither a body nor a field: unknown frames, padding, empty frames. */
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
