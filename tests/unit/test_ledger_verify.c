// SPDX-License-Identifier: Apache-2.0
#include "ledger_fixture.h"

#include <sys/wait.h>

#include "runtime/ledger/chain.h"
#include "runtime/ledger/verify.h"

#define ROWS 1200u /* more than two slices */

static int setup(void **state)
{
	struct wire_meter m[APPEND_BATCH_MAX];
	struct fixture *f;
	uint64_t seq = 0;

	fixture_setup(state);
	f = *state;
	while (seq < ROWS) {
		for (size_t i = 0; i < ARRAY_LEN(m); i++, seq++)
			m[i] = reading(seq % 2 ? "a-1" : "b-1", seq + 1, seq / 2);
		assert_int_equal(append_batch(&f->db, m, ARRAY_LEN(m), &f->report), 0);
		assert_int_equal(f->report.added, ARRAY_LEN(m));
	}
	return 0;
}

static struct verify audit(struct fixture *f)
{
	struct verify v;
	int more;

	assert_int_equal(verify_begin(&f->db, 1, &v), 0);
	while ((more = verify_step(&f->db, &v)) == 1)
		;
	assert_int_equal(more, 0);
	return v;
}

static void an_honest_ledger_holds(void **state)
{
	struct fixture *f = *state;
	struct verify v = audit(f);

	assert_int_equal(v.bad_row, 0);
	assert_int_equal(v.rows, ROWS);
	assert_memory_equal(v.hash, f->db.head_hash, SHA256_BYTES);
}

static void rows_added_meanwhile_do_no_harm(void **state)
{
	struct fixture *f = *state;
	struct verify v;

	assert_int_equal(verify_begin(&f->db, 1, &v), 0);
	assert_int_equal(verify_step(&f->db, &v), 1);
	assert_int_equal(append(f, reading("c-1", ROWS + 1, 1)), 0);
	while (verify_step(&f->db, &v) == 1)
		;
	assert_int_equal(v.bad_row, 0);
	assert_int_equal(v.rows, ROWS);
}

static void every_way_to_meddle_is_found(void **state)
{
	static const struct {
		const char *sql, *text;
	} cases[] = {
		{"UPDATE meter SET cpu_us = cpu_us - 1 WHERE id = 700",
		 "row 700: the hash is not that of its content"},
		{"UPDATE meter SET memory_mb = memory_mb + 4294967296 WHERE id = 700",
		 "row 700: a number is wider than 32 bits"},
		{"UPDATE meter SET service = 'a' || char(0) || 'x' WHERE id = 700",
		 "row 700: a text has a length that no ledger writes"},
		{"UPDATE meter SET service = 'z' WHERE id = 700",
		 "row 700: the hash is not that of its content"},
		{"UPDATE meter SET hash = zeroblob(32) WHERE id = 700",
		 "row 700: the hash is not that of its content"},
		{"UPDATE meter SET hash = x'00' WHERE id = 700",
		 "row 700: a hash is not 32 bytes long"},
		{"UPDATE meter SET net_in_bytes = net_in_bytes + 1 WHERE id = 700",
		 "row 700: the hash is not that of its content"},
		{"UPDATE meter SET net_in_bytes = NULL WHERE id = 700",
		 "row 700: some columns of its format are missing"},
		{"UPDATE meter SET net_out_bytes = NULL, net_in_bytes = NULL, net_connections ="
		 " NULL WHERE id = 700",
		 "row 700: some columns of its format are missing"},
		{"UPDATE meter SET wake_us = NULL WHERE id = 700",
		 "row 700: some columns of its format are missing"},
		{"UPDATE meter SET wakes = NULL, wake_us = NULL WHERE id = 700",
		 "row 700: the hash is not that of its content"},
		{"UPDATE meter SET net_out_bytes = NULL, net_in_bytes = NULL, net_connections ="
		 " NULL, wakes = NULL, wake_us = NULL WHERE id = 700",
		 "row 700: the hash is not that of its content"},
		{"DELETE FROM meter WHERE id = 700", "row 700: is missing"},
		{"DELETE FROM meter WHERE id = 1", "row 1: is missing"},
		{"UPDATE meter SET id = 5000 WHERE id = 1; UPDATE meter SET id = 1 WHERE id = 2;"
		 "UPDATE meter SET id = 2 WHERE id = 5000",
		 "row 1: prev_hash is not the hash of the row before"},
		{"PRAGMA foreign_keys = OFF; DELETE FROM meter WHERE id = 1200",
		 "row 1200: is missing"},
		{"UPDATE head SET hash = zeroblob(32)",
		 "row 1200: is the head, but the head has another hash"},
		{"UPDATE head SET id = 1199", "row 1200: stands behind the head"},
		{"UPDATE head SET id = 1199, hash = (SELECT hash FROM meter WHERE id = 1199)",
		 "row 1200: stands behind the head"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture *f;

		setup(state);
		f = *state;
		meddle(f, cases[i].sql);
		assert_string_equal(audit(f).text, cases[i].text);
		fixture_teardown(state);
	}
}

static void spell(const uint8_t hash[SHA256_BYTES], char out[65])
{
	for (size_t i = 0; i < SHA256_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

/* Somebody who can compute hashes still cannot break the rules of an account. */
static void a_well_hashed_lie_is_found(void **state)
{
	struct fixture *f = *state;
	struct entry e = {
		.id = ROWS + 1, .format = ENTRY_FORMAT, .meter = reading("a-1", ROWS + 1, 3)};
	char sql[1024], prev[65], hash[65];

	memcpy(e.prev_hash, f->db.head_hash, SHA256_BYTES);
	assert_int_equal(chain_hash(&e, e.hash), 0);
	spell(e.prev_hash, prev);
	spell(e.hash, hash);
	snprintf(sql, sizeof(sql),
		 "INSERT INTO meter SELECT 1201, boot_us, 'a-1', 'a', 1, 42, 1201, 1,"
		 " boot_us + 3000000, 3000000, 375000, 300000, 75000, 1000, 1500000, 1200000, 9, "
		 "512,"
		 " x'%s', x'%s', 3000, 15000, 6, 21, 90000 FROM meter WHERE id = 1; UPDATE head "
		 "SET id = "
		 "1201, hash = x'%s'",
		 prev, hash, hash);
	meddle(f, sql);
	assert_string_equal(audit(f).text, "row 1201: lived_us went back");
}

/* docs/verify_ledger.py is what we tell others to believe: it must see the same. */
static int ask_a_stranger(const struct fixture *f)
{
	char command[256];

	if (access("/usr/bin/python3", X_OK) < 0 || access("docs/verify_ledger.py", R_OK) < 0) {
		printf("SKIP: needs /usr/bin/python3 and the project's root as working "
		       "directory\n");
		skip();
	}
	snprintf(command, sizeof(command), "/usr/bin/python3 docs/verify_ledger.py %s >%s/out 2>&1",
		 f->path, f->dir);
	return WEXITSTATUS(system(command));
}

static void a_stranger_s_verifier_agrees(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask_a_stranger(f), 0);
	meddle(f, "UPDATE meter SET invocations = invocations + 1 WHERE id = 1000");
	assert_int_equal(ask_a_stranger(f), 1);
	meddle(f, "UPDATE meter SET invocations = invocations - 1 WHERE id = 1000");
	assert_int_equal(ask_a_stranger(f), 0);
	meddle(f, "UPDATE meter SET net_in_bytes = net_in_bytes + 1 WHERE id = 1000");
	assert_int_equal(ask_a_stranger(f), 1);
}

#define OLD_ROWS 3u

/* Makes the file what an ebb that wrote this format left: three rows without later columns. */
static void go_back_to(struct fixture *f, uint32_t format)
{
	struct entry e = {.format = format};
	char sql[4096], hash[65];
	size_t used = (size_t)snprintf(sql, sizeof(sql), "PRAGMA user_version = %u;",
				       (unsigned int)format);

	for (size_t i = entry_columns(format); i < METER_COLUMN_COUNT; i++)
		used += (size_t)snprintf(sql + used, sizeof(sql) - used,
					 "ALTER TABLE meter DROP COLUMN %s;",
					 meter_columns[i].name);
	for (e.id = 1; e.id <= OLD_ROWS; e.id++) {
		e.meter = reading("a-1", e.id, e.id);
		assert_int_equal(append(f, e.meter), 0);
		assert_int_equal(chain_hash(&e, e.hash), 0);
		spell(e.hash, hash);
		used += (size_t)snprintf(sql + used, sizeof(sql) - used,
					 "UPDATE meter SET hash = x'%s' WHERE id = %u;"
					 "UPDATE meter SET prev_hash = x'%s' WHERE id = %u;"
					 "UPDATE head SET hash = x'%s';",
					 hash, (unsigned int)e.id, hash, (unsigned int)e.id + 1,
					 hash);
		memcpy(e.prev_hash, e.hash, SHA256_BYTES);
	}
	meddle_closed(f, sql);
}

static void reads_and_goes_on(struct fixture *f, uint32_t format)
{
	struct verify v;

	go_back_to(f, format);
	assert_int_equal(ask_a_stranger(f), 0);
	assert_int_equal(db_open(&f->db, f->path), 0);
	v = audit(f);
	assert_string_equal(v.text, "3 rows, every hash and every rule holds");
	assert_int_equal(append(f, reading("a-1", OLD_ROWS + 1, OLD_ROWS + 1)), 0);
	assert_int_equal(append(f, reading("b-1", OLD_ROWS + 2, 1)), 0);
	assert_int_equal(f->report.added, 1);
	v = audit(f);
	assert_string_equal(v.text, "5 rows, every hash and every rule holds");
	assert_int_equal(ask_a_stranger(f), 0);
	meddle(f, "UPDATE meter SET net_out_bytes = 0, net_in_bytes = 0, net_connections = 0,"
		  " wakes = 0, wake_us = 0 WHERE id = 2");
	v = audit(f);
	assert_string_equal(v.text, "row 2: the hash is not that of its content");
	assert_int_equal(ask_a_stranger(f), 1);
}

static void a_ledger_of_format_1_is_read_and_goes_on(void **state)
{
	reads_and_goes_on(*state, 1);
}

static void a_ledger_of_format_2_is_read_and_goes_on(void **state)
{
	reads_and_goes_on(*state, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_honest_ledger_holds),
		T(rows_added_meanwhile_do_no_harm),
		cmocka_unit_test(every_way_to_meddle_is_found),
		T(a_well_hashed_lie_is_found),
		T(a_stranger_s_verifier_agrees),
		cmocka_unit_test_setup_teardown(a_ledger_of_format_1_is_read_and_goes_on,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_ledger_of_format_2_is_read_and_goes_on,
						fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
