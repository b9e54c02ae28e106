// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/host/estate.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/wire/version.h"

#define ALIGN UINT64_C(64)

/* In front of the two halves of a row: which of them is the row. */
enum half { HALF_NONE, HALF_FIRST, HALF_SECOND };

/* At the beginning of the memory: it says whether another build may read the rest. */
#define MAGIC UINT64_C(0x7365746174736562)
struct estate_head {
	uint64_t magic, records, layout;
};

struct estate {
	struct estate_rows rows[ESTATE_KIND_COUNT];
	size_t at[ESTATE_KIND_COUNT]; /* where its first row begins */
	size_t meters_at, size;
	int fd;
	unsigned char *base; /* head, words, rows, meters */
};

static size_t aligned(size_t size)
{
	return (size + ALIGN - 1) & ~(ALIGN - 1);
}

static size_t stride(const struct estate_rows *rows)
{
	return ALIGN + 2 * aligned(rows->size);
}

#define WORDS_AT aligned(sizeof(struct estate_head))

/* Rows of other sizes are rows of another build, also if somebody forgot to raise its number. */
static struct estate_head head_of(const struct estate *e)
{
	uint64_t sizes[2 * ESTATE_KIND_COUNT + 3] = {e->size, sizeof(struct estate_words),
						     wire_layout()};

	for (size_t k = 0; k < ESTATE_KIND_COUNT; k++) {
		sizes[2 * k + 3] = e->rows[k].count;
		sizes[2 * k + 4] = e->rows[k].size;
	}
	return (struct estate_head){.magic = MAGIC,
				    .records = RECORDS_VERSION,
				    .layout = text_hash(sizes, sizeof(sizes))};
}

/* Without its memory. */
static struct estate *plan(const struct estate_rows rows[ESTATE_KIND_COUNT], size_t meters_size)
{
	struct estate *e = calloc(1, sizeof(*e));
	size_t at = WORDS_AT + aligned(sizeof(struct estate_words));

	if (!e)
		return NULL;
	e->fd = -1;
	for (size_t k = 0; k < ESTATE_KIND_COUNT; k++) {
		must(rows[k].size > 0 && rows[k].count > 0);
		e->rows[k] = rows[k];
		e->at[k] = at;
		at += rows[k].count * stride(&rows[k]);
	}
	e->meters_at = at;
	e->size = at + meters_size;
	return e;
}

/* Pages come when they are written to; most rows never are. */
static int map(struct estate *e)
{
	void *base =
		mmap(NULL, e->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, e->fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	e->base = base;
	return 0;
}

int estate_new(const struct estate_rows rows[ESTATE_KIND_COUNT], size_t meters_size,
	       struct estate **out)
{
	struct estate *e = plan(rows, meters_size);
	int r;

	if (!e)
		return -ENOMEM;
	e->fd = memfd_create("ebb-estate", MFD_CLOEXEC);
	r = e->fd < 0 || ftruncate(e->fd, (off_t)e->size) < 0 ? -errno : map(e);
	if (r < 0) {
		estate_free(e);
		return r;
	}
	*(struct estate_head *)(void *)e->base = head_of(e);
	atomic_store(&estate_words(e)->lock_fd, -1);
	atomic_store(&estate_words(e)->log_fd, -1);
	atomic_store(&estate_words(e)->next_fd, -1);
	atomic_store(&estate_words(e)->before_fd, -1);
	*out = e;
	return 0;
}

/* The file is not mapped before it is known to be long enough. */
static int check(const struct estate *e)
{
	struct estate_head head, ours = head_of(e);
	struct stat st;

	if (fstat(e->fd, &st) < 0)
		return -errno;
	if ((size_t)st.st_size != e->size ||
	    pread(e->fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
		return -EPROTO;
	return memcmp(&head, &ours, sizeof(head)) == 0 ? 0 : -EPROTO;
}

int estate_open(int fd, const struct estate_rows rows[ESTATE_KIND_COUNT], size_t meters_size,
		struct estate **out)
{
	struct estate *e = plan(rows, meters_size);
	int r;

	if (!e)
		return -ENOMEM;
	e->fd = fd;
	r = check(e);
	if (r == 0)
		r = map(e);
	if (r < 0) {
		e->fd = -1;
		estate_free(e);
		return r;
	}
	*out = e;
	return 0;
}

int estate_memory(const struct estate *e)
{
	return e->fd;
}

void estate_free(struct estate *e)
{
	if (!e)
		return;
	if (e->base)
		munmap(e->base, e->size);
	fd_close(&e->fd);
	free(e);
}

int estate_hide(struct estate *e)
{
	return madvise(e->base, e->size, MADV_DONTFORK) < 0 ? -errno : 0;
}

struct estate_words *estate_words(struct estate *e)
{
	return (struct estate_words *)(void *)(e->base + WORDS_AT);
}

void *estate_meters(struct estate *e)
{
	return e->base + e->meters_at;
}

static unsigned char *row_at(const struct estate *e, enum estate_kind kind, uint32_t index)
{
	must(kind < ESTATE_KIND_COUNT && index < e->rows[kind].count);
	return e->base + e->at[kind] + index * stride(&e->rows[kind]);
}

static _Atomic uint32_t *half_of(unsigned char *row)
{
	return (_Atomic uint32_t *)(void *)row;
}

static unsigned char *copy_at(const struct estate *e, enum estate_kind kind, unsigned char *row,
			      enum half half)
{
	must(half == HALF_FIRST || half == HALF_SECOND);
	return row + ALIGN + (half == HALF_SECOND ? aligned(e->rows[kind].size) : 0);
}

uint32_t estate_count(const struct estate *e, enum estate_kind kind)
{
	return e->rows[kind].count;
}

const void *estate_read(const struct estate *e, enum estate_kind kind, uint32_t index)
{
	unsigned char *row = row_at(e, kind, index);
	uint32_t half = atomic_load_explicit(half_of(row), memory_order_acquire);

	return half == HALF_NONE ? NULL : copy_at(e, kind, row, (enum half)half);
}

void estate_write(struct estate *e, enum estate_kind kind, uint32_t index, const void *content)
{
	unsigned char *row = row_at(e, kind, index);
	enum half next = atomic_load(half_of(row)) == HALF_FIRST ? HALF_SECOND : HALF_FIRST;

	memcpy(copy_at(e, kind, row, next), content, e->rows[kind].size);
	atomic_store_explicit(half_of(row), next, memory_order_release);
}

void estate_clear(struct estate *e, enum estate_kind kind, uint32_t index)
{
	atomic_store_explicit(half_of(row_at(e, kind, index)), HALF_NONE, memory_order_release);
}

int estate_find_free(const struct estate *e, enum estate_kind kind)
{
	for (uint32_t i = 0; i < e->rows[kind].count; i++)
		if (!estate_read(e, kind, i))
			return (int)i;
	return -ENOSPC;
}

void estate_clear_all(struct estate *e)
{
	struct estate_words *w = estate_words(e);

	for (uint32_t k = 0; k < ESTATE_KIND_COUNT; k++)
		for (uint32_t i = 0; i < e->rows[k].count; i++)
			if (estate_read(e, (enum estate_kind)k, i))
				estate_clear(e, (enum estate_kind)k, i);
	atomic_store(&w->settled, 0);
	atomic_store(&w->sites, 0);
	atomic_store(&w->draining, 0);
	atomic_store(&w->reloads_done, atomic_load(&w->reloads_asked));
	atomic_store(&w->upgrades_done, atomic_load(&w->upgrades_asked));
}

/* ---- descriptors ---- */

struct estate_fd estate_fd_of(int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return (struct estate_fd){.fd = -1};
	return (struct estate_fd){.fd = fd, .inode = (uint64_t)st.st_ino};
}

int estate_fd_get(const struct estate_fd *known)
{
	struct estate_fd now = estate_fd_of(known->fd);

	return now.fd >= 0 && now.inode == known->inode ? known->fd : -1;
}

static const struct estate_file *file_at(const struct estate *e, uint32_t index)
{
	return estate_read(e, ESTATE_FILES, index);
}

static int find_file(const struct estate *e, const char *name)
{
	for (uint32_t i = 0; i < e->rows[ESTATE_FILES].count; i++)
		if (file_at(e, i) && strcmp(file_at(e, i)->name, name) == 0)
			return (int)i;
	return -ENOENT;
}

int estate_keep_file(struct estate *e, const char *name, int fd)
{
	struct estate_file row = {.file = estate_fd_of(fd)};
	int index = find_file(e, name);

	must(fd >= 0);
	if (index < 0)
		index = estate_find_free(e, ESTATE_FILES);
	if (index < 0 || text_copy(row.name, sizeof(row.name), name) < 0)
		return -ENOSPC;
	estate_write(e, ESTATE_FILES, (uint32_t)index, &row);
	return 0;
}

int estate_file(const struct estate *e, const char *name)
{
	int index = find_file(e, name);

	return index < 0 ? -1 : estate_fd_get(&file_at(e, (uint32_t)index)->file);
}

void estate_drop_file(struct estate *e, const char *name)
{
	int index = find_file(e, name);

	if (index >= 0)
		estate_clear(e, ESTATE_FILES, (uint32_t)index);
}

void estate_drop_fd(struct estate *e, int fd)
{
	for (uint32_t i = 0; i < e->rows[ESTATE_FILES].count; i++)
		if (file_at(e, i) && file_at(e, i)->file.fd == fd)
			estate_clear(e, ESTATE_FILES, i);
}

void estate_close_files(struct estate *e, bool (*wanted)(void *self, const char *name, int fd),
			void *self)
{
	for (uint32_t i = 0; i < e->rows[ESTATE_FILES].count; i++) {
		int fd = file_at(e, i) ? estate_fd_get(&file_at(e, i)->file) : -1;

		if (!file_at(e, i) || wanted(self, file_at(e, i)->name, fd))
			continue;
		estate_clear(e, ESTATE_FILES, i);
		fd_close(&fd);
	}
}

void estate_each_file(const struct estate *e, void (*fn)(void *ctx, int fd), void *ctx)
{
	for (uint32_t i = 0; i < e->rows[ESTATE_FILES].count; i++)
		if (file_at(e, i))
			fn(ctx, estate_fd_get(&file_at(e, i)->file));
}

/* ---- which of them are kept ---- */

int estate_set_new(struct estate_set *set)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	set->count = files.rlim_cur;
	set->bits = calloc(1, set->count / 8 + 1);
	return set->bits ? 0 : -ENOMEM;
}

void estate_set_free(struct estate_set *set)
{
	free(set->bits);
	set->bits = NULL;
}

void estate_set_add(void *self, int fd)
{
	struct estate_set *set = self;

	if (fd >= 0 && (size_t)fd < set->count)
		set->bits[fd / 8] |= (uint8_t)(1u << (fd % 8));
}

void estate_set_remove(void *self, int fd)
{
	struct estate_set *set = self;

	if (fd >= 0 && (size_t)fd < set->count)
		set->bits[fd / 8] &= (uint8_t) ~(1u << (fd % 8));
}

static bool set_has(const struct estate_set *set, int fd)
{
	return fd >= 0 && (size_t)fd < set->count && set->bits[fd / 8] & 1u << (fd % 8);
}

/* Each descriptor above 2, but that of the walk. */
static int each_open(void (*fn)(const struct estate_set *set, int fd), const struct estate_set *set)
{
	DIR *list = opendir("/proc/self/fd");
	const struct dirent *entry;
	int r;

	if (!list)
		return -errno;
	while ((r = fd_next_entry(list, &entry)) == 1) {
		uint64_t number;

		if (text_parse_u64(entry->d_name, STDERR_FILENO + 1, INT32_MAX, &number) == 0 &&
		    (int)number != dirfd(list))
			fn(set, (int)number);
	}
	closedir(list);
	return r;
}

static void add_one(const struct estate_set *set, int fd)
{
	estate_set_add((void *)(uintptr_t)set, fd);
}

int estate_set_open(struct estate_set *set)
{
	return each_open(add_one, set);
}

static void close_other(const struct estate_set *keep, int fd)
{
	if (!set_has(keep, fd))
		fd_close(&fd);
}

int estate_sweep(const struct estate_set *keep)
{
	return each_open(close_other, keep);
}
