/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The secrets of this host: secrets/NAME.VERSION.json below the state directory, each sealed with
 * the host's key (base/seal.h) together with its name and version, so that no file can stand in for
 * another one. A version never changes; setting a secret again makes the next one. The directory is
 * there while there are secrets: ebbd makes no new key beside it (host/secret_key.h).
 *
 * The value of a secret leaves this store only towards ebbd, in the environment of a service
 * (service_record.h). No answer, event or log has it.
 */
#ifndef EBB_API_SECRETS_H
#define EBB_API_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/wire/records.h"

#define SECRETS_MAX         256
#define SECRET_NAME_SIZE    65 /* letters, digits, _ and -; 1..64 */
#define SECRET_BYTES_MAX    8192
#define SECRET_VERSIONS_MAX 64 /* kept of one secret at a time */

struct secret {
	char name[SECRET_NAME_SIZE];
	uint64_t set_us; /* when its newest version was set; 0: its file cannot be read */
	size_t version_count;
	uint32_t versions[SECRET_VERSIONS_MAX]; /* rising */
};

struct fault;
struct secrets;

/* Loads <state>/secrets; state_dir_fd is borrowed. The key is taken out of config and erased there.
 * 0, or -errno with a sentence in f. */
int secrets_open(int state_dir_fd, struct wire_api_config *config, struct secrets **out,
		 struct fault *f);
void secrets_free(struct secrets *secrets); /* NULL is fine */
size_t secrets_count(const struct secrets *secrets);
/* In the order of their names. */
const struct secret *secrets_at(const struct secrets *secrets, size_t index);
const struct secret *secrets_find(const struct secrets *secrets, const char *name);
uint32_t secret_newest(const struct secret *s);

/* Stores a value as the next version of the name, durably. 0, or -errno with a sentence and its
 * mend: -ENOKEY, -ENOSPC, -EMFILE (too many versions are in use). */
int secrets_set(struct secrets *secrets, const char *name, const char *value, struct fault *f);
/* Writes the value, NUL-terminated, into SECRET_BYTES_MAX + 1 bytes. 0, or -errno with a sentence
 * and its mend: -ENOENT, -ENOKEY (no key, or another one), -EBADMSG (the file is damaged). */
int secrets_read(const struct secrets *secrets, const char *name, uint32_t version, char *value,
		 struct fault *f);
/* Forgets versions of a secret for which keep() is false; the newest stays. A file that cannot be
 * removed stays too, until the next time. */
void secrets_prune(struct secrets *secrets, const char *name,
		   bool (*keep)(void *ctx, uint32_t version), void *ctx);
/* Removes a secret. 0 or -errno. */
int secrets_remove(struct secrets *secrets, const char *name);

#endif
