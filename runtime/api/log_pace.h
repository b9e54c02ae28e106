/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of an instance's output is kept, and how much work it may cause. Pure.
 *
 * Each instance has two allowances: bytes of its file (with the dates, and a charge for each line),
 * and CPU time of ebb-api. An instance beyond the first has its lines dropped and counted until a
 * second's worth of bytes is left again. An instance beyond either has its pipe read at most every
 * LOG_PACE_NS, and a burst is read in turns (pace.h). So the cost of a flood does not grow with the
 * flood: its writer waits for room in the pipe.
 */
#ifndef EBB_API_LOG_PACE_H
#define EBB_API_LOG_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/pace.h"

#define LOG_BYTES_PER_S (UINT64_C(1) << 20)
#define LOG_BYTES_MOST  (UINT64_C(8) << 20)
#define LOG_LINE_COST   64                 /* bytes charged for a line beside its own */
#define LOG_WORK_PER_S  UINT64_C(50000000) /* ns of CPU */
#define LOG_WORK_MOST   UINT64_C(500000000)
#define LOG_PACE_NS     UINT64_C(10000000)

struct log_pace {
	struct allowance bytes;
	struct pace work;
	bool dropping, mid_line; /* mid_line: the dropped bytes did not end with a line */
	uint64_t dropped_lines, dropped_bytes;
};

/* Full allowances: nothing is dropped, nothing is late. */
void log_pace_init(struct log_pace *p);
/* Counts bytes and lines written to the file. Lines are dropped from now on if that was
 * too much. */
void log_pace_wrote(struct log_pace *p, uint64_t bytes, uint64_t lines, uint64_t now_ns);
/* Counts bytes that are dropped. */
void log_pace_drop(struct log_pace *p, const char *bytes, size_t size);
/* Whether dropping may end now. */
bool log_pace_may_resume(struct log_pace *p, uint64_t now_ns);
/* Ends the dropping. Writes the line that says how much was lost into text; returns its length. */
size_t log_pace_resume(struct log_pace *p, char *text, size_t size);
/* Charges this CPU time. Returns 0, or the time at which the pipe may be read again
 * (CLOCK_MONOTONIC, ns). */
uint64_t log_pace_worked(struct log_pace *p, uint64_t work_ns, uint64_t now_ns);

#endif
