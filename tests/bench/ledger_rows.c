// SPDX-License-Identifier: Apache-2.0
/*
 * Puts readings into a ledger with ebb-ledger's own functions: ledger_rows FILE ROWS BATCH. Each
 * reading is that of an instance at the end of an awake interval; a thousand instances take turns.
 * Prints rows, seconds, CPU seconds and the bytes of the file. With BATCH 0 the peer runs: the same
 * rows by SQLite alone, without chain, rules and look at the row before.
 */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "runtime/base/clock.h"
#include "runtime/ledger/append.h"

#define INSTANCES 1000

static struct wire_meter reading(uint64_t n)
{
	uint64_t turn = n / INSTANCES + 1;
	struct wire_meter m = {.seq = n + 1,
			       .boot_us = UINT64_C(1700000000000000),
			       .cgroup_id = n % INSTANCES + 1,
			       .reason = METER_AT_FREEZE,
			       .read_us = UINT64_C(1700000000000000) + n * 1000,
			       .lived_us = turn * 1000000,
			       .cpu_us = turn * 3000,
			       .cpu_user_us = turn * 2000,
			       .cpu_system_us = turn * 1000,
			       .awake_us = turn * 20000,
			       .frozen_us = turn * 980000,
			       .invocations = turn,
			       .memory_mb = 512,
			       .revision = 1};

	snprintf(m.instance, sizeof(m.instance), "service-%" PRIu64, n % INSTANCES);
	snprintf(m.service, sizeof(m.service), "service");
	return m;
}

static double cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int fill(const char *path, uint64_t rows, size_t batch)
{
	struct wire_meter meters[APPEND_BATCH_MAX];
	struct append_report report;
	struct db db;
	int r = db_open(&db, path);

	for (uint64_t n = 0; r == 0 && n < rows;) {
		size_t count = 0;

		while (count < batch && n < rows)
			meters[count++] = reading(n++);
		r = append_batch(&db, meters, count, &report);
		sql_checkpoint(&db.sql);
		if (r == 0 && report.added != count)
			r = -1;
	}
	db_close(&db);
	return r;
}

static int fill_plainly(const char *path, uint64_t rows)
{
	sqlite3 *sql = NULL;
	sqlite3_stmt *put = NULL;
	int r = sqlite3_open(path, &sql);

	if (r == SQLITE_OK)
		r = sqlite3_exec(sql,
				 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
				 "CREATE TABLE meter (id INTEGER PRIMARY KEY, instance TEXT,"
				 " service TEXT, seq INTEGER, read_us INTEGER, cpu_us INTEGER,"
				 " awake_us INTEGER, invocations INTEGER)",
				 NULL, NULL, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_prepare_v2(sql, "INSERT INTO meter VALUES (NULL,?,?,?,?,?,?,?)", -1,
				       &put, NULL);
	for (uint64_t n = 0; r == SQLITE_OK && n < rows; n++) {
		struct wire_meter m = reading(n);

		if (n % APPEND_BATCH_MAX == 0)
			r = sqlite3_exec(sql, "BEGIN", NULL, NULL, NULL);
		sqlite3_bind_text(put, 1, m.instance, -1, SQLITE_STATIC);
		sqlite3_bind_text(put, 2, m.service, -1, SQLITE_STATIC);
		sqlite3_bind_int64(put, 3, (int64_t)m.seq);
		sqlite3_bind_int64(put, 4, (int64_t)m.read_us);
		sqlite3_bind_int64(put, 5, (int64_t)m.cpu_us);
		sqlite3_bind_int64(put, 6, (int64_t)m.awake_us);
		sqlite3_bind_int64(put, 7, (int64_t)m.invocations);
		if (sqlite3_step(put) != SQLITE_DONE)
			r = SQLITE_ERROR;
		sqlite3_reset(put);
		if ((n + 1) % APPEND_BATCH_MAX == 0 || n + 1 == rows)
			r = sqlite3_exec(sql, "COMMIT", NULL, NULL, NULL);
	}
	sqlite3_finalize(put);
	sqlite3_close(sql);
	return r;
}

int main(int argc, char **argv)
{
	uint64_t rows = argc == 4 ? strtoull(argv[2], NULL, 10) : 0, begin_ns = clock_mono_ns();
	size_t batch = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	struct stat st;
	int r;

	if (rows == 0 || batch > APPEND_BATCH_MAX)
		return 2;
	r = batch > 0 ? fill(argv[1], rows, batch) : fill_plainly(argv[1], rows);
	if (r != 0 || stat(argv[1], &st) < 0) {
		fprintf(stderr, "ledger_rows: %d\n", r);
		return 1;
	}
	printf("%" PRIu64 " %.6f %.6f %lld\n", rows, (double)(clock_mono_ns() - begin_ns) / 1e9,
	       cpu_s(), (long long)st.st_size);
	return 0;
}
