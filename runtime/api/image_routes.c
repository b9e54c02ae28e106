// SPDX-License-Identifier: Apache-2.0
/* Images: importing what was uploaded, listing, removing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/calls.h"
#include "runtime/api/exec_merge.h"
#include "runtime/api/handlers.h"
#include "runtime/api/image_removal.h"
#include "runtime/api/images.h"
#include "runtime/api/known.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/services.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define IMPORT_TIMEOUT_MS (20 * 60 * 1000)

static const struct {
	const char *name;
	enum wire_image_format format;
} formats[] = {
	{"oci-archive", WIRE_IMAGE_OCI_ARCHIVE},
	{"docker-archive", WIRE_IMAGE_DOCKER_ARCHIVE},
	{"rootfs", WIRE_IMAGE_ROOTFS_TAR},
};

static void write_image(struct json_out *o, struct api *api, const struct image *image)
{
	json_out_object(o, NULL);
	image_write(o, image);
	images_write_names(o, api->images, image->digest);
	json_out_array(o, "used_by");
	for (size_t i = 0; i < services_count(api->services); i++) {
		const struct service *s = services_at(api->services, i);

		if (memcmp(s->current.digest, image->digest, DIGEST_SIZE) == 0)
			json_out_string(o, NULL, s->name);
	}
	json_out_end_array(o);
	json_out_end_object(o);
}

void get_images(struct request *rq)
{
	struct images *images = rq->api->images;
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_array(&o, "images");
	for (size_t i = 0; i < images_count(images); i++)
		write_image(&o, rq->api, images_at(images, i));
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

static const struct image *find_or_404(struct request *rq)
{
	const struct image *image = images_resolve(rq->api->images, rq->arg);

	if (!image)
		answer_no_image(rq, rq->arg);
	return image;
}

void get_image(struct request *rq)
{
	const struct image *image = find_or_404(rq);
	struct json_out o;

	if (!image)
		return;
	json_out_init(&o);
	write_image(&o, rq->api, image);
	reply_json(rq, 200, NULL, &o);
}

/* ---- import ---- */

struct import {
	struct chain in_imports;
	uid_t uid;                  /* of the client */
	char name[IMAGE_NAME_SIZE]; /* may be empty */
};

/* ebbd takes 16 imports at once (IMPORTS_MAX). A user other than root gets at most half of them. */
#define IMPORTS_OF_USER_MAX 8u

static bool may_import(const struct api *api, uid_t uid)
{
	const struct import *import;
	unsigned int count = 0;

	chain_each(import, &api->imports, in_imports)
		count += import->uid == uid;
	return uid == 0 || count < IMPORTS_OF_USER_MAX;
}

static void import_begin(struct request *rq, struct import *import)
{
	import->uid = rq->peer.uid;
	chain_init(&import->in_imports);
	chain_add_last(&rq->api->imports, &import->in_imports);
}

static int keep_import(struct api *api, const struct import *import,
		       const struct wire_image_done *done)
{
	struct image image = {.layer_count = done->layer_count,
			      .bytes = done->bytes,
			      .imported_us = clock_real_us(),
			      .config = done->config};
	int r;

	if (done->layer_count > IMAGE_LAYERS_MAX || !image_config_valid(&done->config))
		return -EPROTO;
	memcpy(image.digest, done->digest, DIGEST_SIZE);
	memcpy(image.layers, done->layers, sizeof(image.layers));
	r = images_put(api->images, &image);
	if (r == 0 && *import->name)
		r = images_set_name(api->images, import->name, image.digest);
	return r;
}

static void on_imported(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	SCOPED_MEM struct import *import = ctx;
	const struct wire_image_done *done = answer->records;
	struct json_out o;
	int r;

	chain_remove(&import->in_imports);
	images_end(api->images);
	if (answer->err) {
		problem_reply_answer(rq, "import the image", answer);
		return;
	}
	r = keep_import(api, import, done);
	if (r < 0)
		log_error("event=image_not_saved errno=%d", -r);
	if (!rq)
		return;
	if (r < 0) {
		problem_reply(rq, 507, "look after the state directory, then import it again",
			      "the image is unpacked but cannot be saved: %s", strerror(-r));
		return;
	}
	json_out_init(&o);
	write_image(&o, api, images_by_digest(api->images, done->digest));
	reply_json(rq, 201, NULL, &o);
}

/* Reads the query. False after having answered. */
static bool read_query(struct request *rq, struct wire_image_import *record, struct import *import)
{
	char format[32] = "oci-archive";

	if (request_query(rq, "format", format, sizeof(format)) < 0 ||
	    request_query(rq, "name", import->name, sizeof(import->name)) < 0 ||
	    request_query(rq, "reference", record->reference, sizeof(record->reference)) < 0) {
		problem_reply(rq, 400, "percent-encode it, at most 255 bytes",
			      "format, name or reference cannot be decoded");
		return false;
	}
	if (*import->name && !image_name_valid(import->name)) {
		problem_reply(rq, 422, "letters, digits and ._/:- ; not a digest",
			      "name: \"%s\" is not a name of an image", import->name);
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		if (strcmp(format, formats[i].name) != 0)
			continue;
		record->format = formats[i].format;
		return true;
	}
	problem_reply(rq, 422, "oci-archive, docker-archive or rootfs",
		      "format: \"%s\" is not a format of an archive", format);
	return false;
}

void post_image(struct request *rq)
{
	struct wire_image_import record = {0};
	struct import *import = calloc(1, sizeof(*import));

	if (!import) {
		problem_reply(rq, 503, NULL, "out of memory");
		return;
	}
	if (!read_query(rq, &record, import)) {
		free(import);
		return;
	}
	if (!may_import(rq->api, rq->peer.uid)) {
		problem_reply(rq, 429, "wait for one of them to end",
			      "user %u has %u imports under way", (unsigned int)rq->peer.uid,
			      IMPORTS_OF_USER_MAX);
		free(import);
		return;
	}
	if (!images_begin(rq->api->images, IMAGES_KEEPING)) {
		problem_reply(rq, 409, "try again in a moment", "images are being removed");
		free(import);
		return;
	}
	import_begin(rq, import);
	calls_ask(rq->api, &(struct call_ask){.peer = CALL_EBBD,
					      .type = WIRE_IMAGE_IMPORT,
					      .record = &record,
					      .size = sizeof(record),
					      .fd = rq->spool_fd,
					      .has_fd = true,
					      .timeout_ms = IMPORT_TIMEOUT_MS,
					      .cancel = WIRE_IMAGE_CANCEL,
					      .rq = rq,
					      .done = on_imported,
					      .ctx = import});
}

/* ---- removal ---- */

void delete_image(struct request *rq)
{
	const struct image *image = find_or_404(rq);
	const struct service *user;

	if (!image)
		return;
	user = services_using(rq->api->services, image->digest, false);
	if (user) {
		problem_reply(rq, 409, "remove or redeploy that service first",
			      "image '%s' is used by service '%s'", rq->arg, user->name);
		return;
	}
	image_removal_run(rq, image);
}

void post_images_gc(struct request *rq)
{
	image_removal_run(rq, NULL);
}
