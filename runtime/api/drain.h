/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether this host takes new work. The drain is part of the desired state (the file drain.json),
 * so it outlives ebb-api and ebbd, until an operator undrains the host.
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
	uint64_t since_us, deadline_us; /* since the epoch; deadline 0: each request has its own */
};

/* Whether ebbd heard of the last change. A word that was lost (too much waits for ebbd already) is
 * said again, because the change is on disk and stands. */
struct drain_word {
	bool lost;
	uint64_t again_ns; /* when it is said again; CLOCK_MONOTONIC */
};

/* Reads drain.json; without that file the host is not drained. 0, or -errno with a sentence
 * in f. */
int drain_load(struct api *api, struct fault *f);
/* Says a lost word again, if it is time. Returns when that will be, or UINT64_MAX. */
uint64_t drain_retry(struct api *api, uint64_t now_ns);
/* Tells ebbd whether the host is drained, before it hears of services: ebbd may know of a drain
 * whose end was saved and never told. */
void drain_resend(struct api *api);
/* Writes "drained", and since when and until when, into an open object. */
void drain_write(struct json_out *o, const struct drain *drain);

#endif
