// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/known.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/cli/api.h"
#include "runtime/cli/text_out.h"

static size_t write_names(FILE *file, const struct json *images)
{
	size_t count = 0;

	for (size_t i = 0; i < json_count(images); i++) {
		const struct json *layers = json_get(json_at(images, i), "layers");

		for (size_t n = 0; n < json_count(layers); n++, count++) {
			const char *name = json_string(json_at(layers, n));

			fprintf(file, "%s\n", name ? name : "");
		}
	}
	return count;
}

int known_pieces(const struct call *call, const char *path, size_t *out_count)
{
	struct api_answer answer;
	FILE *file;
	int fd, r = api_call(call, "GET", "/v1/images", "see which layers are there", &answer);

	if (r != CLI_DONE)
		return r;
	(void)unlink(path); /* a build that was killed may have left one */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (file)
		*out_count = write_names(file, api_list(answer.document, "images"));
	else if (fd >= 0)
		close(fd);
	api_answer_fini(&answer);
	if (file && fclose(file) == 0)
		return CLI_DONE;
	say_error(strerror(errno), NULL, "cannot write %s", path);
	return CLI_FAILED;
}
