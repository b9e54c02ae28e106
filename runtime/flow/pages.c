// SPDX-License-Identifier: Apache-2.0
#include "runtime/flow/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/sql/sql.h"

#define PAGES_FILE    "pages.db"
#define PAGES_VERSION 2
#define PAGES_ID      0x65626250 /* "ebbP", shown by file(1) */

/* clang-format off */
#define STATEMENTS(X) \
	X(BEGIN) X(COMMIT) X(MAKE_SPACE) X(SPACE) X(NUMBER) X(DROP_KEY) X(PUT) X(GET) X(OLDEST) \
	X(DROP) X(TOTAL) X(LARGEST) X(NEWEST) X(MARK) X(OLDEST_MARK) X(DROP_MARK) X(FLOOR) \
	X(FLOORS) X(MARKS) X(BYTES) X(LOST)
#define X(name) P_##name,
enum { STATEMENTS(X) P_COUNT };
#undef X

static const char *const steps[PAGES_VERSION] = {
	"CREATE TABLE counter (id INTEGER PRIMARY KEY, number INTEGER NOT NULL,"
	" lost_ms INTEGER NOT NULL) STRICT;"
	/* Numbers of a file that is made anew are above those that its readers know. */
	"INSERT INTO counter VALUES (1,"
	" CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 0);"
	"CREATE TABLE space (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
	" bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0),"
	" marks INTEGER NOT NULL DEFAULT 0 CHECK (marks >= 0),"
	" floor_ms INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE TABLE value (number INTEGER PRIMARY KEY, space INTEGER NOT NULL,"
	" key TEXT NOT NULL, bytes INTEGER NOT NULL, body BLOB NOT NULL,"
	" UNIQUE (space, key)) STRICT;"
	"CREATE INDEX value_age ON value (space, number);"
	"CREATE TRIGGER value_in AFTER INSERT ON value BEGIN"
	" UPDATE space SET bytes = bytes + new.bytes WHERE id = new.space; END;"
	"CREATE TRIGGER value_out AFTER DELETE ON value BEGIN"
	" UPDATE space SET bytes = bytes - old.bytes WHERE id = old.space; END;"
	"CREATE TABLE mark (number INTEGER PRIMARY KEY, space INTEGER NOT NULL,"
	" tag TEXT NOT NULL, stale_ms INTEGER NOT NULL, expired_ms INTEGER NOT NULL,"
	" at_ms INTEGER NOT NULL, UNIQUE (space, tag)) STRICT;"
	"CREATE INDEX mark_age ON mark (space, number);"
	"CREATE TRIGGER mark_in AFTER INSERT ON mark BEGIN"
	" UPDATE space SET marks = marks + 1 WHERE id = new.space; END;"
	"CREATE TRIGGER mark_out AFTER DELETE ON mark BEGIN"
	" UPDATE space SET marks = marks - 1 WHERE id = old.space; END;",
	/* Values before this number are gone. */
	"ALTER TABLE space ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;",
};

static const char *const statements[P_COUNT] = {
	[P_BEGIN] = "BEGIN IMMEDIATE",
	[P_COMMIT] = "COMMIT",
	[P_MAKE_SPACE] = "INSERT OR IGNORE INTO space (name) VALUES (?)",
	[P_SPACE] = ("SELECT s.id, s.marks, max(s.floor_ms, c.lost_ms) FROM space s, counter c"
		     " WHERE s.name = ?"),
	[P_NUMBER] = "UPDATE counter SET number = number + 1 RETURNING number",
	[P_DROP_KEY] = "DELETE FROM value WHERE space = ? AND key = ?",
	[P_PUT] = "INSERT INTO value (number, space, bytes, key, body) VALUES (?, ?, ?, ?, ?)",
	[P_GET] = ("SELECT v.body FROM value v, space s"
		   " WHERE s.name = ? AND v.space = s.id AND v.key = ? AND v.number > s.gone"),
	[P_OLDEST] = "SELECT number FROM value WHERE space = ? ORDER BY number LIMIT 1",
	[P_DROP] = "DELETE FROM value WHERE number = ?",
	[P_TOTAL] = "SELECT coalesce(sum(bytes), 0) FROM space",
	[P_LARGEST] = "SELECT id FROM space ORDER BY bytes DESC LIMIT 1",
	[P_NEWEST] = "SELECT coalesce(max(number), 0) FROM mark WHERE space = ?",
	[P_MARK] = ("INSERT INTO mark (number, space, stale_ms, expired_ms, at_ms, tag)"
		    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (space, tag) DO UPDATE SET"
		    " number = excluded.number, stale_ms = max(stale_ms, excluded.stale_ms),"
		    " expired_ms = CASE excluded.expired_ms WHEN 0 THEN expired_ms"
		    " ELSE excluded.expired_ms END, at_ms = excluded.at_ms"),
	[P_OLDEST_MARK] = "SELECT number, at_ms FROM mark WHERE space = ? ORDER BY number LIMIT 1",
	[P_DROP_MARK] = "DELETE FROM mark WHERE number = ?",
	[P_FLOOR] = "UPDATE space SET gone = max(gone, ?2), floor_ms = max(floor_ms, ?3) WHERE id = ?1",
	[P_FLOORS] = "UPDATE counter SET lost_ms = max(lost_ms, ?)",
	[P_BYTES] = "SELECT bytes FROM space WHERE id = ?",
	[P_LOST] = "SELECT lost_ms FROM counter",
	[P_MARKS] = ("SELECT m.number, m.tag, m.stale_ms, m.expired_ms FROM mark m, space s"
		     " WHERE s.name = ? AND m.space = s.id AND m.number > ? ORDER BY m.number"),
};
/* clang-format on */

static const struct sql_schema schema = {
	.what = "the store of pages",
	.application_id = PAGES_ID,
	.version = PAGES_VERSION,
	.steps = steps,
	.statements = statements,
	.statement_count = P_COUNT,
};

struct pages {
	struct sql sql;
};

struct space {
	uint64_t id, marks, floor_ms;
};

static int begin(struct pages *p)
{
	return p->sql.broken ? -p->sql.broken : sql_run(&p->sql, P_BEGIN);
}

/* A transaction is whole or the store is broken: closing it drops what was not committed. */
static int finish(struct pages *p, int r)
{
	if (r >= 0)
		r = sql_run(&p->sql, P_COMMIT);
	if (r < 0)
		sql_break(&p->sql, -r);
	else
		sql_checkpoint(&p->sql);
	return r < 0 ? r : p->sql.broken ? -p->sql.broken : 0;
}

static void bind(struct pages *p, size_t which, const uint64_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sql_bind_u64(&p->sql, which, (int)i + 1, numbers[i]);
}

static int change(struct pages *p, size_t which, const uint64_t *numbers, size_t count)
{
	bind(p, which, numbers, count);
	return sql_run(&p->sql, which);
}

/* Columns of the one row of a statement: 1, 0 or -errno. */
static int row(struct pages *p, size_t which, uint64_t *out, int count)
{
	int r = sql_next(&p->sql, which);

	if (r != 1)
		return r;
	for (int i = 0; i < count; i++)
		out[i] = sql_u64(&p->sql, which, i);
	r = sql_next(&p->sql, which); /* a change is done when its rows are through */
	sql_reset(&p->sql, which);
	return r < 0 ? r : 1;
}

/* One that has to be there: 0 or -errno. */
static int row_of(struct pages *p, size_t which, const uint64_t *numbers, size_t count,
		  uint64_t *out, int columns)
{
	int r;

	bind(p, which, numbers, count);
	r = row(p, which, out, columns);
	return r == 1 ? 0 : r < 0 ? r : -EBADMSG;
}

/* ---- life cycle ---- */

static int open_file(struct pages *p)
{
	int r = sql_open(&p->sql, PAGES_FILE, &schema);

	if (r < 0)
		log_warn("event=pages_unusable err=%d why=\"%s\"", -r, p->sql.why);
	return r;
}

static int open_anew(struct pages *p, uint64_t now_ms)
{
	static const char *const files[] = {PAGES_FILE, PAGES_FILE "-wal", PAGES_FILE "-shm"};
	int r;

	sql_close(&p->sql);
	memset(&p->sql, 0, sizeof(p->sql));
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (unlink(files[i]) < 0 && errno != ENOENT)
			return -errno;
	r = open_file(p);
	if (r == 0)
		r = begin(p);
	return r < 0 ? r : finish(p, change(p, P_FLOORS, &now_ms, 1));
}

int pages_open(struct pages **out, bool anew, uint64_t now_ms)
{
	struct pages *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	r = anew ? -EBADMSG : open_file(p);
	if (r == -EBADMSG || r == -EPROTO) /* damaged, or of a newer ebb */
		r = open_anew(p, now_ms);
	if (r < 0) {
		pages_close(p);
		return r;
	}
	*out = p;
	return 0;
}

void pages_close(struct pages *p)
{
	if (!p)
		return;
	sql_close(&p->sql);
	free(p);
}

int pages_broken(const struct pages *p)
{
	return p->sql.broken;
}

/* ---- values ---- */

/* 1, 0: the namespace has nothing yet, or -errno. */
static int find_space(struct pages *p, const char *name, struct space *out)
{
	uint64_t columns[3];
	int r;

	sql_bind_text(&p->sql, P_SPACE, 1, name);
	r = row(p, P_SPACE, columns, 3);
	if (r == 1)
		*out = (struct space){columns[0], columns[1], columns[2]};
	return r;
}

static int make_space(struct pages *p, const char *name, struct space *out)
{
	int r;

	sql_bind_text(&p->sql, P_MAKE_SPACE, 1, name);
	r = sql_run(&p->sql, P_MAKE_SPACE);
	if (r == 0)
		r = find_space(p, name, out);
	return r == 0 ? -EBADMSG : r < 0 ? r : 0;
}

int pages_get(struct pages *p, const char *space, const char *key, void **out, size_t *out_size)
{
	const void *bytes;
	size_t size = 0;
	int r;

	sql_bind_text(&p->sql, P_GET, 1, space);
	sql_bind_text(&p->sql, P_GET, 2, key);
	r = sql_next(&p->sql, P_GET);
	if (r != 1)
		return r;
	bytes = sql_bytes(&p->sql, P_GET, 0, &size);
	*out = malloc(size + 1);
	if (*out && size)
		memcpy(*out, bytes, size);
	*out_size = size;
	sql_reset(&p->sql, P_GET);
	return *out ? 1 : -ENOMEM;
}

static int drop_oldest(struct pages *p, uint64_t space)
{
	uint64_t number;
	int r = row_of(p, P_OLDEST, &space, 1, &number, 1);

	return r < 0 ? r : change(p, P_DROP, &number, 1);
}

static int make_room(struct pages *p, uint64_t space, uint64_t bytes)
{
	uint64_t total = 0, largest = 0, own = 0;
	int r = row_of(p, P_BYTES, &space, 1, &own, 1);

	if (r == 0)
		r = row_of(p, P_TOTAL, NULL, 0, &total, 1);

	while (r == 0 && total + bytes > PAGES_OF_ALL) {
		r = row_of(p, P_LARGEST, NULL, 0, &largest, 1);
		if (r == 0)
			r = drop_oldest(p, largest);
		if (r == 0)
			r = row_of(p, P_TOTAL, NULL, 0, &total, 1);
	}
	if (r == 0)
		r = row_of(p, P_BYTES, &space, 1, &own, 1);
	while (r == 0 && own + bytes > PAGES_OF_SPACE) {
		r = drop_oldest(p, space);
		if (r == 0)
			r = row_of(p, P_BYTES, &space, 1, &own, 1);
	}
	return r;
}

static int put(struct pages *p, const char *name, const char *key, const void *bytes, size_t size)
{
	uint64_t numbers[3] = {0, 0, size + PAGE_OVERHEAD};
	struct space s;
	int r = make_space(p, name, &s);

	if (r < 0)
		return r;
	sql_bind_u64(&p->sql, P_DROP_KEY, 1, s.id);
	sql_bind_text(&p->sql, P_DROP_KEY, 2, key);
	r = sql_run(&p->sql, P_DROP_KEY);
	if (r == 0)
		r = make_room(p, s.id, numbers[2]);
	if (r == 0)
		r = row_of(p, P_NUMBER, NULL, 0, &numbers[0], 1);
	if (r < 0)
		return r;
	numbers[1] = s.id;
	bind(p, P_PUT, numbers, 3);
	sql_bind_text(&p->sql, P_PUT, 4, key);
	sql_bind_blob(&p->sql, P_PUT, 5, size ? bytes : "", size);
	return sql_run(&p->sql, P_PUT);
}

int pages_put(struct pages *p, const char *space, const char *key, const void *bytes, size_t size)
{
	int r = begin(p);

	return r < 0 ? r : finish(p, put(p, space, key, bytes, size));
}

/* ---- marks ---- */

int pages_state(struct pages *p, const char *space, struct page_state *out)
{
	struct space s = {0};
	uint64_t newest = 0;
	int r = find_space(p, space, &s);

	if (r == 1)
		r = row_of(p, P_NEWEST, &s.id, 1, &newest, 1);
	else if (r == 0)
		r = row_of(p, P_LOST, NULL, 0, &s.floor_ms, 1);
	if (r == 0)
		*out = (struct page_state){newest, s.floor_ms};
	return r;
}

static int put_mark(struct pages *p, uint64_t space, const struct page_mark *m, uint64_t now_ms)
{
	uint64_t numbers[5] = {0, space, m->stale_ms, m->expired_ms, now_ms};
	int r = row_of(p, P_NUMBER, NULL, 0, &numbers[0], 1);

	if (r < 0)
		return r;
	bind(p, P_MARK, numbers, 5);
	sql_bind_text(&p->sql, P_MARK, 6, m->tag);
	return sql_run(&p->sql, P_MARK);
}

/* The oldest mark goes with every value before it. Their rows stay until room is made, because a
 * namespace may have so many that to delete them would hold up everyone. */
static int drop_mark(struct pages *p, uint64_t space)
{
	uint64_t mark[2];
	int r = row_of(p, P_OLDEST_MARK, &space, 1, mark, 2);

	if (r == 0)
		r = change(p, P_FLOOR, (const uint64_t[]){space, mark[0], mark[1]}, 3);
	return r < 0 ? r : change(p, P_DROP_MARK, mark, 1);
}

static int put_marks(struct pages *p, const char *space, const struct page_mark *marks,
		     size_t count, uint64_t now_ms)
{
	struct space s;
	int r = make_space(p, space, &s);

	for (size_t i = 0; r == 0 && i < count; i++)
		r = put_mark(p, s.id, &marks[i], now_ms);
	if (r == 0 && find_space(p, space, &s) != 1)
		r = -EIO;
	for (; r == 0 && s.marks > MARKS_OF_SPACE; s.marks--)
		r = drop_mark(p, s.id);
	return r;
}

int pages_mark(struct pages *p, const char *space, const struct page_mark *marks, size_t count,
	       uint64_t now_ms)
{
	int r = begin(p);

	return r < 0 ? r : finish(p, put_marks(p, space, marks, count, now_ms));
}

int pages_each_mark(struct pages *p, const char *space, uint64_t after, pages_mark_fn each,
		    void *self)
{
	struct page_mark m;
	int r;

	sql_bind_text(&p->sql, P_MARKS, 1, space);
	sql_bind_u64(&p->sql, P_MARKS, 2, after);
	while ((r = sql_next(&p->sql, P_MARKS)) == 1) {
		m.number = sql_u64(&p->sql, P_MARKS, 0);
		sql_text(&p->sql, P_MARKS, 1, m.tag, sizeof(m.tag));
		m.stale_ms = sql_u64(&p->sql, P_MARKS, 2);
		m.expired_ms = sql_u64(&p->sql, P_MARKS, 3);
		r = each(self, &m);
		if (r != 0)
			break;
	}
	sql_reset(&p->sql, P_MARKS);
	return r;
}
