/* SPDX-License-Identifier: Apache-2.0 */
/* Records between ebbd and ebb-unpack, whose names stand in common_records.h. */
#ifndef EBB_WIRE_UNPACK_RECORDS_H
#define EBB_WIRE_UNPACK_RECORDS_H

#include <stdint.h>

#include "runtime/wire/records.h"

#define UNPACK_CONTROL_FD 3

/* The role of one ebb-unpack; images/unpack/README.md says which role sees which bytes. */
#define WIRE_UNPACK_ROLES(X) X(READ) X(HASH) X(DESCRIBE) X(APPLY) X(USER)
#define X(name)              WIRE_UNPACK_##name,
enum wire_unpack_role { WIRE_UNPACK_ROLES(X) WIRE_UNPACK_ROLE_COUNT };
#undef X

/* fds: READ: the archive (regular file, read-only). DESCRIBE: where the documents come from. APPLY:
 * where the layer's tar comes from. */
struct wire_unpack_job {
	uint32_t role, format; /* enum wire_unpack_role, wire_image_format */
	uint32_t layer;        /* APPLY: from 0 */
	uint32_t promised;     /* APPLY: a diff_id says where the tar ends */
	uint64_t bytes_max, file_bytes_max, entries_max;
	uint64_t bytes_used, entries_used; /* APPLY: by the layers below */
	char reference[IMAGE_NAME_SIZE];
	char user[IMAGE_NAME_SIZE]; /* USER: as the config names it */
};

/* DESCRIBE: the content of manifest and config. */
struct wire_unpack_image {
	uint32_t layer_count, reserved;
	char user[IMAGE_NAME_SIZE];
	uint8_t diff_ids[IMAGE_LAYERS_MAX][DIGEST_SIZE];
	struct wire_image_config config;
};

/* To HASH: diff_ids, lowest first; back (UNPACK_KEYS): their chain ids (OCI image-spec config.md).
 */
struct wire_unpack_chain {
	uint32_t count, reserved;
	uint8_t ids[IMAGE_LAYERS_MAX][DIGEST_SIZE];
};

/* Instead of a layer: the document whose digest is the image's (OCI: the manifest; docker: the
 * config), and beside it, not through HASH, the config that a manifest names. */
#define WIRE_UNPACK_DOCUMENTS UINT32_MAX

/* Layer `layer`, please. To READ, fds: where its tar goes, or both documents. To HASH, fds: from
 * where, to where. */
struct wire_unpack_flow {
	uint32_t layer, reserved;
};

/* HASH: of what flowed. */
struct wire_unpack_digest {
	uint64_t bytes;
	uint8_t digest[DIGEST_SIZE];
};

/* USER: the image's user and its tables; config.h's fields of the same names. */
struct wire_unpack_user {
	uint32_t uid, gid;
	uint32_t groups[32];
	uint16_t group_count, user_count;
	uint32_t reserved;
	char users[8192];
};

/* READ: the wanted blob has flowed, or the archive is bad. DESCRIBE, APPLY, USER: the end. err is 0
 * or a positive errno; text names blob and cause. */
struct wire_unpack_done {
	int32_t err;
	uint32_t reserved;
	uint64_t bytes, entries; /* APPLY: used by the image up to here, as files claim */
	char text[ERROR_TEXT_SIZE];
};

#endif
