// SPDX-License-Identifier: Apache-2.0
/* The waits that a line of /proc/TID/syscall tells of, tabulated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/look/waits.h"

#define MONO_NS (UINT64_C(5000) * NS_PER_SEC + 300 * NS_PER_MS)
#define REAL_NS (UINT64_C(1800000000) * NS_PER_SEC + 700 * NS_PER_MS)
#define BOOT_NS (UINT64_C(9000) * NS_PER_SEC + 300 * NS_PER_MS) /* it was suspended */
#define TAI_NS  (REAL_NS + 37 * NS_PER_SEC)

/* At 0x10 N there is the pair {N, 500 ms or us}. */
static int read_pair(void *ctx, uint64_t address, int64_t out[2])
{
	if (address == 0xbad)
		return -EFAULT;
	out[0] = (int64_t)(address >> 8);
	out[1] = (address & 0xff) == 1 ? 500000 : 500000000;
	if ((address & 0xff) == 2)
		out[1] = -1;
	return 0;
}

static struct wait decode(long number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
			  uint64_t a4)
{
	const struct wait_view view = {.mono_ns = MONO_NS,
				       .real_ns = REAL_NS,
				       .boot_ns = BOOT_NS,
				       .tai_ns = TAI_NS,
				       .read_pair = read_pair};
	struct wait_line line;
	struct wait w;
	char text[256];

	snprintf(text, sizeof(text), "%ld 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x0 0x7ffe 0x7f00\n",
		 number, a0, a1, a2, a3, a4);
	assert_int_equal(wait_line_parse(text, &line), 0);
	assert_int_equal(line.stack, 0x7ffe);
	wait_decode(&line, &view, &w);
	return w;
}

static void limits_of_each_call_are_found(void **state)
{
	static const struct {
		long number;
		uint64_t args[5];
		enum wait_kind kind;
		uint64_t ns;
	} cases[] = {
		{SYS_epoll_pwait, {4, 1, 64, 2500, 0}, WAIT_FOR, 2500 * NS_PER_MS},
		{SYS_epoll_pwait, {4, 1, 64, 0xffffffff, 0}, WAIT_FOREVER, 0},
		{SYS_epoll_pwait2, {4, 1, 64, 0x300, 0}, WAIT_FOR, 3500 * NS_PER_MS},
		{SYS_epoll_pwait2, {4, 1, 64, 0, 0}, WAIT_FOREVER, 0},
		{SYS_ppoll, {1, 1, 0x300, 0, 0}, WAIT_STRETCHED, 3500 * NS_PER_MS},
		{SYS_pselect6, {1, 0, 0, 0, 0x300}, WAIT_STRETCHED, 3500 * NS_PER_MS},
		{SYS_nanosleep, {0x300, 0, 0, 0, 0}, WAIT_FOR_KEPT, 3500 * NS_PER_MS},
		{SYS_nanosleep, {0xbad, 0, 0, 0, 0}, WAIT_FOREVER, 0},
		{SYS_clock_nanosleep, {1, 0, 0x300, 0, 0}, WAIT_FOR_KEPT, 3500 * NS_PER_MS},
		{SYS_clock_nanosleep,
		 {1, 1, 0x138900, 0, 0}, /* 5001 s */
		 WAIT_UNTIL,
		 5001 * NS_PER_SEC + 500 * NS_PER_MS},
		{SYS_clock_nanosleep, {2, 0, 0x300, 0, 0}, WAIT_FOREVER, 0}, /* CPU time */
		{SYS_futex, {1, 0x80, 0, 0x300, 0}, WAIT_FOR_KEPT, 3500 * NS_PER_MS},
		{SYS_futex, {1, 0x80, 0, 0, 0}, WAIT_FOREVER, 0},
		{SYS_futex,
		 {1, 0x89, 0, 0x138900, 0},
		 WAIT_UNTIL,
		 5001 * NS_PER_SEC + 500 * NS_PER_MS},
		/* CLOCK_REALTIME 1800000002.5, 1.8 s from now */
		{SYS_futex,
		 {1, 0x189, 0, UINT64_C(1800000002) << 8, 0},
		 WAIT_UNTIL,
		 MONO_NS + 1800 * NS_PER_MS},
		{SYS_futex, {1, 0x81, 0, 0x300, 0}, WAIT_FOREVER, 0}, /* a wake, not a wait */
		{SYS_rt_sigtimedwait, {1, 0, 0x300, 8, 0}, WAIT_FOR, 3500 * NS_PER_MS},
		{SYS_io_uring_enter, {3, 0, 1, 1, 0}, WAIT_FOREVER, 0},
		{SYS_restart_syscall, {0, 0, 0, 0, 0}, WAIT_RESUMED, 0},
		{SYS_accept, {3, 0, 0, 0, 0}, WAIT_FOREVER, 0},
		{SYS_nanosleep, {0x302, 0, 0, 0, 0}, WAIT_FOR_KEPT, 0}, /* refused by the kernel */
#ifdef SYS_poll
		{SYS_poll, {1, 1, 2500, 0, 0}, WAIT_FOR_KEPT, 2500 * NS_PER_MS},
		{SYS_select, {1, 0, 0, 0, 0x301}, WAIT_STRETCHED, 3500 * NS_PER_MS},
#endif
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const uint64_t *a = cases[i].args;
		struct wait w = decode(cases[i].number, a[0], a[1], a[2], a[3], a[4]);

		print_message("call %ld\n", cases[i].number);
		assert_int_equal(w.kind, cases[i].kind);
		if (w.kind != WAIT_FOREVER)
			assert_int_equal(w.ns, cases[i].ns);
	}
}

static void points_of_each_clock_are_told_from_its_own_now(void **state)
{
	static const struct {
		uint64_t clock, point_s, in_ms; /* the point is half a second later */
	} cases[] = {
		{CLOCK_MONOTONIC, 5002, 2200}, {CLOCK_REALTIME, 1800000002, 1800},
		{CLOCK_BOOTTIME, 9001, 1200},  {CLOCK_REALTIME_ALARM, 1800000002, 1800},
		{CLOCK_TAI, 1800000039, 1800}, {CLOCK_BOOTTIME_ALARM, 9001, 1200},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wait w =
			decode(SYS_clock_nanosleep, cases[i].clock, 1, cases[i].point_s << 8, 0, 0);

		assert_int_equal(w.kind, WAIT_UNTIL);
		assert_int_equal(w.ns, MONO_NS + cases[i].in_ms * NS_PER_MS);
	}
}

static void a_point_in_the_past_is_due_now(void **state)
{
	struct wait w = decode(SYS_clock_nanosleep, 1, 1, 0x300, 0, 0);

	assert_int_equal(w.kind, WAIT_UNTIL);
	assert_true(w.ns <= MONO_NS);
}

static void other_lines_are_understood_or_refused(void **state)
{
	struct wait_line line;

	assert_int_equal(wait_line_parse("running\n", &line), 0);
	assert_true(line.running);
	assert_int_equal(wait_line_parse("-1 0x7ffe 0x7f00\n", &line), 0);
	assert_int_equal(line.number, -1);
	assert_int_equal(wait_line_parse("232 0x1 0x2\n", &line), -EBADMSG);
	assert_int_equal(wait_line_parse("", &line), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_of_each_call_are_found),
		cmocka_unit_test(points_of_each_clock_are_told_from_its_own_now),
		cmocka_unit_test(a_point_in_the_past_is_due_now),
		cmocka_unit_test(other_lines_are_understood_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
