// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/image_removal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/buffer.h"
#include "runtime/api/calls.h"
#include "runtime/api/images.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/services.h"
#include "runtime/base/mem.h"

struct removal {
	struct buffer digests; /* of the images, DIGEST_SIZE each */
	struct buffer layers;  /* layers that no other image needs, DIGEST_SIZE each */
	size_t next_layer;
	uint64_t bytes;
};

static void removal_free(struct removal *removal)
{
	buffer_fini(&removal->digests);
	buffer_fini(&removal->layers);
	free(removal);
}

static const uint8_t *digest_at(const struct buffer *b, size_t index)
{
	return (const uint8_t *)buffer_at(b) + index * DIGEST_SIZE;
}

static size_t digest_count(const struct buffer *b)
{
	return b->size / DIGEST_SIZE;
}

static int add_digest(struct buffer *b, const uint8_t *digest)
{
	for (size_t i = 0; i < digest_count(b); i++)
		if (memcmp(digest_at(b, i), digest, DIGEST_SIZE) == 0)
			return 0;
	return buffer_add(b, digest, DIGEST_SIZE);
}

/* Chooses and marks the images. */
static int mark(struct api *api, const struct image *only, struct removal *removal)
{
	for (size_t i = 0; i < images_count(api->images); i++) {
		const struct image *image = images_at(api->images, i);
		bool unused = !images_named(api->images, image->digest) &&
			      !services_using(api->services, image->digest, true);
		int r;

		if (only ? image != only : !unused && !image->removing)
			continue;
		r = images_set_removing(api->images, image->digest);
		if (r == 0)
			r = add_digest(&removal->digests, image->digest);
		if (r < 0)
			return r;
		removal->bytes += image->bytes;
	}
	return 0;
}

/* Runs after all marks are made, because two marked images may share a layer that no
 * third needs. */
static int collect_layers(struct api *api, struct removal *removal)
{
	for (size_t i = 0; i < digest_count(&removal->digests); i++) {
		const struct image *image =
			images_by_digest(api->images, digest_at(&removal->digests, i));

		for (uint32_t k = 0; k < image->layer_count; k++) {
			int r = 0;

			if (!images_need_layer(api->images, image->layers[k]))
				r = add_digest(&removal->layers, image->layers[k]);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static void reply_removed(struct request *rq, const struct removal *removal)
{
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_array(&o, "removed");
	for (size_t i = 0; i < digest_count(&removal->digests); i++) {
		char text[DIGEST_TEXT_SIZE];

		image_digest_text(digest_at(&removal->digests, i), text);
		json_out_string(&o, NULL, text);
	}
	json_out_end_array(&o);
	json_out_u64(&o, "layers", digest_count(&removal->layers));
	json_out_u64(&o, "bytes", removal->bytes);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

static void finish(struct api *api, struct request *rq, struct removal *removal)
{
	int r = 0;

	for (size_t i = 0; i < digest_count(&removal->digests) && r == 0; i++)
		r = images_forget(api->images, digest_at(&removal->digests, i));
	images_end(api->images);
	if (rq && r < 0)
		problem_reply(rq, 500, "look after the state directory, then: ebb image gc",
			      "the layers are gone, but not the metadata: %s", strerror(-r));
	else if (rq)
		reply_removed(rq, removal);
	removal_free(removal);
}

static void next_layer(struct api *api, struct request *rq, struct removal *removal);

static void on_layer_removed(struct api *api, struct request *rq, void *ctx,
			     const struct answer *answer)
{
	struct removal *removal = ctx;

	if (answer->err && answer->err != ENOENT) {
		images_end(api->images);
		problem_reply_answer(rq, "remove a layer (ebb image gc tries again)", answer);
		removal_free(removal);
		return;
	}
	next_layer(api, rq, removal);
}

static void next_layer(struct api *api, struct request *rq, struct removal *removal)
{
	struct wire_image_del record = {0};

	if (removal->next_layer == digest_count(&removal->layers)) {
		finish(api, rq, removal);
		return;
	}
	memcpy(record.layer, digest_at(&removal->layers, removal->next_layer++), DIGEST_SIZE);
	calls_ask(api, &(struct call_ask){.peer = CALL_EBBD,
					  .type = WIRE_IMAGE_DEL,
					  .record = &record,
					  .size = sizeof(record),
					  .timeout_ms = 120000,
					  .rq = rq,
					  .done = on_layer_removed,
					  .ctx = removal});
}

void image_removal_run(struct request *rq, const struct image *image)
{
	struct api *api = rq->api;
	struct removal *removal = calloc(1, sizeof(*removal));
	int r = -ENOMEM;

	if (removal && !images_begin(api->images, IMAGES_REMOVING)) {
		problem_reply(rq, 409, "try again in a moment",
			      "images are being imported, exported or removed");
		removal_free(removal);
		return;
	}
	if (removal)
		r = mark(api, image, removal);
	if (r == 0)
		r = collect_layers(api, removal);
	if (r == 0) {
		next_layer(api, rq, removal);
		return;
	}
	problem_reply(rq, 500, "look after the state directory, then: ebb image gc",
		      "cannot remove images: %s", strerror(-r));
	if (!removal)
		return;
	images_end(api->images);
	removal_free(removal);
}
