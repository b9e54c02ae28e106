// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "runtime/gateway/ring/starved.h"

#define SLOTS 2u

static struct stream slots[SLOTS];
static uint32_t asked[SLOTS];

static void on_wants(void *self, struct stream *s)
{
	asked[s->index]++;
}

static const struct stream_carrier carrier = {.wants = on_wants};

static struct stream *find(void *self, enum ring_op op, uint32_t index)
{
	return &slots[index];
}

static struct stream *use(uint32_t index)
{
	slots[index].receiving = false;
	stream_open_carried(&slots[index], &carrier, NULL, index, RING_CLIENT_RECV);
	return &slots[index];
}

/* While no buffer is free, connection after connection may starve and end in the same slot; the
 * list has only one place for each slot. */
static void test_a_slot_is_listed_once_however_many_streams_starve_in_it(void **state)
{
	struct buffers buffers = {.in_ring = 8};
	struct ring ring = {.now_ns = 1};
	struct stream_io io = {.ring = &ring, .buffers = &buffers};
	struct starved all;

	assert_int_equal(starved_init(&all, SLOTS), 0);
	for (int n = 0; n < 100; n++)
		for (uint32_t i = 0; i < SLOTS; i++)
			starved_put(&all, use(i));
	assert_int_equal(all.count, SLOTS);
	starved_feed(&all, &io, find, NULL);
	assert_int_equal(all.count, 0);
	assert_int_equal(asked[0], 1);
	assert_int_equal(asked[1], 1);
	free(all.who);
}

/* A stream in the slot of one that starved is not made to receive before it asks for bytes. */
static void test_who_does_not_starve_is_not_fed(void **state)
{
	struct buffers buffers = {.in_ring = 8};
	struct ring ring = {.now_ns = 1};
	struct stream_io io = {.ring = &ring, .buffers = &buffers};
	struct starved all;

	asked[0] = 0;
	assert_int_equal(starved_init(&all, SLOTS), 0);
	starved_put(&all, use(0));
	(void)use(0);
	starved_feed(&all, &io, find, NULL);
	assert_int_equal(asked[0], 0);
	starved_put(&all, use(0));
	starved_feed(&all, &io, find, NULL);
	assert_int_equal(asked[0], 1);
	free(all.who);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_slot_is_listed_once_however_many_streams_starve_in_it),
		cmocka_unit_test(test_who_does_not_starve_is_not_fed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
