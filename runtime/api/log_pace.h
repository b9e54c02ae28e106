/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of an instance's output is kept, and how much work it may cause. Pure.
 *
 * Both are allowances of each instance: bytes of the file (dates and a charge for each line among
 * them), and CPU time of this process. Beyond the first, lines are dropped and counted until a
 * second's worth is left again; beyond either, the pipe is read every LOG_PACE_NS at most. So the
 * cost of a flood does not grow with the flood: its writer waits for room in its pipe.
 */
#ifndef EBB_API_LOG_PACE_H
#define EBB_API_LOG_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/allowance.h"

#define LOG_BYTES_PER_S (UINT64_C(1) << 20)
#define LOG_BYTES_MOST  (UINT64_C(8) << 20)
#define LOG_LINE_COST   64                 /* bytes, beside its own */
#define LOG_WORK_PER_S  UINT64_C(50000000) /* ns of CPU */
#define LOG_WORK_MOST   UINT64_C(500000000)
#define LOG_PACE_NS     UINT64_C(10000000)

struct log_pace {
	struct allowance bytes, work;
	bool dropping, mid_line; /* mid_line: the dropped bytes did not end with a line */
	uint64_t dropped_lines, dropped_bytes;
};

/* Full allowances: nothing is dropped, nothing is late. */
void log_pace_init(struct log_pace *p);
/* Counts bytes written to the file: from now on lines are dropped if that was too much. */
void log_pace_wrote(struct log_pace *p, uint64_t bytes, uint64_t lines, uint64_t now_ns);
/* Counts what is not written. */
void log_pace_drop(struct log_pace *p, const char *bytes, size_t size);
/* Whether dropping may end now. */
bool log_pace_may_resume(struct log_pace *p, uint64_t now_ns);
/* Ends it: the line that says what was lost into text; its length. */
size_t log_pace_resume(struct log_pace *p, char *text, size_t size);
/* Charges this CPU time. 0, or when the pipe may be read again (CLOCK_MONOTONIC). */
uint64_t log_pace_worked(struct log_pace *p, uint64_t work_ns, uint64_t now_ns);

#endif
