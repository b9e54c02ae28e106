/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether this host takes new work. It is part of the desired state (the file drain.json), so it
 * outlives ebb-api and ebbd, until somebody undrains.
 */
#ifndef EBB_API_DRAIN_H
#define EBB_API_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

struct api;
struct fault;
struct json_out;

struct drain {
	bool on;
	uint64_t since_us, deadline_us; /* deadline 0: the requests' own */
};

/* Reads the file; none: not drained. 0, or -errno with a sentence. */
int drain_load(struct api *api, struct fault *f);
/* Tells ebbd again, before it hears of services. */
void drain_resend(struct api *api);
/* "drained", and since when and until when, into an open object. */
void drain_write(struct json_out *o, const struct drain *drain);

#endif
