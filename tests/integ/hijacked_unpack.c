// SPDX-License-Identifier: Apache-2.0
/*
 * An ebb-unpack that its input takes over: the real program, linked with --wrap, which confines
 * itself as always. Two of its functions belong to the attacker:
 *
 *   oci_read     of the process READ. An archive that begins with LIAR is {"LIAR", then for each
 *                part u32 size, bytes}; the parts are manifest, config and layers. This READ hands
 *                them out as they are, whatever their digests
 *   write_entry  of the process APPLY. At an entry called HIJACK it attacks files that are not its
 *                own, then its own tree, and claims that all went well. At HIJACK-TALK it sends
 *                records of HASH, at HIJACK-SOCKET it makes a call that the filter forbids, at
 *                HIJACK-CRASH it ends by a signal, at HIJACK-WAIT it never ends
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "images/unpack/unpack.h"
#include "images/unpack/write.h"
#include "runtime/base/fd.h"
#include "runtime/wire/channel.h"

#define LEVELS_UP 6

int __real_oci_read(struct unpack *u);
int __wrap_oci_read(struct unpack *u);
int __real_write_entry(struct place *p, const struct entry_source *source, const char *path,
		       const char **cause);
int __wrap_write_entry(struct place *p, const struct entry_source *source, const char *path,
		       const char **cause);
int __real_confine_self(struct unpack *u, const char *root, uint32_t caps);
int __wrap_confine_self(struct unpack *u, const char *root, uint32_t caps);

static struct unpack *hijacked; /* the state of this process, for write_entry */

int __wrap_confine_self(struct unpack *u, const char *root, uint32_t caps)
{
	hijacked = u;
	return __real_confine_self(u, root, caps);
}

/* ---- READ ---- */

static uint32_t take_u32(int fd)
{
	uint32_t n = 0;

	return fd_read_all(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* Pours part n of the file. */
static void pour(int fd, uint32_t n, int to_fd)
{
	static char block[65536];

	(void)lseek(fd, 4, SEEK_SET);
	while (n-- > 0)
		(void)lseek(fd, take_u32(fd), SEEK_CUR);
	for (uint32_t left = take_u32(fd); left > 0;) {
		size_t want = left < sizeof(block) ? left : sizeof(block);
		ssize_t got = fd_read_all(fd, block, want);

		if (got <= 0 || fd_write_all(to_fd, block, (size_t)got) < 0)
			break;
		left -= (uint32_t)got;
	}
	fd_close(&to_fd);
}

int __wrap_oci_read(struct unpack *u)
{
	static struct wire_message m;
	const struct wire_unpack_flow *flow = (const void *)m.record;
	const struct wire_unpack_done done = {0};
	char magic[4];

	if (pread(u->source_fd, magic, 4, 0) != 4 || memcmp(magic, "LIAR", 4) != 0)
		return __real_oci_read(u);
	while (wire_recv(u->control_fd, &m) > 0) {
		for (uint32_t n = 0; n < m.fd_count; n++)
			pour(u->source_fd, m.fd_count == 2 ? n : 2 + flow->layer,
			     keep_fd(&m.fds[n]));
		(void)wire_send(u->control_fd, WIRE_UNPACK_DONE, &done, sizeof(done), NULL, 0);
	}
	return 0;
}

/* ---- APPLY ---- */

/* Writes wherever it can below a directory that is not its own tree. */
static void spoil(int dir_fd)
{
	int list_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = list_fd < 0 ? NULL : fdopendir(list_fd);
	const struct dirent *entry;

	(void)mkdirat(dir_fd, "evil", 0777);
	while (list && (entry = readdir(list))) {
		SCOPED_FD fd =
			openat(dir_fd, entry->d_name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
		SCOPED_FD child_fd = openat(dir_fd, entry->d_name,
					    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0)
			(void)!write(fd, "evil", 4);
		if (child_fd >= 0)
			(void)mkdirat(child_fd, "evil", 0777);
		(void)unlinkat(dir_fd, entry->d_name, 0);
	}
	if (list)
		closedir(list);
}

static void attack(const struct unpack *u)
{
	char up[4 * LEVELS_UP] = "";
	SCOPED_FD below_fd = open("/srv/probe", O_WRONLY | O_TRUNC | O_CLOEXEC);

	/* By the descriptor of its tree it tries to get above its root, and above the jail's. */
	for (int n = 0; n < LEVELS_UP; n++) {
		SCOPED_FD fd = -1;

		strcat(up, "../");
		fd = openat(u->tree_fd, up, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			spoil(fd);
		for (int layer = 0; layer < 4; layer++) {
			char path[64];
			SCOPED_FD other_fd = -1;

			(void)snprintf(path, sizeof(path), "%s%d/tree", up, layer);
			other_fd = openat(u->tree_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (other_fd >= 0)
				spoil(other_fd);
		}
	}
	if (below_fd >= 0)
		(void)!write(below_fd, "evil", 4); /* the overlay copies it into its tree */
	(void)mkdirat(u->tree_fd, "evil", 0777);
}

static void talk(const struct unpack *u)
{
	static struct wire_unpack_chain keys = {.count = 3};
	static const struct wire_unpack_digest digest;

	memset(keys.ids, 0xee, sizeof(keys.ids));
	(void)wire_send(u->control_fd, WIRE_UNPACK_KEYS, &keys, sizeof(keys), NULL, 0);
	(void)wire_send(u->control_fd, WIRE_UNPACK_DIGEST, &digest, sizeof(digest), NULL, 0);
}

int __wrap_write_entry(struct place *p, const struct entry_source *source, const char *path,
		       const char **cause)
{
	if (strcmp(path, "HIJACK") == 0)
		attack(hijacked);
	if (strcmp(path, "HIJACK-TALK") == 0)
		talk(hijacked);
	if (strcmp(path, "HIJACK-SOCKET") == 0)
		(void)socket(AF_INET, SOCK_STREAM, 0);
	if (strcmp(path, "HIJACK-WAIT") == 0)
		(void)!read(hijacked->control_fd, (char[1]){0}, 1); /* nothing comes any more */
	if (strcmp(path, "HIJACK-CRASH") == 0)
		__builtin_trap(); /* it is PID 1: raise(3) would do nothing */
	return __real_write_entry(p, source, path, cause);
}
