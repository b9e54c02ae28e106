// SPDX-License-Identifier: Apache-2.0
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "accept.h"
#include "path.h"

#define KNOWN_SETS      256
#define KNOWN_WAYS      2
#define HASHED_MAX      (UINT64_C(64) << 20)
#define OPEN_TRIES      8
#define STEADY_S        2 /* times of files go in steps: within one, a change does not show */
#define NAME_ROOM_BYTES (PATH_BYTES + 16)

/* The facts that were found out about a file. Files of an image do not change, so this holds for as
 * long as the kernel says the same of the file. */
struct known {
	uint64_t dev, ino, size;
	int64_t mtime_s, mtime_ns, ctime_s, ctime_ns;
	uint64_t hash;
	unsigned int codings;
	bool has_hash, has_codings;
};

static struct known *known_of(const struct stat *st, int64_t now_s)
{
	static struct known table[KNOWN_SETS][KNOWN_WAYS];
	static unsigned int next_way;
	uint64_t mix =
		((uint64_t)st->st_ino ^ (uint64_t)st->st_dev << 32) * UINT64_C(0x9e3779b97f4a7c15);
	struct known *set = table[mix >> 56], *k;
	struct known wanted = {.dev = (uint64_t)st->st_dev,
			       .ino = (uint64_t)st->st_ino,
			       .size = (uint64_t)st->st_size,
			       .mtime_s = st->st_mtim.tv_sec,
			       .mtime_ns = st->st_mtim.tv_nsec,
			       .ctime_s = st->st_ctim.tv_sec,
			       .ctime_ns = st->st_ctim.tv_nsec};

	for (k = set; k < set + KNOWN_WAYS; k++)
		if (memcmp(k, &wanted, offsetof(struct known, hash)) == 0) {
			k->has_hash = k->has_hash && now_s - wanted.ctime_s >= STEADY_S;
			return k;
		}
	k = &set[next_way++ % KNOWN_WAYS];
	*k = wanted;
	return k;
}

/* ---- opening ---- */

static int open_beneath(int root_fd, const char *name)
{
	struct open_how how = {.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	int tries = OPEN_TRIES;
	long fd;

	/* EAGAIN: something was renamed meanwhile, and the kernel could not tell where it is. */
	do
		fd = syscall(SYS_openat2, root_fd, *name ? name : ".", &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN) && --tries > 0);
	return fd < 0 ? -errno : (int)fd;
}

int root_open(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), probe;

	if (fd < 0)
		return -errno;
	probe = open_beneath(fd, "");
	if (probe < 0) {
		close(fd);
		return probe;
	}
	close(probe);
	return fd;
}

/* Errors that mean that there is no such file for a client. */
static int absent(int err)
{
	static const int same[] = {-ENOTDIR, -ELOOP, -ENAMETOOLONG, -EXDEV,
				   -EACCES,  -ENXIO, -EISDIR};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (err == same[i])
			return -ENOENT;
	return err;
}

/* ---- entity tags ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_block(uint64_t hash, const unsigned char *data, size_t size)
{
	uint64_t a, b;

	for (; size >= 16; data += 16, size -= 16) {
		memcpy(&a, data, 8);
		memcpy(&b, data + 8, 8);
		hash = mix(hash ^ a ^ UINT64_C(0xa0761d6478bd642f),
			   b ^ UINT64_C(0xe7037ed1a0b428db));
	}
	a = b = 0;
	memcpy(&a, data, size < 8 ? size : 8);
	if (size > 8)
		memcpy(&b, data + 8, size - 8);
	return size ? mix(hash ^ a ^ UINT64_C(0x8ebc6af09c88c6e3), b ^ UINT64_C(0x589965cc75374cc3))
		    : hash;
}

/* A hash of the content: builds that set all times to one date must not make old content look like
 * new content. */
static bool hash_file(int fd, uint64_t size, uint64_t *out)
{
	static unsigned char block[65536];
	uint64_t hash = mix(size ^ UINT64_C(0x1d8e4e27c47d124f), UINT64_C(0x9e3779b97f4a7c15));

	for (uint64_t at = 0; at < size;) {
		ssize_t n = pread(fd, block, sizeof(block), (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		hash = hash_block(hash, block, (size_t)n);
		at += (uint64_t)n;
	}
	*out = hash;
	return true;
}

/* The tag of a file that is too large to be read for it is its time and size. */
static void write_tag(struct file *file, struct known *k)
{
	if (!k->has_hash && file->size <= HASHED_MAX)
		k->has_hash = hash_file(file->fd, file->size, &k->hash);
	if (k->has_hash)
		snprintf(file->tag, TAG_BYTES, "\"%016" PRIx64 "\"", k->hash);
	else
		snprintf(file->tag, TAG_BYTES, "\"%" PRIx64 "-%" PRIx64 "\"",
			 (uint64_t)k->mtime_s * 1000000000 + (uint64_t)k->mtime_ns, file->size);
}

/* ---- files ---- */

static bool join(char *out, const char *name, const char *suffix)
{
	int n = snprintf(out, NAME_ROOM_BYTES, "%s%s", name, suffix);

	return n >= 0 && n < NAME_ROOM_BYTES;
}

static bool is_there(int root_fd, const char *name)
{
	int fd = open_beneath(root_fd, name);
	struct stat st;
	bool is = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);

	if (fd >= 0)
		close(fd);
	return is;
}

static unsigned int find_codings(int root_fd, const char *name)
{
	char sibling[NAME_ROOM_BYTES];
	unsigned int found = 0;

	for (int c = 0; c < CODING_COUNT; c++)
		if (join(sibling, name, coding_suffix((enum coding)c)) &&
		    is_there(root_fd, sibling))
			found |= 1u << c;
	return found;
}

/* Opens a regular file. -EISDIR for a directory. */
static int open_file(int root_fd, const char *name, bool siblings, struct file *out)
{
	struct file file = {.fd = open_beneath(root_fd, name)};
	struct known *k;
	struct stat st;
	int64_t now_s = time(NULL);

	if (file.fd < 0)
		return file.fd;
	if (fstat(file.fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(file.fd);
		return S_ISDIR(st.st_mode) ? -EISDIR : -ENOENT;
	}
	file.size = (uint64_t)st.st_size;
	file.changed_s = st.st_mtim.tv_sec < now_s ? st.st_mtim.tv_sec : now_s;
	k = known_of(&st, now_s);
	write_tag(&file, k);
	if (siblings && !k->has_codings) {
		k->codings = find_codings(root_fd, name);
		k->has_codings = true;
	}
	file.codings = siblings ? k->codings : 0;
	*out = file;
	return 0;
}

int file_open(int root_fd, const char *name, const char *suffix, struct file *out)
{
	char path[NAME_ROOM_BYTES];

	if (!join(path, name, suffix))
		return -ENOENT;
	return absent(open_file(root_fd, path, !*suffix, out));
}

static int try_file(int root_fd, const char *name, const char *suffix, struct file *out,
		    char *found)
{
	char path[NAME_ROOM_BYTES];
	int r = -ENOENT;

	if (join(path, name, suffix) && strlen(path) < PATH_BYTES)
		r = absent(open_file(root_fd, path, true, out));
	if (r == 0)
		memcpy(found, path, strlen(path) + 1);
	return r;
}

int file_find(int root_fd, const char *name, bool slash, bool clean, struct file *out, char *found)
{
	const char *index = *name ? "/index.html" : "index.html";
	const char *suffixes[] = {"", ".html", index};
	const bool tried[] = {!slash && *name, clean && *name, true};
	const int order[2][3] = {{0, 1, 2}, {2, 1, 0}};
	int r = -ENOENT;

	for (int i = 0; i < 3 && r == -ENOENT; i++) {
		int which = order[slash][i];

		if (tried[which])
			r = try_file(root_fd, name, suffixes[which], out, found);
	}
	return r;
}
