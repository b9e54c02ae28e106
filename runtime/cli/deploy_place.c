// SPDX-License-Identifier: Apache-2.0
/* Where a service of a file lies. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/text.h"
#include "runtime/cli/deploy.h"
#include "runtime/cli/file.h"

int deployment_sources(const struct deployment *d, const char *root, char *buf, size_t size)
{
	const char *slash = strrchr(d->file, '/');
	char of_file[4096] = ".";
	SCOPED_FD fd = -1;
	int r = 0;

	if (slash)
		r = text_format(of_file, sizeof(of_file), "%.*s/", (int)(slash - d->file), d->file);
	if (r == 0)
		r = text_format(buf, size, "%s%s", slash ? of_file : "", root);
	if (r < 0)
		return r;
	fd = open(of_file, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : file_is_directory_beneath(fd, root);
}

int deployment_directory(const struct deployment *d, const struct spec_service *service, char *buf,
			 size_t size)
{
	const char *root = spec_string(service, "root"), *runtime = spec_string(service, "runtime");
	const char *output = spec_string(service, "outputDirectory");
	char path[4096];
	int r;

	root = root ? root : ".";
	if (!output || (runtime && strcmp(runtime, "static") != 0))
		return deployment_sources(d, root, buf, size);
	r = text_format(path, sizeof(path), "%s/%s", root, output);
	return r < 0 ? r : deployment_sources(d, path, buf, size);
}
