// SPDX-License-Identifier: Apache-2.0
/* PACK: see pack.h. This process sees the pieces of one image, read-only, and a pipe. If the
 * content of a file took it over, it could spoil the archive of that image and nothing else. */
#include "images/unpack/pack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/wire/channel.h"

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

struct packing {
	struct unpack *u;
	const struct wire_unpack_image *image;
	struct sink sink;
	struct blob layers[IMAGE_LAYERS_MAX], config, manifest;
	struct json_out documents[3];
};
enum { CONFIG, MANIFEST, INDEX };

static int end_blob(struct sink *s, struct blob *b)
{
	int r = sink_end(s, b->digest, &b->size);

	text_hex(b->hex, b->digest, DIGEST_SIZE);
	return r;
}

/* The first pass: each layer's digest and size. */
static int measure(struct packing *p)
{
	int r = sink_init(&p->sink, -1);

	for (uint32_t n = 0; n < p->image->layer_count && r == 0; n++) {
		r = pack_tree(p->u, n, &p->sink);
		if (r == 0)
			r = end_blob(&p->sink, &p->layers[n]);
	}
	return r;
}

static int name_document(const struct json_out *o, struct blob *b)
{
	int r = o->failed ? -ENOMEM : sha256_of(o->text, o->length, b->digest);

	b->size = o->length;
	text_hex(b->hex, b->digest, DIGEST_SIZE);
	return r;
}

static int write_documents(struct packing *p)
{
	struct json_out *o = p->documents;
	int r;

	pack_config(p->image, p->layers, &o[CONFIG]);
	r = name_document(&o[CONFIG], &p->config);
	if (r < 0)
		return r;
	pack_manifest(&p->config, p->layers, p->image->layer_count, &o[MANIFEST]);
	r = name_document(&o[MANIFEST], &p->manifest);
	if (r < 0)
		return r;
	pack_index(&p->manifest, p->u->job->reference, &o[INDEX]);
	return o[INDEX].failed ? -ENOMEM : 0;
}

/* ---- the second pass ---- */

static int put_blob_head(struct packing *p, const struct blob *b)
{
	char path[sizeof("blobs/sha256/") + 2 * DIGEST_SIZE];
	struct tar_entry e = {.path = path, .type = '0', .mode = 0644, .size = b->size};

	(void)text_format(path, sizeof(path), "blobs/sha256/%s", b->hex);
	return tar_entry_put(&p->sink, &e);
}

static int put_document(struct packing *p, const struct blob *b, const struct json_out *o)
{
	int r = put_blob_head(p, b);

	if (r == 0)
		r = sink_put(&p->sink, o->text, o->length);
	return r < 0 ? r : sink_pad(&p->sink);
}

/* Layers of the same bytes are one blob. */
static bool is_put(const struct packing *p, uint32_t layer)
{
	for (uint32_t n = 0; n < layer; n++)
		if (memcmp(p->layers[n].digest, p->layers[layer].digest, DIGEST_SIZE) == 0)
			return true;
	return false;
}

/* The bytes that go out are hashed again: a store that changed, or a disk that answered otherwise,
 * must not become an archive that looks whole. */
static int put_layer(struct packing *p, uint32_t n)
{
	struct blob sent;
	int r = put_blob_head(p, &p->layers[n]);

	if (r == 0)
		r = sink_end(&p->sink, sent.digest, &sent.size); /* of all before it */
	if (r == 0)
		r = pack_tree(p->u, n, &p->sink);
	if (r == 0)
		r = sink_end(&p->sink, sent.digest, &sent.size);
	if (r == 0 && memcmp(sent.digest, p->layers[n].digest, DIGEST_SIZE) != 0)
		r = unpack_fail(p->u, -EIO, "layer %" PRIu32 ": reads otherwise a second time",
				n + 1);
	return r;
}

static int put_archive(struct packing *p)
{
	const struct json_out *o = p->documents;
	struct sink *s = &p->sink;
	int r = tar_file_put(s, "oci-layout", LAYOUT, sizeof(LAYOUT) - 1);

	if (r == 0)
		r = tar_file_put(s, "index.json", o[INDEX].text, o[INDEX].length);
	if (r == 0)
		r = tar_file_put(s, "blobs/", NULL, 0);
	if (r == 0)
		r = tar_file_put(s, "blobs/sha256/", NULL, 0);
	if (r == 0)
		r = put_document(p, &p->manifest, &o[MANIFEST]);
	if (r == 0)
		r = put_document(p, &p->config, &o[CONFIG]);
	for (uint32_t n = 0; n < p->image->layer_count && r == 0; n++)
		if (!is_put(p, n))
			r = put_layer(p, n);
	return r < 0 ? r : tar_end_put(s);
}

static int run(struct packing *p)
{
	struct blob all;
	int r = measure(p);

	if (r == 0)
		r = write_documents(p);
	if (r < 0)
		return r;
	p->sink.fd = p->u->source_fd;
	r = put_archive(p);
	return r < 0 ? r : sink_end(&p->sink, all.digest, &all.size);
}

int pack(struct unpack *u)
{
	static struct wire_message m; /* large for a stack */
	const struct wire_unpack_image *image = (const void *)m.record;
	struct packing *p;
	int r = wire_recv(u->control_fd, &m);

	if (r != 1 || m.head.type != WIRE_UNPACK_IMAGE || m.head.size != sizeof(*image) ||
	    image->layer_count == 0 || image->layer_count > IMAGE_LAYERS_MAX)
		return unpack_fail(u, -EPROTO, "ebb-unpack was not told the image");
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->u = u;
	p->image = image;
	for (size_t i = 0; i < ARRAY_LEN(p->documents); i++)
		json_out_init(&p->documents[i]);
	r = run(p);
	for (size_t i = 0; i < ARRAY_LEN(p->documents); i++)
		json_out_fini(&p->documents[i]);
	sink_fini(&p->sink);
	free(p);
	return r == -EPIPE ? unpack_fail(u, r, "nobody takes the archive") : r;
}
