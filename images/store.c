// SPDX-License-Identifier: Apache-2.0
#include "images/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "images/child.h"
#include "images/jail.h"
#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define PROBE_MS_MAX 10000
#define PROBE_UUID   "00000000-0000-0000-0000-000000000000"
#define MKFS_CAPS    (1u << CAP_DAC_READ_SEARCH) /* an image's files may be closed to its own root */

FILTER_EMBED(mkfs_policy, "images/mkfs.policy");

static const char *const mkfs_paths[] = {
	"/usr/bin/mkfs.erofs",
	"/usr/sbin/mkfs.erofs",
	"/sbin/mkfs.erofs",
	"/usr/local/bin/mkfs.erofs",
};

static const struct image_limits limits_default = {
	.bytes_max = (uint64_t)16 << 30,
	.file_bytes_max = (uint64_t)8 << 30,
	.entries_max = 2000000,
	.step_ms = 600000,
};

int store_spawn_mkfs(struct image_store *s, int dir_fd, const char *name, const char *uuid,
		     int output_fd, int *out_pid_fd)
{
	char uuid_option[48], from[64], to[64];
	/* mkfs.erofs keeps the times of files: Python uses a .pyc file only if the source has the
	 * time that the .pyc file names. */
	char *const argv[] = {"mkfs.erofs", "-zlz4hc", "--quiet", uuid_option, to, from, NULL};
	const struct jail_command c = {
		.exe_fd = s->mkfs_fd,
		.argv = argv,
		.dir_fd = dir_fd,
		.control_fd = -1,
		.output_fd = output_fd,
		.user_ns_fd = s->user_ns_fd,
		.caps = MKFS_CAPS,
		.filter = &s->mkfs_filter,
		.mount_point = s->jail_dir,
	};

	(void)text_format(uuid_option, sizeof(uuid_option), "-U%s", uuid);
	if (text_format(from, sizeof(from), "/work/%s", name) < 0 ||
	    text_format(to, sizeof(to), "/work/%s" EROFS_SUFFIX, name) < 0)
		return -ENAMETOOLONG;
	return jail_spawn(&c, out_pid_fd);
}

/* ---- opening ---- */

static int open_dir(int dir_fd, const char *name, int *out_fd)
{
	int fd;

	if (mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*out_fd = fd;
	return 0;
}

static int open_dirs(struct image_store *s)
{
	SCOPED_FD dir_fd = -1;
	SCOPED_FD jail_fd = -1;
	int r = fd_mkdir_p(AT_FDCWD, s->dir, 0700);

	if (r < 0)
		return r;
	dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Set-uid files of images lie here and belong to the host's uid 0, so only root may reach
	 * them. */
	if (dir_fd < 0 || fchmod(dir_fd, 0700) < 0)
		return -errno;
	r = open_dir(dir_fd, "pieces", &s->pieces_fd);
	if (r == 0)
		r = open_dir(dir_fd, "layers", &s->layers_fd);
	if (r == 0)
		r = open_dir(dir_fd, "mnt", &s->mnt_fd);
	if (r == 0)
		r = open_dir(dir_fd, "staging", &s->staging_fd);
	if (r == 0)
		r = open_dir(dir_fd, "jail", &jail_fd);
	if (r == 0)
		r = text_format(s->jail_dir, sizeof(s->jail_dir), "%s/jail", s->dir);
	return r;
}

/* Calls each(s, name) for every entry of a directory. */
static void for_entries(struct image_store *s, int dir_fd,
			void (*each)(struct image_store *s, const char *name))
{
	int list_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = list_fd < 0 ? NULL : fdopendir(list_fd);
	const struct dirent *entry;

	if (!list) {
		fd_close(&list_fd);
		return;
	}
	while (fd_next_entry(list, &entry) == 1) /* the rest stays until the next start */
		if (entry->d_name[0] != '.')
			each(s, entry->d_name);
	closedir(list);
}

static void drop_staging(struct image_store *s, const char *name)
{
	(void)fd_rmtree_at(s->staging_fd, name);
}

static void drop_mount(struct image_store *s, const char *name)
{
	char where[STORE_PATH_SIZE];

	if (text_format(where, sizeof(where), "%s/mnt/%s", s->dir, name) < 0)
		return;
	(void)umount2(where, MNT_DETACH | UMOUNT_NOFOLLOW);
	(void)unlinkat(s->mnt_fd, name, AT_REMOVEDIR);
}

/* ---- erofs or not ---- */

static int wait_probe(int *pid_fd)
{
	struct pollfd p = {.fd = *pid_fd, .events = POLLIN};
	int status = -1;

	if (poll(&p, 1, PROBE_MS_MAX) == 1 && child_reap(*pid_fd, &status) == 1)
		fd_close(pid_fd);
	else
		child_kill(pid_fd);
	return status;
}

/* Whether erofs works: mkfs.erofs makes a file of an empty directory, which is mounted as layers
 * are. */
static bool probe_erofs(struct image_store *s)
{
	char file[STORE_PATH_SIZE], where[STORE_PATH_SIZE];
	SCOPED_FD probe_fd = -1;
	SCOPED_FD output_fd = memfd_create("mkfs", MFD_CLOEXEC);
	int pid_fd = -1;
	bool works = false;

	if (s->mkfs_fd < 0 || open_dir(s->staging_fd, "probe", &probe_fd) < 0)
		return false;
	(void)text_format(file, sizeof(file), "%s/staging/probe/0" EROFS_SUFFIX, s->dir);
	(void)text_format(where, sizeof(where), "%s/staging/probe/0", s->dir);
	if (mkdirat(probe_fd, "0", 0755) == 0 &&
	    store_spawn_mkfs(s, probe_fd, "0", PROBE_UUID, output_fd, &pid_fd) == 0 &&
	    wait_probe(&pid_fd) == 0 && layer_mount_file(file, where) == 0)
		works = umount2(where, MNT_DETACH) == 0;
	(void)fd_rmtree_at(s->staging_fd, "probe");
	return works;
}

static int find_mkfs(void)
{
	for (size_t i = 0; i < ARRAY_LEN(mkfs_paths); i++) {
		int fd = open(mkfs_paths[i], O_PATH | O_CLOEXEC);

		if (fd >= 0)
			return fd;
	}
	return -1;
}

/* Chooses the form of new layers: erofs files or plain directories. */
static int choose_form(struct image_store *s, struct fault *f)
{
	const char *no_erofs = getenv("EBB_NO_EROFS");
	char why[256];
	int r = filter_compile(mkfs_policy_start, (size_t)(mkfs_policy_end - mkfs_policy_start),
			       &s->mkfs_filter, why, sizeof(why));

	if (r < 0)
		return fault_say(f, r, "seccomp policy of mkfs.erofs, %s", why);
	if (no_erofs && strcmp(no_erofs, "1") == 0)
		return 0;
	s->mkfs_fd = find_mkfs();
	s->erofs = probe_erofs(s);
	return 0;
}

/* Opens all parts of the store; the form of layers is chosen afterwards. */
static int open_all(struct image_store *s, const char *dir_path, const char *unpack_path,
		    struct fault *f)
{
	int r = text_copy(s->dir, sizeof(s->dir), dir_path);

	if (r == 0)
		r = open_dirs(s);
	if (r < 0)
		return fault_errno(f, r, "image store %s", dir_path);
	for_entries(s, s->staging_fd, drop_staging);
	for_entries(s, s->mnt_fd, drop_mount);
	s->unpack_fd = open(unpack_path, O_PATH | O_CLOEXEC);
	if (s->unpack_fd < 0)
		return fault_errno(f, -errno, "unpacker %s", unpack_path);
	r = jail_user_ns(s->id_base, &s->user_ns_fd);
	return r < 0 ? fault_errno(f, r, "user namespace of the unpackers of %s", dir_path) : 0;
}

int image_store_open(const char *dir_path, const char *unpack_path, uint32_t id_base,
		     struct image_store **out, struct fault *f)
{
	struct image_store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return fault_errno(f, -ENOMEM, "image store %s", dir_path);
	s->pieces_fd = s->layers_fd = s->mnt_fd = s->staging_fd = -1;
	s->unpack_fd = s->mkfs_fd = s->user_ns_fd = -1;
	s->limits = limits_default;
	s->id_base = id_base;
	r = open_all(s, dir_path, unpack_path, f);
	if (r == 0)
		r = choose_form(s, f);
	if (r < 0) {
		image_store_close(s);
		return r;
	}
	*out = s;
	return 0;
}

void image_store_close(struct image_store *s)
{
	if (!s)
		return;
	if (s->mnt_fd >= 0)
		for_entries(s, s->mnt_fd, drop_mount);
	fd_close(&s->pieces_fd);
	fd_close(&s->layers_fd);
	fd_close(&s->mnt_fd);
	fd_close(&s->staging_fd);
	fd_close(&s->unpack_fd);
	fd_close(&s->mkfs_fd);
	fd_close(&s->user_ns_fd);
	filter_fini(&s->mkfs_filter);
	free(s);
}

void image_store_limit(struct image_store *s, const struct image_limits *limits)
{
	s->limits = *limits;
}

int image_store_maps_ids(const struct image_store *s)
{
	return jail_can_map(s->staging_fd, s->user_ns_fd);
}

bool image_store_uses_erofs(const struct image_store *s)
{
	return s->erofs;
}
