// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

/* The directory of this program, "" if it cannot be told. */
static void own_directory(char *self, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", self, size - 1);

	self[n > 0 ? n : 0] = '\0';
	if (strrchr(self, '/'))
		*strrchr(self, '/') = '\0';
}

void places_step(char *path, size_t size)
{
	char self[4096];

	own_directory(self, sizeof(self));
	if (text_format(path, size, "%s/ebb-step", self) < 0 || access(path, X_OK) < 0)
		*path = '\0';
}

int places_builder(char *path, size_t size)
{
	static const char *const beside[] = {"../libexec/ebb/build", "../libexec/ebb",
					     "../../images/build"};
	static const char *const prefixes[] = {"/usr/local/libexec/ebb/build",
					       "/usr/libexec/ebb/build"};
	const char *from_env = getenv("EBB_LIBEXEC");
	char self[4096];

	if (from_env && *from_env) {
		(void)text_format(path, size, "%s/" PLACES_BUILDER, from_env);
		return access(path, X_OK) == 0 ? 0 : -errno;
	}
	own_directory(self, sizeof(self));
	for (size_t i = 0; i < ARRAY_LEN(beside); i++)
		if (text_format(path, size, "%s/%s/" PLACES_BUILDER, self, beside[i]) == 0 &&
		    access(path, X_OK) == 0)
			return 0;
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (text_format(path, size, "%s/" PLACES_BUILDER, prefixes[i]) == 0 &&
		    access(path, X_OK) == 0)
			return 0;
	return -ENOENT;
}

int places_cache(char *path, size_t size)
{
	const char *own = getenv("EBB_CACHE"), *xdg = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	int r;

	if (own && *own)
		r = text_copy(path, size, own);
	else if (xdg && *xdg)
		r = text_format(path, size, "%s/ebb", xdg);
	else if (geteuid() != 0 && home && *home)
		r = text_format(path, size, "%s/.cache/ebb", home);
	else
		r = text_copy(path, size, "/var/cache/ebb");
	return r < 0 ? r : fd_mkdir_p(AT_FDCWD, path, 0700);
}

int places_find(const char *const *beside, char *path, size_t size)
{
	char self[4096];

	own_directory(self, sizeof(self));
	for (; *beside; beside++)
		if (text_format(path, size, "%s/%s", self, *beside) == 0 && access(path, F_OK) == 0)
			return 0;
	return -ENOENT;
}
