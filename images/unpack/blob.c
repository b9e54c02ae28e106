// SPDX-License-Identifier: Apache-2.0
/* Content-addressed files (OCI image-spec descriptor.md). No byte of a blob is parsed before the
 * blob was verified. */
#include "images/unpack/unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

int digest_read(struct unpack *u, const char *what, const char *text, uint8_t digest[DIGEST_SIZE])
{
	if (!text)
		return unpack_fail(u, -EINVAL, "%s: has no digest", what);
	if (strncmp(text, "sha256:", 7) != 0 || text_unhex(digest, DIGEST_SIZE, text + 7) < 0)
		return unpack_fail(u, -EINVAL, "%s: digest %.100s is not sha256:<64 hex digits>",
				   what, text);
	return 0;
}

int descriptor_read(struct unpack *u, const char *what, const struct json *v,
		    struct descriptor *out)
{
	struct descriptor d = {.has_size = true};
	int64_t size;
	int r = digest_read(u, what, json_string(json_get(v, "digest")), d.digest);

	if (r < 0)
		return r;
	if (json_int(json_get(v, "size"), &size) < 0 || size < 0)
		return unpack_fail(u, -EINVAL, "%s: has no valid size", what);
	d.size = (uint64_t)size;
	d.media_type = json_string(json_get(v, "mediaType"));
	if (!d.media_type)
		return unpack_fail(u, -EINVAL, "%s: has no mediaType", what);
	text_hex(d.hex, d.digest, DIGEST_SIZE);
	*out = d;
	return 0;
}

int blob_verify(struct unpack *u, const char *what, const struct descriptor *d, const char *text,
		size_t size)
{
	uint8_t found[DIGEST_SIZE];
	char hex[2 * DIGEST_SIZE + 1];

	if (d->has_size && size != d->size)
		return unpack_fail(u, -EINVAL,
				   "%s sha256:%s: is %zu bytes, its descriptor says %" PRIu64, what,
				   d->hex, size, d->size);
	if (sha256_of(text, size, found) < 0)
		return unpack_fail(u, -EIO, "%s: libcrypto has no SHA-256", what);
	if (memcmp(found, d->digest, DIGEST_SIZE) == 0)
		return 0;
	text_hex(hex, found, DIGEST_SIZE);
	return unpack_fail(u, -EINVAL, "%s sha256:%s: digest is sha256:%s: the archive is damaged",
			   what, d->hex, hex);
}

int blob_load_json(struct unpack *u, const char *what, const struct descriptor *d,
		   struct document *out_text, struct json **out)
{
	char name[MEMBER_NAME_SIZE], err[256];
	SCOPED_MEM char *text = NULL;
	size_t size;
	int r;

	(void)text_format(name, sizeof(name), "blobs/sha256/%s", d->hex);
	r = member_load(u, name, &text, &size);
	if (r == 0)
		r = blob_verify(u, what, d, text, size);
	if (r < 0)
		return r;
	r = json_parse(text, size, JSON_DEPTH_MAX, out, err, sizeof(err));
	if (r < 0)
		return unpack_fail(u, r, "%s sha256:%.12s: %s", what, d->hex, err);
	*out_text = (struct document){keep_mem(text), size};
	return 0;
}
