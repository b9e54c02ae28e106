// SPDX-License-Identifier: Apache-2.0
#include "sandbox/fill.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "sandbox/sandbox.h"

static const char localhost[] = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

/* Looks at /etc of one layer. 1 and *st if it is a directory, 0 if the layer has none, -EEXIST if
 * it is a file of another kind. */
static int etc_of(int layer_fd, struct stat *st)
{
	struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					  RESOLVE_NO_MAGICLINKS};
	SCOPED_FD fd = (int)syscall(SYS_openat2, layer_fd, "etc", &how, sizeof(how));

	if (fd < 0)
		return errno == ENOENT ? 0 : -EEXIST;
	return fstat(fd, st) == 0 && S_ISDIR(st->st_mode) ? 1 : -EEXIST;
}

/* Finds /etc. The uppermost layer that has an /etc decides, as in the overlay. */
static int find_etc(const int *layer_fds, size_t layer_count, struct stat *st)
{
	for (size_t i = layer_count; i > 0; i--) {
		int r = etc_of(layer_fds[i - 1], st);

		if (r != 0)
			return r;
	}
	*st = (struct stat){.st_mode = 0755};
	return 0;
}

static int put_file(int etc_fd, const char *name, const char *text, uint32_t id_first)
{
	SCOPED_FD fd = openat(etc_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0 || fchown(fd, id_first, id_first) < 0)
		return -errno;
	return fd_write_all(fd, text, strlen(text));
}

static int put_names(int etc_fd, const char *host_name, const struct sandbox_names *names,
		     uint32_t id_first)
{
	char text[512];
	int r = text_format(text, sizeof(text), "%s127.0.0.1\t%s\n%s", localhost, host_name,
			    names ? names->hosts : "");

	if (r == 0)
		r = put_file(etc_fd, "hosts", text, id_first);
	if (r == 0 && names && *names->resolver)
		r = put_file(etc_fd, "resolv.conf", names->resolver, id_first);
	if (r == 0)
		r = text_format(text, sizeof(text), "%s\n", host_name);
	return r < 0 ? r : put_file(etc_fd, "hostname", text, id_first);
}

int fill_upper(int scratch_fd, const int *layer_fds, size_t layer_count, uint32_t id_first,
	       const char *host_name, const struct sandbox_names *names)
{
	SCOPED_FD etc_fd = -1;
	struct stat st;
	int known = find_etc(layer_fds, layer_count, &st), r;

	must(id_first >= 65536 && *host_name); /* never an id of the host */
	if (known < 0)
		return 0;
	if (mkdirat(scratch_fd, "u/etc", 0755) < 0)
		return -errno;
	etc_fd = openat(scratch_fd, "u/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (etc_fd < 0)
		return -errno;
	r = put_names(etc_fd, host_name, names, id_first);
	if (r < 0)
		return r;
	/* st has the ids of the image, because the layer has no id map here. */
	if (fchown(etc_fd, id_first + (st.st_uid & 0xffff), id_first + (st.st_gid & 0xffff)) < 0 ||
	    fchmod(etc_fd, st.st_mode & 07777) < 0)
		return -errno;
	if (known && futimens(etc_fd, (struct timespec[]){st.st_atim, st.st_mtim}) < 0)
		return -errno;
	return 0;
}
