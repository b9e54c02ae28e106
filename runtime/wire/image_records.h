/* SPDX-License-Identifier: Apache-2.0 */
/* Records between ebb-api and ebbd that are about images. */
#ifndef EBB_WIRE_IMAGE_RECORDS_H
#define EBB_WIRE_IMAGE_RECORDS_H

#include <stdint.h>

#include "runtime/wire/common_records.h"

#define WIRE_IMAGE_FORMATS(X) X(OCI_ARCHIVE) X(DOCKER_ARCHIVE) X(ROOTFS_TAR)
#define X(name)               WIRE_IMAGE_##name,
enum wire_image_format { WIRE_IMAGE_FORMATS(X) WIRE_IMAGE_FORMAT_COUNT };
#undef X

/* Imports an image. fds: the source, a regular file open for reading. Answered by IMAGE_DONE. */
struct wire_image_import {
	uint64_t cookie;
	uint32_t format; /* enum wire_image_format */
	uint32_t reserved;
	char reference[IMAGE_NAME_SIZE]; /* which image of the archive; "" = the only one */
};

/* The description that an image has of itself (OCI image-spec, config.md). ebb-unpack resolved the
 * names with /etc/passwd and /etc/group of the image. entrypoint and cmd stay apart, so that each
 * can be overridden. */
struct wire_image_config {
	uint32_t uid, gid;
	uint32_t groups[32];
	uint16_t group_count, entrypoint_count, cmd_count, env_count;
	uint16_t stop_signal; /* 0 = none given */
	uint16_t port;        /* the one exposed tcp port, or 0 */
	uint16_t user_count, reserved;
	char cwd[512]; /* "" = none given */
	char entrypoint[4096], cmd[4096];
	char env[16384];
	char users[8192]; /* of /etc/passwd, as many as fit: "name:uid:gid:groups,...:home" */
};

struct wire_image_done {
	uint64_t cookie;
	int32_t err;
	uint32_t layer_count;
	uint64_t bytes;              /* unpacked size of all layers */
	char text[ERROR_TEXT_SIZE];  /* when err != 0 */
	uint8_t digest[DIGEST_SIZE]; /* of the manifest, or of the tar for rootfs archives */
	uint8_t layers[IMAGE_LAYERS_MAX][DIGEST_SIZE]; /* keys in the store, lowest first */
	struct wire_image_config config;
};

/* Writes an image of the store as an OCI archive. fds: the pipe that takes it, write-only. Answered
 * by RESULT when all of it is in the pipe, or when it cannot be. IMAGE_CANCEL gives it up. */
struct wire_image_export {
	uint64_t cookie;
	uint32_t layer_count, reserved;
	char reference[IMAGE_NAME_SIZE]; /* the name of the image in the archive; may be "" */
	uint8_t layers[IMAGE_LAYERS_MAX][DIGEST_SIZE]; /* as in IMAGE_DONE */
	struct wire_image_config config;
};

/* Removes one layer, which no kept image needs any more; ebb-api sends one record per layer.
 * Answered by RESULT. */
struct wire_image_del {
	uint64_t cookie;
	uint8_t layer[DIGEST_SIZE];
};

#endif
