// SPDX-License-Identifier: Apache-2.0
#include "runtime/sql/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "runtime/base/container_of.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

struct shm {
	sqlite3_io_methods methods; /* SQLite's, but for xShmMap */
	const sqlite3_io_methods *own;
	int fd; /* or -1; kept open, see shm_free */
	char path[4096];
};

static int allocate(struct shm *shm, off_t from, off_t size)
{
	if (shm->fd < 0)
		shm->fd = open(shm->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (shm->fd < 0)
		return SQLITE_CANTOPEN;
	if (fallocate(shm->fd, 0, from, size) == 0 || errno == EOPNOTSUPP)
		return SQLITE_OK;
	return errno == ENOSPC || errno == EDQUOT ? SQLITE_FULL : SQLITE_IOERR_SHMSIZE;
}

static int map_region(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
	const struct shm *found = container_of(file->pMethods, const struct shm, methods);
	struct shm *shm = (struct shm *)(uintptr_t)found;
	int rc;

	errno = 0;
	rc = shm->own->xShmMap(file, region, size, extend, out);
	if (rc == SQLITE_IOERR_SHMSIZE && errno == ENOSPC)
		return SQLITE_FULL;
	if (rc != SQLITE_OK || !*out)
		return rc;
	return allocate(shm, (off_t)region * size, size);
}

int shm_guard(struct sqlite3 *sql, struct shm **out)
{
	struct shm *shm = calloc(1, sizeof(*shm));
	sqlite3_file *file = NULL;

	if (!shm)
		return -ENOMEM;
	shm->fd = -1;
	if (sqlite3_file_control(sql, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
	    !file || !file->pMethods || file->pMethods->iVersion < 2 ||
	    text_format(shm->path, sizeof(shm->path), "%s-shm", sqlite3_db_filename(sql, "main")) <
		    0) {
		free(shm);
		return -ENOTSUP;
	}
	shm->own = file->pMethods;
	shm->methods = *file->pMethods;
	shm->methods.xShmMap = map_region;
	file->pMethods = &shm->methods;
	*out = shm;
	return 0;
}

void shm_free(struct shm *shm)
{
	if (!shm)
		return;
	fd_close(&shm->fd);
	free(shm);
}
