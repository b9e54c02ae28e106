// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/dockerfile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/file.h"
#include "runtime/cli/text_out.h"
#include "runtime/cli/upload.h"

#define WORDS_MAX 32

static const char *const names[] = {"Dockerfile", "Containerfile"};

bool dockerfile_is(const char *entrypoint)
{
	const char *slash = entrypoint ? strrchr(entrypoint, '/') : NULL;
	const char *name = slash ? slash + 1 : entrypoint;

	for (size_t i = 0; name && i < ARRAY_LEN(names); i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

const char *dockerfile_of(int dir_fd)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		SCOPED_FD fd = file_open_beneath(dir_fd, names[i]);

		if (fd >= 0)
			return names[i];
	}
	return NULL;
}

/* buildah and its words. As root its mounts of layers live in a mount namespace, which ends with
 * it; for others buildah makes one itself. words end with NULL. */
static int buildah(const char *root, const char *state, const char *const *words)
{
	const char *argv[WORDS_MAX] = {"unshare", "--mount", "--propagation", "slave", "buildah",
				       "--root",  root,      "--runroot",     state};
	size_t n = 9;

	while (*words && n + 1 < WORDS_MAX)
		argv[n++] = *words++;
	return process_run(geteuid() == 0 ? argv : argv + 4);
}

/* The image gets a name in buildah's own store first: one whose steps are all cached is the same
 * image again, byte for byte. */
static int build_and_write(const char *root, const char *state, const char *file,
			   const char *directory, const char *to)
{
	char name[64];
	const char *const build[] = {"build", "--layers", "--isolation", "chroot",  "--file",
				     file,    "--tag",    name,          directory, NULL};
	const char *const push[] = {"push", "--quiet", name, to, NULL};
	int r;

	snprintf(name, sizeof(name), "localhost/ebb-%016" PRIx64, text_hash(file, strlen(file)));
	r = buildah(root, state, build);
	return r == 0 ? buildah(root, state, push) : r;
}

int dockerfile_build(const char *directory, const char *file, const char *cache, const char *output)
{
	char root[4096], state[4096], path[4096], to[4096 + 64], why[96];
	int r = text_format(root, sizeof(root), "%s/buildah", cache);

	if (r == 0)
		r = text_format(state, sizeof(state), "%s/buildah/run", cache);
	if (r == 0)
		r = text_format(path, sizeof(path), "%s/%s", directory, file);
	if (r == 0)
		r = text_format(to, sizeof(to), "oci-archive:%s", output);
	if (r < 0) {
		say_error(strerror(-r), NULL, "cannot build %s", directory);
		return CLI_USAGE;
	}
	if (!process_is_there("buildah") || (geteuid() == 0 && !process_is_there("unshare"))) {
		say_error("buildah builds a Dockerfile, and is not installed",
			  "apt-get install buildah (and util-linux), or bring an image: ebb image "
			  "import",
			  "cannot build %s", path);
		return CLI_FAILED;
	}
	(void)unlink(output); /* buildah adds to an archive that is there */
	r = build_and_write(root, state, path, directory, to);
	if (r == 0)
		return CLI_DONE;
	if (r < 0)
		snprintf(why, sizeof(why), "buildah: %s", strerror(-r));
	else
		snprintf(why, sizeof(why), "buildah ended with status %d", r);
	say_error(why, "its own message is above", "cannot build %s", path);
	return CLI_FAILED;
}
