/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounds the cost of an HTTP/2 connection, in either direction. Frames that carry no request and no
 * body are paid from a credit that time, answers and bodies refill. Floods of them, of resets by
 * either side and of empty frames (RFC 9113 section 10.5) end the connection with
 * ENHANCE_YOUR_CALM.
 */
#ifndef EBB_GATEWAY_H2_CREDIT_H
#define EBB_GATEWAY_H2_CREDIT_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

struct h2_credit {
	int64_t left;
	uint64_t useful, at_ns;
};

/* A full credit. */
void h2_credit_init(struct h2_credit *c, uint64_t now_ns);
/* The cost of a frame by itself. */
int64_t h2_frame_cost(const nghttp2_frame_hd *hd);
/* False: this is a flood. */
bool h2_charge(struct h2_credit *c, uint64_t now_ns, int64_t cost);
bool h2_charge_bytes(struct h2_credit *c, uint64_t now_ns, uint64_t bytes);
void h2_refund(struct h2_credit *c, int64_t credit);

#endif
