/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counters of a gateway, per service: shared memory of one gateway (a sealed memfd that ebbd
 * made), written by that gateway alone and read by ebb-api for /metrics. Counters only rise, also
 * across a restart of the gateway, until the number of the service is given to another service.
 *
 * Readers take each number by itself; the numbers are not of one moment. A gateway may be hijacked:
 * readers believe no text and no relation between numbers.
 */
#ifndef EBB_WIRE_STATS_H
#define EBB_WIRE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "runtime/wire/records.h"

/* clang-format off */
#define SERVICE_COUNTERS(X) \
	/* answers by class, as the client got them; aborted: it did not get all of its answer */ \
	X(status_1xx) X(status_2xx) X(status_3xx) X(status_4xx) X(status_5xx) X(aborted) \
	/* answers that ebb made, by kind (x-ebb-error) */ \
	X(error_bad_request) X(error_overloaded) X(error_crashed) X(error_bad_response) \
	X(error_max_duration) X(error_other) \
	/* how requests found their instance */ \
	X(start_cold) X(start_thaw) X(start_warm) \
	/* why they got that one, in the order of enum wire_choice_reason */ \
	X(chosen_only) X(chosen_fullest) X(chosen_woken) X(chosen_saturated) X(chosen_older) \
	/* requests that their instance got over HTTP/2 */ \
	X(upstream_h2c) \
	/* bytes of bodies, from clients and to them */ \
	X(bytes_in) X(bytes_out) \
	/* sums, in us: of the histograms below, of thaws, of the time to the first byte */ \
	X(duration_us) X(queue_us) X(thaw_us) X(first_byte_us)
#define X(name) SERVICE_##name,
enum service_counter { SERVICE_COUNTERS(X) SERVICE_COUNTER_COUNT };
#undef X

/* Upper bounds of the histograms in us; the last bucket has no bound. */
#define STATS_BOUNDS(X) \
	X(100) X(500) X(1000) X(2500) X(5000) X(10000) X(25000) X(50000) X(100000) X(250000) \
	X(500000) X(1000000) X(2500000) X(10000000) X(60000000)
/* clang-format on */
#define X(us) +1
enum { STATS_BUCKETS = 1 STATS_BOUNDS(X) };
#undef X

struct service_stats {
	char name[SERVICE_NAME_SIZE]; /* the service with this number; "" = none yet */
	_Atomic uint64_t counters[SERVICE_COUNTER_COUNT];
	_Atomic uint64_t duration[STATS_BUCKETS]; /* from arrival to the end of the answer */
	_Atomic uint64_t queue[STATS_BUCKETS];    /* from arrival until it was sent on */
};

/* One row per service number, and a last one for requests without a service. */
#define STATS_NO_SERVICE SERVICES_MAX
struct stats {
	struct service_stats services[SERVICES_MAX + 1];
};

/* ebbd: makes a memfd of the right size that cannot be resized. 0 with *out_fd (the caller's) or
 * -errno. */
int stats_create(int *out_fd);
/* Maps the counters, to write or only to read; fd is borrowed. 0, -EPROTO if the size is wrong, or
 * -errno. */
int stats_open(int fd, int writable, struct stats **out);
void stats_close(struct stats *s); /* NULL is fine */

/* Writer: adds n to a counter; counts one duration of us microseconds. */
void stats_add(_Atomic uint64_t *counter, uint64_t n);
void stats_observe(_Atomic uint64_t buckets[STATS_BUCKETS], uint64_t us);
/* Writer: this service has the number from now on; the counters of another service begin anew. */
void stats_name(struct service_stats *s, const char name[SERVICE_NAME_SIZE]);
/* The upper bound of a bucket in us; UINT64_MAX for the last one. */
uint64_t stats_bound_us(uint32_t bucket);

#endif
