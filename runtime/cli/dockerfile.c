// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/dockerfile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/file.h"
#include "runtime/cli/places.h"
#include "runtime/cli/text_out.h"
#include "runtime/cli/upload.h"

#define WORDS_MAX 48
#define PYTHON    "/usr/bin/python3"

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

/* The tools of a build: buildah's own folder below the cache, and the program that gives its steps
 * their network. */
struct builder {
	char root[4096], state[4096], steps[4096], step[4096];
	const char *cache;
};

static bool has_host_network(void)
{
	const char *network = getenv("EBB_BUILD_NETWORK");

	return network && strcmp(network, "host") == 0;
}

static size_t add(const char **argv, size_t n, const char *const *words)
{
	while (*words && n + 1 < WORDS_MAX)
		argv[n++] = *words++;
	argv[n] = NULL;
	return n;
}

/* Only the build has a network of its own: a push reads and writes files. As root its mounts of
 * layers live in a mount namespace, which ends with it; for others buildah makes one itself. words
 * end with NULL. */
static int buildah(const struct builder *b, bool confined, const char *const *words)
{
	const char *const own_network[] = {PYTHON,   "-IB",    b->steps, "--step", b->step,
					   "--work", b->cache, "--",     NULL};
	static const char *const own_mounts[] = {"unshare", "--mount", "--propagation", "slave",
						 NULL};
	const char *const program[] = {"buildah", "--root", b->root, "--runroot", b->state, NULL};
	const char *argv[WORDS_MAX];
	size_t n = 0;

	if (confined)
		n = add(argv, n, own_network);
	else if (geteuid() == 0)
		n = add(argv, n, own_mounts);
	n = add(argv, n, program);
	(void)add(argv, n, words);
	return process_run(argv);
}

/* The image gets a name in buildah's own store first: one whose steps are all cached is the same
 * image again, byte for byte. Without CAP_SYS_CHROOT no step leaves its root by a second chroot. */
static int build_and_write(const struct builder *b, const char *file, const char *directory,
			   const char *to)
{
	char name[64];
	const char *const build[] = {
		"build",  "--layers", "--isolation", "chroot", "--cap-drop", "CAP_SYS_CHROOT",
		"--file", file,       "--tag",       name,     directory,    NULL};
	const char *const push[] = {"push", "--quiet", name, to, NULL};
	int r;

	snprintf(name, sizeof(name), "localhost/ebb-%016" PRIx64, text_hash(file, strlen(file)));
	r = buildah(b, !has_host_network(), build);
	return r == 0 ? buildah(b, false, push) : r;
}

/* The program of the network lies beside the builder. */
static int find_steps(struct builder *b)
{
	int r = places_builder(b->steps, sizeof(b->steps));
	size_t n = strlen(b->steps);

	places_step(b->step, sizeof(b->step));
	if (r < 0)
		return r;
	n -= strlen(PLACES_BUILDER);
	r = text_copy(b->steps + n, sizeof(b->steps) - n, "steps.py");
	return r == 0 && access(b->steps, R_OK) < 0 ? -errno : r;
}

static bool are_there(const char *path)
{
	if (process_is_there("buildah") && process_is_there("unshare"))
		return true;
	say_error("buildah builds a Dockerfile, and is not installed",
		  "apt-get install buildah (and util-linux), or bring an image: ebb image "
		  "import",
		  "cannot build %s", path);
	return false;
}

int dockerfile_build(const char *directory, const char *file, const char *cache, const char *output)
{
	struct builder b = {.cache = cache};
	char path[4096], to[4096 + 64], why[96];
	int r = text_format(b.root, sizeof(b.root), "%s/buildah", cache);

	if (r == 0)
		r = text_format(b.state, sizeof(b.state), "%s/buildah/run", cache);
	if (r == 0)
		r = text_format(path, sizeof(path), "%s/%s", directory, file);
	if (r == 0)
		r = text_format(to, sizeof(to), "oci-archive:%s", output);
	if (r < 0) {
		say_error(strerror(-r), NULL, "cannot build %s", directory);
		return CLI_USAGE;
	}
	if (!are_there(path))
		return CLI_FAILED;
	r = has_host_network() ? 0 : find_steps(&b);
	if (r < 0) {
		say_error("no steps.py beside " PLACES_BUILDER,
			  "make install, or set EBB_LIBEXEC to its directory", "cannot build %s",
			  path);
		return CLI_FAILED;
	}
	(void)unlink(output); /* buildah adds to an archive that is there */
	r = build_and_write(&b, path, directory, to);
	if (r == 0)
		return CLI_DONE;
	if (r < 0)
		snprintf(why, sizeof(why), "buildah: %s", strerror(-r));
	else
		snprintf(why, sizeof(why), "buildah ended with status %d", r);
	say_error(why,
		  has_host_network()
			  ? "its own message is above"
			  : "its own message is above. Steps reach public hosts by the proxy of "
			    "http_proxy alone: EBB_BUILD_HOSTS=HOST:PORT adds others, "
			    "EBB_BUILD_NETWORK=host gives the network of the host",
		  "cannot build %s", path);
	return CLI_FAILED;
}
