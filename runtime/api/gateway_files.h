/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebbd hands over two things of each gateway: its counters (shared memory, read only) and the
 * reading end of its access log. The log is kept in <log>/_access/gateway-N.log, as lines of JSON.
 *
 * A gateway may be hijacked, so nothing it wrote is believed: its counters are only printed, under
 * names that were checked, and its lines are only copied.
 */
#ifndef EBB_API_GATEWAY_FILES_H
#define EBB_API_GATEWAY_FILES_H

#include <stdint.h>

#include "runtime/api/buffer.h"

struct gateway_files;
struct loop;

/* log_dir_fd is borrowed. 0 or -errno. */
int gateway_files_new(struct loop *loop, int log_dir_fd, struct gateway_files **out);
void gateway_files_free(struct gateway_files *f); /* NULL is fine */
/* Takes the files of gateway `index` in place of the files of an earlier gateway with that number.
 * Takes over pipe_fd, also on failure; stats_fd stays the caller's. 0 or -errno. */
int gateway_files_put(struct gateway_files *f, uint32_t index, int stats_fd, int pipe_fd);
/* Prometheus text: the counters of all gateways, per service. 0 or -ENOMEM. */
int gateway_files_metrics(const struct gateway_files *f, struct buffer *out);

#endif
