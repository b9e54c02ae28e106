// SPDX-License-Identifier: Apache-2.0
/* The watchdog of ebbd's loop: a handler that takes too long is counted, named and told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/supervisor/host/loop.h"
#include "runtime/wire/records.h"

struct rig {
	struct loop *loop;
	struct timer timer;
	uint64_t burn_ns;
	uint32_t kind, told;
	char text[256];
};

static void say(void *self, uint32_t kind, const char *text)
{
	struct rig *rig = self;

	rig->kind = kind;
	rig->told++;
	snprintf(rig->text, sizeof(rig->text), "%s", text);
}

static void on_due(struct timer *t)
{
	struct rig *rig = (struct rig *)((char *)t - offsetof(struct rig, timer));
	uint64_t until_ns = clock_thread_ns() + rig->burn_ns;

	loop_note(rig->loop, "NEED_SOCKETS");
	while (clock_thread_ns() < until_ns)
		;
	loop_stop(rig->loop);
}

static void run(struct rig *rig, uint64_t burn_ns)
{
	struct loop_reporter reporter = {.self = rig, .say = say};

	log_init("test", LOG_ERROR_LEVEL);
	*rig = (struct rig){.burn_ns = burn_ns};
	rig->timer.on_due = on_due;
	rig->timer.name = "test on_due";
	assert_int_equal(loop_new(&rig->loop), 0);
	loop_report_to(rig->loop, &reporter);
	assert_int_equal(loop_timer_at(rig->loop, &rig->timer, 1), 0);
	assert_int_equal(loop_run(rig->loop), 0);
}

static void a_handler_that_uses_too_much_is_counted_and_named(void **state)
{
	struct rig rig;

	run(&rig, LOOP_STALL_NS + 10 * NS_PER_MS);
	assert_int_equal(loop_health(rig.loop)->stalls, 1);
	assert_int_equal(loop_health(rig.loop)->delays, 1);
	assert_true(loop_health(rig.loop)->longest_cpu_ns > LOOP_STALL_NS);
	assert_int_equal(rig.told, 1);
	assert_int_equal(rig.kind, WIRE_EVENT_LOOP_STALLED);
	assert_non_null(strstr(rig.text, "handler test on_due, NEED_SOCKETS kept ebbd for "));
	loop_free(rig.loop);
}

static void a_short_one_is_not(void **state)
{
	struct rig rig;

	run(&rig, 3 * NS_PER_MS);
	assert_int_equal(loop_health(rig.loop)->stalls, 0);
	assert_true(loop_health(rig.loop)->longest_cpu_ns >= 2 * NS_PER_MS);
	loop_free(rig.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handler_that_uses_too_much_is_counted_and_named),
		cmocka_unit_test(a_short_one_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
