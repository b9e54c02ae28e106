// SPDX-License-Identifier: Apache-2.0
/* A piece of the store: whether it is there, and how its file is mounted. */
#include "images/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/xattr.h>

#include "runtime/base/fd.h"
#include "runtime/base/text.h"

bool store_has_piece(const struct image_store *s, const char *hex, uint64_t *bytes)
{
	char file[LAYER_NAME_SIZE + sizeof(EROFS_SUFFIX)];
	SCOPED_FD fd = -1;

	(void)text_format(file, sizeof(file), "%s" EROFS_SUFFIX, hex);
	fd = openat(s->pieces_fd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		fd = openat(s->pieces_fd, hex, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (fgetxattr(fd, BYTES_XATTR, bytes, sizeof(*bytes)) != sizeof(*bytes))
		*bytes = 0;
	return true;
}

int layer_mount_file(const char *file, const char *where)
{
	const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV;

	/* Without "directio" the kernel caches the erofs file beside the files in it, which takes
	 * twice the memory. */
	if (mount(file, where, "erofs", flags, "directio") == 0)
		return 0;
	if (errno == EINVAL && mount(file, where, "erofs", flags, NULL) == 0)
		return 0;
	return -errno;
}
