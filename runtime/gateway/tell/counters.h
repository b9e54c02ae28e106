/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of a gateway, which SIGUSR1 writes to the log. They only rise, from 0 at the start.
 */
#ifndef EBB_GATEWAY_COUNTERS_H
#define EBB_GATEWAY_COUNTERS_H

#include <stdint.h>

/* clang-format off */
#define GATEWAY_COUNTERS(X) \
	X(accepted) X(refused_full) X(requests) X(responses) X(thaws) X(pool_hits) X(pool_poisoned) \
	X(connects) X(connect_errors) X(retries) X(queued) X(queue_full) X(queue_expired) X(nacks) X(cancels_ignored) X(banned) X(aborted_by_client) \
	X(aborted_by_instance) X(spliced_bytes) X(upgrades) X(no_buffer) X(no_upstream_slot) \
	X(accepted_bound) X(refused_caller) X(refused_address) X(proxy_refused) X(head_timeouts) X(idle_closed) X(heads_too_large) \
	X(targets_too_long) X(bodies_too_large) X(slow_senders) X(slow_readers) X(request_limits) \
	X(h2_sessions) X(h2_streams) X(h2_refused) X(h2_full) X(h2_floods) X(h2_errors) X(h2_held) \
	X(h2_no_memory) X(error_4xx) X(error_502) X(error_503) X(error_504) X(error_other) \
	X(h2up_sessions) X(h2up_streams) X(h2up_goaways) X(h2up_errors) X(h2up_floods) X(h2up_held) \
	X(http2_upstreams) X(room_asks) X(pool_drops) X(hibernations) X(yields) X(wakes) X(pongs) X(websocket_violations)
/* clang-format on */

#define X(name) uint64_t name;
struct counters {
	GATEWAY_COUNTERS(X)
};
#undef X

#endif
