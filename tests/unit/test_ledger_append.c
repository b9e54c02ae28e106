// SPDX-License-Identifier: Apache-2.0
#include <sys/syscall.h>

#include "ledger_fixture.h"

#include "runtime/base/text.h"

/* Takes the place of libc's for SQLite too: a disk that loses a write-back. */
static int sync_errno;

int fdatasync(int fd)
{
	if (sync_errno) {
		errno = sync_errno;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static void readings_are_chained(void **state)
{
	struct fixture *f = *state;
	struct wire_meter m[3] = {reading("a-1", 1, 1), reading("b-1", 2, 1), reading("a-1", 3, 2)};

	assert_int_equal(append_batch(&f->db, m, 3, &f->report), 0);
	assert_int_equal(f->report.added, 3);
	assert_int_equal(f->db.head_id, 3);
}

static void sending_again_is_harmless(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(append(f, reading("a-1", 1, 1)), 0);
	assert_int_equal(append(f, reading("a-1", 3, 3)), 0);
	assert_int_equal(append(f, reading("a-1", 3, 3)), 0);
	assert_int_equal(f->report.old, 1);
	assert_int_equal(append(f, reading("a-1", 2, 2)), 0); /* older than the known ones */
	assert_int_equal(f->report.old, 1);
	assert_int_equal(f->db.head_id, 2);
}

/* One case per rule: how the reading is spoilt, and what is said of it. */
struct spoilt {
	const char *fault;
	void (*spoil)(struct wire_meter *m);
};

#define SPOIL(name, statement)                 \
	static void name(struct wire_meter *m) \
	{                                      \
		statement;                     \
	}
SPOIL(fewer_cpu, m->cpu_us -= 200000)
SPOIL(fewer_user, m->cpu_user_us = 0)
SPOIL(fewer_awake, m->awake_us = m->wake_us = 0)
SPOIL(fewer_frozen, m->frozen_us = 0)
SPOIL(fewer_invocations, m->invocations = 1)
SPOIL(fewer_bytes_out, m->net_out_bytes = 1)
SPOIL(fewer_bytes_in, m->net_in_bytes = 1)
SPOIL(fewer_connections, m->net_connections = 1)
SPOIL(fewer_wakes, m->wakes = 1)
SPOIL(fewer_time_of_wakes, m->wake_us = 1)
SPOIL(more_wake_than_awake, m->wake_us = m->awake_us + 1)
SPOIL(too_many_bytes, m->net_out_bytes = UINT64_C(1) << 63)
SPOIL(shorter_life, m->lived_us = 1900000; m->frozen_us = 800000; m->awake_us = 1000000)
SPOIL(awake_for_longer, m->awake_us = m->lived_us + 1)
SPOIL(more_than_lived, m->awake_us = m->lived_us - m->frozen_us + 1)
SPOIL(more_init_than_cpu, m->cpu_init_us = m->cpu_us + 1)
SPOIL(other_memory, m->memory_mb = 4096)
SPOIL(other_service, m->service[0] = 'z')
SPOIL(other_cgroup, m->cgroup_id = 43)
SPOIL(other_revision, m->revision = 2)
SPOIL(unknown_reason, m->reason = METER_REASON_COUNT)
SPOIL(too_wide, m->cpu_us = (uint64_t)INT64_MAX + 1)
SPOIL(no_service, m->service[0] = '\0')
SPOIL(endless_name, memset(m->instance, 'a', sizeof(m->instance)))

static const struct spoilt spoilt[] = {
	{"cpu_us went back", fewer_cpu},
	{"cpu_user_us went back", fewer_user},
	{"awake_us went back", fewer_awake},
	{"frozen_us went back", fewer_frozen},
	{"invocations went back", fewer_invocations},
	{"net_out_bytes went back", fewer_bytes_out},
	{"net_in_bytes went back", fewer_bytes_in},
	{"net_connections went back", fewer_connections},
	{"wakes went back", fewer_wakes},
	{"wake_us went back", fewer_time_of_wakes},
	{"wake_us > awake_us", more_wake_than_awake},
	{"a number does not fit 63 bits", too_many_bytes},
	{"lived_us went back", shorter_life},
	{"awake_us + frozen_us > lived_us", more_than_lived},
	{"awake_us + frozen_us > lived_us", awake_for_longer},
	{"cpu_init_us > cpu_us", more_init_than_cpu},
	{"memory_mb differs from the account's", other_memory},
	{"service differs from the account's", other_service},
	{"cgroup_id differs from the account's", other_cgroup},
	{"revision differs from the account's", other_revision},
	{"the reason is unknown", unknown_reason},
	{"a number does not fit 63 bits", too_wide},
	{"instance or service is not a name", no_service},
	{"instance or service is not a name", endless_name},
};

static void readings_against_the_rules_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(append(f, reading("a-1", 1, 2)), 0);
	for (size_t i = 0; i < ARRAY_LEN(spoilt); i++) {
		struct wire_meter m = reading("a-1", 2, 3);

		spoilt[i].spoil(&m);
		assert_int_equal(append(f, m), 0);
		assert_int_equal(f->report.refused, 1);
		assert_string_equal(f->report.fault, spoilt[i].fault);
	}
	assert_int_equal(f->db.head_id, 1);
	assert_int_equal(append(f, reading("a-1", 2, 3)), 0);
	assert_int_equal(f->report.added, 1);
}

static void a_closed_account_stays_closed(void **state)
{
	struct fixture *f = *state;
	struct wire_meter last = reading("a-1", 2, 2);

	last.reason = METER_AT_CLOSE;
	assert_int_equal(append(f, reading("a-1", 1, 1)), 0);
	assert_int_equal(append(f, last), 0);
	assert_int_equal(append(f, reading("a-1", 3, 3)), 0);
	assert_string_equal(f->report.fault, "the account was closed before");
	last.boot_us++; /* the same name after the next boot is another account */
	assert_int_equal(append(f, last), 0);
	assert_int_equal(f->report.added, 1);
}

static void a_clock_set_back_costs_no_reading_and_no_date(void **state)
{
	struct fixture *f = *state;
	struct wire_meter m = reading("a-1", 2, 2);
	struct entry e;

	assert_int_equal(append(f, reading("a-1", 1, 1)), 0);
	m.read_us -= 3600 * UINT64_C(1000000);
	assert_int_equal(append(f, m), 0);
	assert_int_equal(f->report.added, 1);
	sql_bind_u64(&f->db.sql, DB_FROM_ID, 1, 2);
	sql_bind_u64(&f->db.sql, DB_FROM_ID, 2, 1);
	assert_int_equal(sql_next(&f->db.sql, DB_FROM_ID), 1);
	assert_int_equal(db_entry(&f->db, DB_FROM_ID, &e), 0);
	sql_reset(&f->db.sql, DB_FROM_ID);
	assert_true(e.meter.read_us == m.read_us);
}

/* The kernel reports a lost write-back only once (fsync(2), EIO). So after one failure the ledger
 * promises nothing more until it is opened again. */
static void after_a_failed_sync_nothing_is_promised(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(append(f, reading("a-1", 1, 1)), 0);
	sync_errno = EIO;
	assert_true(append(f, reading("a-1", 2, 2)) < 0);
	sync_errno = 0;
	assert_int_not_equal(f->db.sql.broken, 0);
	assert_true(append(f, reading("a-1", 3, 3)) < 0); /* the disk is fine again: still no */
	assert_int_equal(f->db.head_id, 1);
	db_close(&f->db);
	assert_int_equal(db_open(&f->db, f->path), 0);
	assert_int_equal(append(f, reading("a-1", 2, 2)), 0);
	assert_int_equal(append(f, reading("a-1", 3, 3)), 0);
	assert_int_equal(f->db.head_id, 3);
}

static void opening_fails_when_recovery_cannot_be_synced(void **state)
{
	struct fixture *f = *state;
	char wal[128], kept[128];

	/* The leftovers of a killed process: a WAL that nobody has checkpointed. */
	assert_int_equal(append(f, reading("a-1", 1, 1)), 0);
	snprintf(wal, sizeof(wal), "%s-wal", f->path);
	snprintf(kept, sizeof(kept), "%s/kept", f->dir);
	assert_int_equal(link(wal, kept), 0);
	db_close(&f->db);
	(void)unlink(wal);
	assert_int_equal(rename(kept, wal), 0);
	sync_errno = EIO;
	assert_true(db_open(&f->db, f->path) < 0);
	sync_errno = 0;
	db_close(&f->db);
	assert_int_equal(db_open(&f->db, f->path), 0);
	assert_int_equal(f->db.head_id, 1);
}

static void a_locked_database_is_tried_again(void **state)
{
	struct fixture *f = *state;
	sqlite3 *other;

	assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_busy_timeout(f->db.sql.db, 1);
	assert_int_equal(append(f, reading("a-1", 1, 1)), -EBUSY);
	assert_int_equal(f->db.sql.broken, 0);
	sqlite3_close(other);
	assert_int_equal(append(f, reading("a-1", 1, 1)), 0);
}

static void another_program_s_or_a_newer_database_is_refused(void **state)
{
	struct fixture *f = *state;
	sqlite3 *other;

	db_close(&f->db);
	assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
	sqlite3_exec(other, "PRAGMA user_version = 99", NULL, NULL, NULL);
	sqlite3_close(other);
	assert_int_equal(db_open(&f->db, f->path), -EPROTO);
	db_close(&f->db);
	assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
	sqlite3_exec(other, "PRAGMA user_version = 1; PRAGMA application_id = 7", NULL, NULL, NULL);
	sqlite3_close(other);
	assert_int_equal(db_open(&f->db, f->path), -EBADMSG);
}

static void a_long_wal_is_copied_back(void **state)
{
	struct fixture *f = *state;
	struct wire_meter m[APPEND_BATCH_MAX];
	uint64_t seq = 0;

	for (int round = 0; round < 100; round++) {
		for (size_t i = 0; i < ARRAY_LEN(m); i++, seq++)
			m[i] = reading("a-1", seq + 1, seq);
		assert_int_equal(append_batch(&f->db, m, ARRAY_LEN(m), &f->report), 0);
		assert_true(f->db.sql.wal_pages < SQL_WAL_PAGES);
	}
	assert_int_equal(f->db.head_id, seq);
}

/* One value of the database as text. */
static void value_of(struct fixture *f, const char *query, char *out, size_t size)
{
	sqlite3_stmt *s;

	assert_int_equal(sqlite3_prepare_v2(f->db.sql.db, query, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	snprintf(out, size, "%s", (const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
}

/* Existing databases were made by these statements. Another hash here means that a step of the
 * schema was edited, where a new step should have been added. */
static void steps_of_the_schema_are_frozen(void **state)
{
	struct fixture *f = *state;
	char text[4096];

	value_of(f,
		 "SELECT group_concat(sql, '|') FROM (SELECT sql FROM sqlite_schema"
		 " WHERE sql IS NOT NULL ORDER BY name)",
		 text, sizeof(text));
	assert_int_equal(strlen(text), 1515);
	assert_int_equal(text_hash(text, strlen(text)), UINT64_C(0x93596bfb58a102f7));
}

static void the_table_has_the_columns_of_the_list(void **state)
{
	struct fixture *f = *state;
	char text[1024], wanted[1024];
	size_t used = (size_t)snprintf(wanted, sizeof(wanted), "id:INTEGER");

	for (size_t i = 0; i < METER_COLUMN_COUNT; i++) {
		if (i == METER_COLUMN_COUNT_1) /* later formats add columns at the end */
			used += (size_t)snprintf(wanted + used, sizeof(wanted) - used,
						 ",prev_hash:BLOB,hash:BLOB");
		used += (size_t)snprintf(wanted + used, sizeof(wanted) - used, ",%s:%s",
					 meter_columns[i].name,
					 meter_columns[i].kind == COLUMN_TEXT ? "TEXT" : "INTEGER");
	}
	value_of(f, "SELECT group_concat(name || ':' || type) FROM pragma_table_info('meter')",
		 text, sizeof(text));
	assert_string_equal(text, wanted);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(readings_are_chained),
		T(sending_again_is_harmless),
		T(readings_against_the_rules_are_refused),
		T(a_closed_account_stays_closed),
		T(a_clock_set_back_costs_no_reading_and_no_date),
		T(the_table_has_the_columns_of_the_list),
		T(after_a_failed_sync_nothing_is_promised),
		T(opening_fails_when_recovery_cannot_be_synced),
		T(a_locked_database_is_tried_again),
		T(another_program_s_or_a_newer_database_is_refused),
		T(a_long_wal_is_copied_back),
		T(steps_of_the_schema_are_frozen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
