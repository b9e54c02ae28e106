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

/* Somebody who can compute hashes still cannot break the rules of an account. */
static void a_well_hashed_lie_is_found(void **state)
{
	struct fixture *f = *state;
	struct entry e = {.id = ROWS + 1, .meter = reading("a-1", ROWS + 1, 3)};
	char sql[1024], prev[65], hash[65];

	memcpy(e.prev_hash, f->db.head_hash, SHA256_BYTES);
	assert_int_equal(chain_hash(&e, e.hash), 0);
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		snprintf(prev + 2 * i, 3, "%02x", e.prev_hash[i]);
		snprintf(hash + 2 * i, 3, "%02x", e.hash[i]);
	}
	snprintf(sql, sizeof(sql),
		 "INSERT INTO meter SELECT 1201, boot_us, 'a-1', 'a', 1, 42, 1201, 1,"
		 " boot_us + 3000000, 3000000, 375000, 300000, 75000, 1000, 1500000, 1200000, 9, "
		 "512,"
		 " x'%s', x'%s' FROM meter WHERE id = 1; UPDATE head SET id = 1201, hash = x'%s'",
		 prev, hash, hash);
	meddle(f, sql);
	assert_string_equal(audit(f).text, "row 1201: lived_us went back");
}

/* docs/verify_ledger.py is what we tell others to believe: it must see the same. */
static void a_stranger_s_verifier_agrees(void **state)
{
	struct fixture *f = *state;
	char command[256];

	if (access("/usr/bin/python3", X_OK) < 0 || access("docs/verify_ledger.py", R_OK) < 0) {
		printf("SKIP: needs /usr/bin/python3 and the project's root as working "
		       "directory\n");
		skip();
	}
	snprintf(command, sizeof(command), "/usr/bin/python3 docs/verify_ledger.py %s >%s/out 2>&1",
		 f->path, f->dir);
	assert_int_equal(system(command), 0);
	meddle(f, "UPDATE meter SET invocations = invocations + 1 WHERE id = 1000");
	assert_int_equal(WEXITSTATUS(system(command)), 1);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
