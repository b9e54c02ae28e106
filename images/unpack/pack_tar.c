// SPDX-License-Identifier: Apache-2.0
/*
 * Writes tar as POSIX.1-2001 has it: a ustar header, and before it a pax header for facts that
 * ustar cannot hold (long names, parts of a second, extended attributes). libarchive could write
 * it too, but its bytes depend on its version, and the digests of ebb's archives must not.
 */
#include "images/unpack/pack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/base/utf8.h"

#define TAR_BLOCK      512u
#define OCTAL_SIZE_MAX 077777777777 /* in 11 digits */
#define PAX_NAME       "pax_headers"

struct ustar {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
	char magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct ustar) == TAR_BLOCK, "a header is one block");

/* ---- the sink ---- */

int sink_init(struct sink *s, int fd)
{
	*s = (struct sink){.fd = fd, .hash = sha256_new()};
	return s->hash ? 0 : -ENOMEM;
}

void sink_fini(struct sink *s)
{
	sha256_free(s->hash);
	s->hash = NULL;
}

static int flush(struct sink *s)
{
	int r = sha256_update(s->hash, s->block, s->used);

	if (r == 0 && s->fd >= 0)
		r = fd_write_all(s->fd, s->block, s->used);
	s->used = 0;
	return r;
}

int sink_put(struct sink *s, const void *bytes, size_t size)
{
	const char *at = bytes;

	s->bytes += size;
	while (size > 0) {
		size_t room = sizeof(s->block) - s->used, n = size < room ? size : room;
		int r;

		memcpy(s->block + s->used, at, n);
		s->used += n;
		at += n;
		size -= n;
		r = s->used == sizeof(s->block) ? flush(s) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

int sink_pad(struct sink *s)
{
	static const char zeros[TAR_BLOCK];

	return sink_put(s, zeros, (TAR_BLOCK - s->bytes % TAR_BLOCK) % TAR_BLOCK);
}

int sink_end(struct sink *s, uint8_t digest[DIGEST_SIZE], uint64_t *bytes)
{
	int r = flush(s);

	if (r == 0)
		r = sha256_final(s->hash, digest);
	*bytes = s->bytes;
	s->bytes = 0;
	return r;
}

/* ---- pax records ---- */

static int records_reserve(struct records *r, size_t size)
{
	size_t capacity = r->capacity ? r->capacity : TAR_BLOCK;
	char *grown;

	while (capacity < r->size + size)
		capacity *= 2;
	if (capacity == r->capacity)
		return 0;
	grown = realloc(r->text, capacity);
	if (!grown)
		return -ENOMEM;
	r->text = grown;
	r->capacity = capacity;
	return 0;
}

/* The length of a record counts its own digits. */
int tar_record(struct records *r, const char *key, const void *value, size_t size)
{
	size_t rest = strlen(key) + size + 3, length = rest + 1;
	char digits[24];
	int e;

	while ((size_t)snprintf(digits, sizeof(digits), "%zu", length) + rest != length)
		length++;
	e = records_reserve(r, length + 1);
	if (e < 0)
		return e;
	(void)text_format(r->text + r->size, r->capacity - r->size, "%zu %s=", length, key);
	r->size += length - size - 1;
	memcpy(r->text + r->size, value, size);
	r->size += size;
	r->text[r->size++] = '\n';
	return 0;
}

/* pax wants UTF-8 unless it is told otherwise (pax(1), hdrcharset). */
static int name_record(struct records *r, const char *key, const char *name)
{
	int e = 0;

	if (!utf8_is_text(name, strlen(name)))
		e = tar_record(r, "hdrcharset", "BINARY", 6);
	return e < 0 ? e : tar_record(r, key, name, strlen(name));
}

static bool time_fits(const struct timespec *t)
{
	return t->tv_nsec == 0 && t->tv_sec >= 0 && t->tv_sec <= OCTAL_SIZE_MAX;
}

/* A time before 1970 with a part of a second is written as its distance from 1970. */
static int time_record(struct records *r, const struct timespec *t)
{
	bool back = t->tv_sec < 0 && t->tv_nsec > 0;
	int64_t seconds = back ? -(t->tv_sec + 1) : t->tv_sec;
	char text[48];

	(void)text_format(text, sizeof(text), "%s%" PRId64 ".%09ld", back ? "-" : "", seconds,
			  back ? 1000000000 - t->tv_nsec : t->tv_nsec);
	return tar_record(r, "mtime", text, strlen(text));
}

static int size_record(struct records *r, uint64_t size)
{
	char text[24];

	(void)text_format(text, sizeof(text), "%" PRIu64, size);
	return tar_record(r, "size", text, strlen(text));
}

/* ---- headers ---- */

static void octal(char *field, size_t size, uint64_t value)
{
	char text[24];

	(void)text_format(text, sizeof(text), "%0*" PRIo64, (int)size - 1, value);
	memcpy(field, text, size);
}

/* A name that fills the field has no NUL, and a longer one is cut: its pax record counts then. */
static void put_name(char field[100], const char *name)
{
	size_t n = strlen(name);

	memcpy(field, name, n < 100 ? n : 100);
}

static int put_header(struct sink *s, const struct tar_entry *e)
{
	struct ustar h = {.type = e->type, .magic = "ustar", .version = {'0', '0'}};
	unsigned int sum = 0;
	unsigned char bytes[TAR_BLOCK];

	put_name(h.name, e->path);
	if (e->link)
		put_name(h.link, e->link);
	octal(h.mode, sizeof(h.mode), e->mode & 07777);
	octal(h.uid, sizeof(h.uid), e->uid);
	octal(h.gid, sizeof(h.gid), e->gid);
	octal(h.size, sizeof(h.size), e->size <= OCTAL_SIZE_MAX ? e->size : 0);
	octal(h.mtime, sizeof(h.mtime), time_fits(&e->mtime) ? (uint64_t)e->mtime.tv_sec : 0);
	octal(h.major, sizeof(h.major), 0);
	octal(h.minor, sizeof(h.minor), 0);
	memset(h.checksum, ' ', sizeof(h.checksum));
	memcpy(bytes, &h, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		sum += bytes[i];
	octal(h.checksum, 7, sum);
	return sink_put(s, &h, sizeof(h));
}

static int put_pax(struct sink *s, const struct records *r)
{
	const struct tar_entry pax = {.path = PAX_NAME, .type = 'x', .mode = 0644, .size = r->size};
	int e = put_header(s, &pax);

	if (e == 0)
		e = sink_put(s, r->text, r->size);
	return e < 0 ? e : sink_pad(s);
}

int tar_entry_put(struct sink *s, const struct tar_entry *e)
{
	struct records r = {0};
	int err = 0;

	if (strlen(e->path) > 100)
		err = name_record(&r, "path", e->path);
	if (err == 0 && e->link && strlen(e->link) > 100)
		err = name_record(&r, "linkpath", e->link);
	if (err == 0 && e->size > OCTAL_SIZE_MAX)
		err = size_record(&r, e->size);
	if (err == 0 && !time_fits(&e->mtime))
		err = time_record(&r, &e->mtime);
	if (err == 0 && e->records_size > 0)
		err = records_reserve(&r, e->records_size);
	if (err == 0 && e->records_size > 0) {
		memcpy(r.text + r.size, e->records, e->records_size);
		r.size += e->records_size;
	}
	if (err == 0 && r.size > 0)
		err = put_pax(s, &r);
	free(r.text);
	return err < 0 ? err : put_header(s, e);
}

int tar_file_put(struct sink *s, const char *path, const void *bytes, size_t size)
{
	const struct tar_entry e = {
		.path = path, .type = bytes ? '0' : '5', .mode = bytes ? 0644 : 0755, .size = size};
	int r = tar_entry_put(s, &e);

	if (r == 0)
		r = sink_put(s, bytes, size);
	return r < 0 ? r : sink_pad(s);
}

int tar_end_put(struct sink *s)
{
	static const char zeros[2 * TAR_BLOCK];

	return sink_put(s, zeros, sizeof(zeros));
}
