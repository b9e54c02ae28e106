// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/host/secret_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/text.h"

#define PATH_SIZE (CONFIG_PATH_SIZE + 64)

/* Reads exactly one key. */
static int read_key(int fd, const char *path, uint8_t *key, struct fault *f)
{
	uint8_t bytes[SECRET_KEY_BYTES + 1];
	ssize_t n = fd_read_all(fd, bytes, sizeof(bytes));
	int r = 0;

	if (n < 0)
		r = fault_errno(f, (int)n, "the key of secrets, %s, cannot be read", path);
	else if (n != SECRET_KEY_BYTES)
		r = fault_say(f, -EINVAL, "the key of secrets, %s, has not exactly %d bytes", path,
			      SECRET_KEY_BYTES);
	else
		memcpy(key, bytes, SECRET_KEY_BYTES);
	explicit_bzero(bytes, sizeof(bytes));
	if (r < 0)
		fault_mend(f, "put the right one there and restart ebbd");
	return r;
}

/* A file that others could have read, or written, is no key. */
static int check_owner(int fd, const char *path, struct fault *f)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    !(st.st_mode & 077))
		return 0;
	(void)fault_say(f, -EPERM, "the key of secrets, %s, is not a file of its owner only", path);
	fault_mend(f, "chown root and chmod 600, and restart ebbd");
	return -EPERM;
}

/* 1: there is no credential. */
static int from_credential(uint8_t *key, struct fault *f)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_SIZE];
	SCOPED_FD fd = -1;

	if (!dir || text_format(path, sizeof(path), "%s/" SECRET_KEY_CREDENTIAL, dir) < 0)
		return 1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT
			       ? 1
			       : fault_errno(f, -errno, "the credential %s cannot be read", path);
	return read_key(fd, path, key, f);
}

static int write_key(const char *path, const uint8_t *key)
{
	char fresh[PATH_SIZE + 8];
	SCOPED_FD fd = -1;
	int r;

	if (text_format(fresh, sizeof(fresh), "%s.new", path) < 0)
		return -ENAMETOOLONG;
	(void)unlink(fresh); /* of a start that broke off */
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, key, SECRET_KEY_BYTES);
	if (r == 0 && (fsync(fd) < 0 || rename(fresh, path) < 0))
		r = -errno;
	if (r < 0)
		(void)unlink(fresh);
	return r;
}

/* The name is durable only with its directory. */
static int sync_directory_of(const char *path)
{
	char dir[PATH_SIZE];
	char *slash;
	SCOPED_FD fd = -1;

	(void)text_copy(dir, sizeof(dir), path);
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	fd = open(*dir ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int make_key(const char *path, uint8_t *key, struct fault *f)
{
	uint8_t fresh[SECRET_KEY_BYTES];
	int r = getrandom(fresh, sizeof(fresh), 0) == sizeof(fresh) ? 0 : -EIO;

	if (r == 0)
		r = write_key(path, fresh);
	if (r == 0)
		r = sync_directory_of(path);
	if (r == 0)
		memcpy(key, fresh, sizeof(fresh));
	explicit_bzero(fresh, sizeof(fresh));
	if (r == 0)
		return 0;
	(void)fault_errno(f, r, "the key of secrets, %s, cannot be made", path);
	fault_mend(f, "make room or the directory, and restart ebbd");
	return r;
}

int secret_key_load(const struct config *c, uint8_t key[SECRET_KEY_BYTES], struct fault *f)
{
	char stored[PATH_SIZE];
	SCOPED_FD fd = -1;
	int r = from_credential(key, f);

	if (r <= 0)
		return r;
	fd = open(c->secret_key, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0) {
		r = check_owner(fd, c->secret_key, f);
		return r < 0 ? r : read_key(fd, c->secret_key, key, f);
	}
	if (errno != ENOENT)
		return fault_errno(f, -errno, "the key of secrets, %s, cannot be opened",
				   c->secret_key);
	(void)text_format(stored, sizeof(stored), "%s/secrets", c->state_dir);
	if (faccessat(AT_FDCWD, stored, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return make_key(c->secret_key, key, f);
	(void)fault_say(f, -ENOKEY, "the key of secrets, %s, is missing", c->secret_key);
	fault_mend(f,
		   "put it back and restart ebbd; if it is lost, remove %.64s%s and set all anew",
		   strlen(stored) > 64 ? "STATE/secrets" : stored,
		   strlen(stored) > 64 ? " (of state_dir)" : "");
	return -ENOKEY;
}
