/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One version of a secret in its file: JSON with the name, the version, the time, the id of the key
 * and the sealed value in hexadecimal. The id is a hash of the key and tells another key from a
 * damaged file.
 */
#ifndef EBB_API_SECRET_FILE_H
#define EBB_API_SECRET_FILE_H

#include "runtime/api/secrets.h"
#include "runtime/base/seal.h"

#define SECRET_FILE_SIZE (SECRET_NAME_SIZE + 20)

struct secret_key {
	uint8_t bytes[SEAL_KEY_BYTES];
	char id[17];
	/* Why there is no key, or "". */
	char fault[ERROR_TEXT_SIZE], mend[ERROR_TEXT_SIZE];
};

struct secret_id {
	const char *name;
	uint32_t version;
	uint64_t set_us;
};

/* Takes the key out of the record and erases it there. */
void secret_key_take(struct secret_key *key, struct wire_api_config *config);
/* 0, or -ENOKEY with the sentence that ebbd said. */
int secret_key_there(const struct secret_key *key, struct fault *f);

/* Letters, digits, _ and -, of a length that fits. */
bool secret_name_valid(const char *name);
void secret_file_name(char file[SECRET_FILE_SIZE], const char *name, uint32_t version);
/* The inverse. 0 or -EINVAL. */
int secret_file_parse(const char *file, char name[SECRET_NAME_SIZE], uint32_t *version);
/* Writes durably. 0 or -errno. */
int secret_file_write(int dir_fd, const struct secret_key *key, const struct secret_id *id,
		      const char *value);
/* As secrets_read. */
int secret_file_read(int dir_fd, const struct secret_key *key, const struct secret_id *id,
		     char *value, struct fault *f);
/* The time in the file, or 0. */
uint64_t secret_file_time(int dir_fd, const char *name, uint32_t version);

#endif
