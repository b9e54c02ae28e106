/* SPDX-License-Identifier: Apache-2.0 */
/* Records between ebbd and ebb-unpack; their names stand in common_records.h. */
#ifndef EBB_WIRE_UNPACK_RECORDS_H
#define EBB_WIRE_UNPACK_RECORDS_H

#include <stdint.h>

#include "runtime/wire/records.h"

#define UNPACK_CONTROL_FD 3

/* The role of one ebb-unpack; images/unpack/README.md says which role sees which bytes. */
#define WIRE_UNPACK_ROLES(X) X(READ) X(HASH) X(DESCRIBE) X(APPLY) X(USER) X(PACK)
#define X(name)              WIRE_UNPACK_##name,
enum wire_unpack_role { WIRE_UNPACK_ROLES(X) WIRE_UNPACK_ROLE_COUNT };
#undef X

/* UNPACK_JOB, the first record. fds: READ: the archive (a regular file, read-only). DESCRIBE: pipes
 * with the documents, see WIRE_UNPACK_DOCUMENTS. APPLY: a pipe with the tar of the layer. PACK: the
 * pipe that takes the archive. */
struct wire_unpack_job {
	uint32_t role, format; /* enum wire_unpack_role, wire_image_format */
	uint32_t layer;        /* APPLY: number of the layer, from 0 */
	uint32_t promised;     /* APPLY: a diff_id says where the tar ends */
	uint64_t bytes_max, file_bytes_max, entries_max;
	uint64_t bytes_used, entries_used; /* APPLY: used by the layers below */
	char reference[IMAGE_NAME_SIZE];   /* READ: which image of the archive; PACK: its name in it
					    */
	char user[IMAGE_NAME_SIZE];        /* USER: the user, as the config names it */
};

/* From DESCRIBE: the content of manifest and config. To PACK: the image; its diff_ids and its user
 * are not told. */
struct wire_unpack_image {
	uint32_t layer_count, reserved;
	char user[IMAGE_NAME_SIZE];
	uint8_t diff_ids[IMAGE_LAYERS_MAX][DIGEST_SIZE];
	struct wire_image_config config;
};

/* UNPACK_CHAIN to HASH: diff_ids, lowest layer first. UNPACK_KEYS back: their chain ids (OCI
 * image-spec, config.md). */
struct wire_unpack_chain {
	uint32_t count, reserved;
	uint8_t ids[IMAGE_LAYERS_MAX][DIGEST_SIZE];
};

/* The number that stands for the documents in the place of a layer: the document whose digest is
 * that of the image (OCI: the manifest; docker: the config) and, beside it and not through HASH,
 * the config that a manifest names. */
#define WIRE_UNPACK_DOCUMENTS UINT32_MAX

/* Asks for one layer, or for WIRE_UNPACK_DOCUMENTS. fds to READ: where the bytes of the layer go,
 * and for the documents where both go. fds to HASH: where its input comes from, and where it goes
 * on to. */
struct wire_unpack_flow {
	uint32_t layer, reserved;
};

/* From HASH: the number and the digest of the bytes that flowed. */
struct wire_unpack_digest {
	uint64_t bytes;
	uint8_t digest[DIGEST_SIZE];
};

/* From USER: the user of the image, and its tables; the fields are those of wire_image_config. */
struct wire_unpack_user {
	uint32_t uid, gid;
	uint32_t groups[32];
	uint16_t group_count, user_count;
	uint32_t reserved;
	char users[8192];
};

/* From READ: the wanted layer or documents have flowed, or the archive is bad. From DESCRIBE,
 * APPLY, USER and PACK: the end. err: 0 or a positive errno; text names the blob and the cause. */
struct wire_unpack_done {
	int32_t err;
	uint32_t reserved;
	uint64_t bytes, entries; /* APPLY: used by the image up to here, as the files claim */
	char text[ERROR_TEXT_SIZE];
};

#endif
