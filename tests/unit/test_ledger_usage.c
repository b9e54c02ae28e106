// SPDX-License-Identifier: Apache-2.0
#include "ledger_fixture.h"

#include "runtime/ledger/usage.h"

#define AT(n) (LEDGER_BOOT_US + (n)*UINT64_C(1000000))

static struct usage_rows usage(struct fixture *f, uint64_t from_us, uint64_t to_us,
			       const char *service)
{
	struct usage_rows rows;

	assert_int_equal(usage_window(&f->db, from_us, to_us, service, &rows), 0);
	return rows;
}

static void a_window_is_the_difference_of_readings(void **state)
{
	struct fixture *f = *state;
	struct usage_rows rows;

	for (uint64_t n = 0; n <= 10; n++)
		assert_int_equal(append(f, reading("a-1", n + 1, n)), 0);
	rows = usage(f, AT(2), AT(5), "");
	assert_int_equal(rows.count, 1);
	assert_string_equal(rows.rows[0].service, "a");
	assert_int_equal(rows.rows[0].invocations, 9);
	assert_int_equal(rows.rows[0].active_cpu_us, 3 * 125000);
	assert_int_equal(rows.rows[0].awake_us, 3 * 500000);
	assert_int_equal(rows.rows[0].frozen_us, 3 * 400000);
	assert_int_equal(rows.rows[0].net_out_bytes, 3 * 1000);
	assert_int_equal(rows.rows[0].net_in_bytes, 3 * 5000);
	assert_int_equal(rows.rows[0].net_connections, 3 * 2);
	assert_int_equal(rows.rows[0].wakes, 3 * 7);
	assert_int_equal(rows.rows[0].wake_us, 3 * 30000);
	assert_int_equal(rows.rows[0].provisioned_mb_us, 512 * 3 * 500000);
	assert_int_equal(rows.rows[0].instances, 1);
	usage_rows_fini(&rows);
}

static void a_life_that_begins_inside_counts_from_zero(void **state)
{
	struct fixture *f = *state;
	struct usage_rows rows;

	assert_int_equal(append(f, reading("a-1", 1, 4)), 0);
	rows = usage(f, 0, UINT64_MAX, "");
	assert_int_equal(rows.rows[0].active_cpu_us, 4 * 125000);
	usage_rows_fini(&rows);
	rows = usage(f, AT(4), UINT64_MAX, ""); /* at the edge: it belongs to the window before */
	assert_int_equal(rows.count, 0);
	usage_rows_fini(&rows);
}

static void services_come_by_name_and_can_be_chosen(void **state)
{
	struct fixture *f = *state;
	struct usage_rows rows;

	assert_int_equal(append(f, reading("b-1", 1, 1)), 0);
	assert_int_equal(append(f, reading("a-2", 2, 1)), 0);
	assert_int_equal(append(f, reading("a-1", 3, 2)), 0);
	rows = usage(f, 0, AT(9), "");
	assert_int_equal(rows.count, 2);
	assert_string_equal(rows.rows[0].service, "a");
	assert_int_equal(rows.rows[0].instances, 2);
	assert_int_equal(rows.rows[0].invocations, 9);
	assert_string_equal(rows.rows[1].service, "b");
	usage_rows_fini(&rows);
	rows = usage(f, 0, AT(9), "b");
	assert_int_equal(rows.count, 1);
	assert_int_equal(rows.rows[0].invocations, 3);
	usage_rows_fini(&rows);
}

/* For all readings and cuts: windows side by side add up to the counters. */
static void windows_side_by_side_add_up(void **state)
{
	struct fixture *f = *state;
	uint64_t n[7] = {0}, seq = 0, from = 0, cpu_us = 0, mb_us = 0, want_cpu_us = 0;
	char name[INSTANCE_ID_SIZE];

	srand(7);
	for (int i = 0; i < 500; i++) {
		size_t k = (size_t)rand() % ARRAY_LEN(n);
		struct wire_meter m;

		n[k] += (uint64_t)rand() % 3;
		snprintf(name, sizeof(name), "s%zu-1", k % 3);
		m = reading(name, ++seq, n[k]);
		m.boot_us += k;                                 /* seven accounts, three services */
		m.read_us = AT(i) - (uint64_t)rand() % 5000000; /* and a clock that wanders */
		assert_int_equal(append(f, m), 0);
		assert_int_equal(f->report.added, 1);
	}
	for (uint64_t to = AT(0); from < AT(600); from = to, to += (uint64_t)rand() % 9000000) {
		struct usage_rows rows = usage(f, from, to, "");

		for (size_t i = 0; i < rows.count; i++) {
			cpu_us += rows.rows[i].active_cpu_us;
			mb_us += rows.rows[i].provisioned_mb_us;
		}
		usage_rows_fini(&rows);
	}
	for (size_t k = 0; k < ARRAY_LEN(n); k++)
		want_cpu_us += n[k] * 125000;
	assert_int_equal(cpu_us, want_cpu_us);
	assert_int_equal(mb_us, want_cpu_us * 4 * 512);
}

/* A clock that is an hour ahead for three seconds: only those are dated into the future. */
static void a_clock_that_ran_ahead_hides_nothing_that_comes_later(void **state)
{
	struct fixture *f = *state;
	const uint64_t hour_us = 3600 * UINT64_C(1000000);
	struct usage_rows rows;

	for (uint64_t n = 1; n <= 300; n++) {
		struct wire_meter m = reading("a-1", n, n);

		if (n > 30 && n <= 33)
			m.read_us += hour_us;
		assert_int_equal(append(f, m), 0);
		assert_int_equal(f->report.added, 1);
	}
	rows = usage(f, 0, AT(300), "");
	assert_int_equal(rows.rows[0].invocations, (300 - 3) * 3);
	assert_int_equal(rows.rows[0].active_cpu_us, (300 - 3) * 125000);
	usage_rows_fini(&rows);
	rows = usage(f, AT(300), AT(300) + 2 * hour_us, "");
	assert_int_equal(rows.rows[0].invocations, 3 * 3);
	assert_int_equal(rows.rows[0].provisioned_mb_us, UINT64_C(3) * 500000 * 512);
	usage_rows_fini(&rows);
	rows = usage(f, 0, UINT64_MAX, "");
	assert_int_equal(rows.rows[0].invocations, 300 * 3);
	usage_rows_fini(&rows);
}

static void sums_that_do_not_fit_are_refused(void **state)
{
	struct fixture *f = *state;
	struct usage_rows rows;

	for (uint64_t i = 1; i <= 2; i++) {
		struct wire_meter m = reading(i == 1 ? "a-1" : "a-2", i, 1);

		m.lived_us = m.awake_us = INT64_MAX / 512;
		m.frozen_us = 0;
		m.memory_mb = 1024;
		assert_int_equal(append(f, m), 0);
	}
	assert_int_equal(usage_window(&f->db, 0, UINT64_MAX, "", &rows), -EOVERFLOW);
	assert_int_equal(usage_window(&f->db, 2, 1, "", &rows), -EINVAL);
}

/* Puts count readings of one account, from the number on. */
static void put_many(struct fixture *f, uint64_t from, uint64_t count)
{
	static struct wire_meter batch[APPEND_BATCH_MAX];

	must(count % APPEND_BATCH_MAX == 0);
	for (uint64_t n = from; n < from + count; n += APPEND_BATCH_MAX) {
		for (uint64_t i = 0; i < APPEND_BATCH_MAX; i++)
			batch[i] = reading("a-1", n + i, n + i);
		assert_int_equal(append_batch(&f->db, batch, APPEND_BATCH_MAX, &f->report), 0);
	}
}

/* Bytes that SQLite had at once for a question about all readings, above what it has anyway. */
static int64_t price(struct fixture *f)
{
	struct usage_rows rows;
	int64_t before;

	rows = usage(f, 0, UINT64_MAX, ""); /* its cache is full of the readings from here on */
	usage_rows_fini(&rows);
	before = sqlite3_memory_used();
	(void)sqlite3_memory_highwater(1);
	rows = usage(f, 0, UINT64_MAX, "");
	assert_int_equal(rows.rows[0].instances, 1);
	usage_rows_fini(&rows);
	return sqlite3_memory_highwater(0) - before;
}

static void the_memory_of_a_question_does_not_grow_with_the_readings(void **state)
{
	struct fixture *f = *state;
	int64_t few, many;

	put_many(f, 1, 1000);
	few = price(f);
	put_many(f, 1001, 9000);
	many = price(f);
	assert_true(many < few + 64 * 1024);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_window_is_the_difference_of_readings),
		T(a_life_that_begins_inside_counts_from_zero),
		T(services_come_by_name_and_can_be_chosen),
		T(a_clock_that_ran_ahead_hides_nothing_that_comes_later),
		T(windows_side_by_side_add_up),
		T(sums_that_do_not_fit_are_refused),
		T(the_memory_of_a_question_does_not_grow_with_the_readings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
