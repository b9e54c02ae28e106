/* SPDX-License-Identifier: Apache-2.0 */
/* A ledger in a directory of its own, and readings to put into it. */
#ifndef EBB_TESTS_LEDGER_FIXTURE_H
#define EBB_TESTS_LEDGER_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/ledger/append.h"
#include "runtime/ledger/db.h"

#define LEDGER_BOOT_US UINT64_C(1700000000000000)

struct fixture {
	struct db db;
	char dir[64], path[96];
	struct append_report report;
};

static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/ebb-test-ledger-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/ledger.db", f->dir);
	assert_int_equal(db_open(&f->db, f->path), 0);
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	db_close(&f->db);
	assert_int_equal(fd_rmtree_at(AT_FDCWD, f->dir), 0);
	free(f);
	return 0;
}

/* The reading of an instance at its n-th second: it was awake half the time, on CPU an eighth. */
static inline struct wire_meter reading(const char *instance, uint64_t seq, uint64_t n)
{
	struct wire_meter m = {
		.seq = seq,
		.boot_us = LEDGER_BOOT_US,
		.cgroup_id = 42,
		.read_us = LEDGER_BOOT_US + n * 1000000,
		.lived_us = n * 1000000,
		.cpu_us = n * 125000,
		.cpu_user_us = n * 100000,
		.cpu_system_us = n * 25000,
		.cpu_init_us = n ? 1000 : 0,
		.awake_us = n * 500000,
		.frozen_us = n * 400000,
		.invocations = n * 3,
		.net_out_bytes = n * 1000,
		.net_in_bytes = n * 5000,
		.net_connections = n * 2,
		.wakes = n * 7,
		.wake_us = n * 30000,
		.memory_mb = 512,
		.revision = 1,
		.reason = METER_AT_FREEZE,
	};

	snprintf(m.instance, sizeof(m.instance), "%s", instance);
	snprintf(m.service, sizeof(m.service), "%.*s", (int)strcspn(instance, "-"), instance);
	return m;
}

static inline int append(struct fixture *f, struct wire_meter m)
{
	return append_batch(&f->db, &m, 1, &f->report);
}

/* Changes a database as somebody with a shell would, and leaves it closed. */
static inline void meddle_closed(struct fixture *f, const char *sql)
{
	sqlite3 *other;

	db_close(&f->db);
	assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(
			other,
			"DROP TRIGGER IF EXISTS meter_keeps; DROP TRIGGER IF EXISTS meter_stays;"
			"PRAGMA ignore_check_constraints = ON;",
			NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
}

static inline void meddle(struct fixture *f, const char *sql)
{
	meddle_closed(f, sql);
	assert_int_equal(db_open(&f->db, f->path), 0);
}

#endif
