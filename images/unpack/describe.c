// SPDX-License-Identifier: Apache-2.0
/*
 * DESCRIBE sees only the image's documents, nothing else of an archive. Documents that take this
 * process over can only describe the image that has their digest, because HASH computes that
 * digest.
 */
#include "images/unpack/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/wire/channel.h"

static int read_document(struct unpack *u, int fd, struct document *out)
{
	SCOPED_MEM char *text = malloc(JSON_BLOB_BYTES_MAX + 1);
	ssize_t n = text ? fd_read_all(fd, text, JSON_BLOB_BYTES_MAX) : -ENOMEM;

	if (n < 0)
		return unpack_fail(u, (int)n, "the image's documents cannot be read");
	text[n] = '\0';
	*out = (struct document){keep_mem(text), (size_t)n};
	return 0;
}

static int send_image(const struct unpack *u, const char *user)
{
	static struct wire_unpack_image image; /* large for a stack */

	image.layer_count = u->layer_count;
	memcpy(image.diff_ids, u->diff_ids, sizeof(image.diff_ids));
	image.config = u->config;
	if (text_copy(image.user, sizeof(image.user), user) < 0)
		return -ENAMETOOLONG;
	return wire_send(u->control_fd, WIRE_UNPACK_IMAGE, &image, sizeof(image), NULL, 0);
}

static int describe_oci(struct unpack *u, struct json **config, const char **user)
{
	const struct document *d = &u->documents[0];
	struct json *manifest;
	char err[256];
	int r = json_parse(d->text, d->size, JSON_DEPTH_MAX, &manifest, err, sizeof(err));

	if (r < 0)
		return unpack_fail(u, r, "manifest: %s", err);
	r = read_document(u, u->second_fd, &u->documents[1]);
	if (r == 0)
		r = oci_describe(u, manifest, &u->documents[1], config, user);
	json_free(manifest);
	return r;
}

int describe(struct unpack *u)
{
	struct json *config = NULL;
	const char *user = "";
	int r = read_document(u, u->source_fd, &u->documents[0]);

	if (r == 0)
		r = u->job->format == WIRE_IMAGE_OCI_ARCHIVE
			    ? describe_oci(u, &config, &user)
			    : docker_describe(u, &u->documents[0], &config, &user);
	if (r == 0)
		r = send_image(u, user);
	json_free(config);
	return r == -ENAMETOOLONG ? unpack_fail(u, r, "config: User is too long") : r;
}
