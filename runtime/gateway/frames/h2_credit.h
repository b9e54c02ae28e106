/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounds the cost of an HTTP/2 connection, in either direction. Frames that carry no request and no
 * body are paid from a credit, which time, answers and bodies refill. A flood of such frames, of
 * resets by either side or of empty frames (RFC 9113 section 10.5) uses the credit up, and the
 * connection ends with ENHANCE_YOUR_CALM.
 */
#ifndef EBB_GATEWAY_H2_CREDIT_H
#define EBB_GATEWAY_H2_CREDIT_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

struct h2_credit {
	int64_t left;           /* below 0: a flood */
	uint64_t useful, at_ns; /* useful: bytes of bodies and fields not set against input yet */
};

/* A full credit. */
void h2_credit_init(struct h2_credit *c, uint64_t now_ns);
/* The cost of a frame, from its head. */
int64_t h2_frame_cost(const nghttp2_frame_hd *hd);
/* Takes a cost, or the cost of so many bytes of input, from the credit. now_ns: CLOCK_MONOTONIC.
 * False: this is a flood. */
bool h2_charge(struct h2_credit *c, uint64_t now_ns, int64_t cost);
bool h2_charge_bytes(struct h2_credit *c, uint64_t now_ns, uint64_t bytes);
/* Gives credit back, up to the full credit. */
void h2_refund(struct h2_credit *c, int64_t credit);

#endif
