/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counters of a gateway, per service: shared memory of one gateway (a sealed memfd made by
 * ebbd), written by that gateway alone and read by ebb-api for /metrics. Counters only rise, also
 * across a restart of the gateway, until the number of the service is given to another one.
 *
 * Readers take each number for itself; they are not of one moment. A gateway may be hijacked:
 * readers believe no text and no relation between numbers.
 */
#ifndef EBB_WIRE_STATS_H
#define EBB_WIRE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "runtime/wire/records.h"

/* clang-format off */
#define SERVICE_COUNTERS(X) \
	/* answers by class, as the client got them; aborted: it went away before the end */ \
	X(status_1xx) X(status_2xx) X(status_3xx) X(status_4xx) X(status_5xx) X(aborted) \
	/* answers that ebb made, by kind (x-ebb-error) */ \
	X(error_bad_request) X(error_overloaded) X(error_crashed) X(error_bad_response) \
	X(error_max_duration) X(error_other) \
	/* how the request found its instance */ \
	X(start_cold) X(start_thaw) X(start_warm) \
	/* why it got that one, in the order of enum wire_choice_reason */ \
	X(chosen_only) X(chosen_fullest) X(chosen_woken) X(chosen_saturated) X(chosen_older) \
	/* those that its instance got over HTTP/2 */ \
	X(upstream_h2c) \
	/* bodies, from the client and to it */ \
	X(bytes_in) X(bytes_out) \
	/* sums, in us: of the histograms below, of thaws, until the first byte of the answer */ \
	X(duration_us) X(queue_us) X(thaw_us) X(first_byte_us)
#define X(name) SERVICE_##name,
enum service_counter { SERVICE_COUNTERS(X) SERVICE_COUNTER_COUNT };
#undef X

/* Upper bounds of the histograms in us; the last bucket is everything above. */
#define STATS_BOUNDS(X) \
	X(100) X(500) X(1000) X(2500) X(5000) X(10000) X(25000) X(50000) X(100000) X(250000) \
	X(500000) X(1000000) X(2500000) X(10000000) X(60000000)
/* clang-format on */
#define X(us) +1
enum { STATS_BUCKETS = 1 STATS_BOUNDS(X) };
#undef X

struct service_stats {
	char name[SERVICE_NAME_SIZE]; /* the owner of the number; "" = nobody yet */
	_Atomic uint64_t counters[SERVICE_COUNTER_COUNT];
	_Atomic uint64_t
		duration[STATS_BUCKETS];       /* from the request's arrival to the answer's end */
	_Atomic uint64_t queue[STATS_BUCKETS]; /* from its arrival until it was sent on */
};

/* One row per service number, and the last one for requests of no service. */
#define STATS_NO_SERVICE SERVICES_MAX
struct stats {
	struct service_stats services[SERVICES_MAX + 1];
};

/* ebbd: a memfd of the right size that cannot be cut. 0 with *out_fd (the caller's) or -errno. */
int stats_create(int *out_fd);
/* Maps one, to write or only to read. 0, -EPROTO if it is not one, -errno. */
int stats_open(int fd, int writable, struct stats **out);
void stats_close(struct stats *s); /* NULL is fine */

/* Writer: one more of this. */
void stats_add(_Atomic uint64_t *counter, uint64_t n);
void stats_observe(_Atomic uint64_t buckets[STATS_BUCKETS], uint64_t us);
/* The owner of this number from now on; counters begin anew for a new owner. */
void stats_name(struct service_stats *s, const char name[SERVICE_NAME_SIZE]);
/* Upper bound of a bucket in us; the last has none (UINT64_MAX). */
uint64_t stats_bound_us(uint32_t bucket);

#endif
