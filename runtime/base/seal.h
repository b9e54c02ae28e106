/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM (NIST SP 800-38D) by the EVP interface of libcrypto (EVP_EncryptInit(3)). A sealed
 * text opens only with its key, and only together with the words that it was sealed with.
 */
#ifndef EBB_BASE_SEAL_H
#define EBB_BASE_SEAL_H

#include <stddef.h>
#include <stdint.h>

#define SEAL_KEY_BYTES   32
#define SEAL_NONCE_BYTES 12 /* never twice with the same key */
#define SEAL_TAG_BYTES   16

struct seal {
	const uint8_t *key, *nonce; /* SEAL_KEY_BYTES, SEAL_NONCE_BYTES; borrowed */
	const void *about; /* is not sealed, but must be the same at the opening; borrowed */
	size_t about_size;
};

/* Seals size bytes into sealed, which has room for SEAL_TAG_BYTES more. 0 or -EIO. */
int seal_close(const struct seal *s, const void *plain, size_t size, uint8_t *sealed);
/* Opens size bytes, the tag included, into plain, which has room for size - SEAL_TAG_BYTES. 0, or
 * -EBADMSG: another key, or something was changed. plain is then zeroed. */
int seal_open(const struct seal *s, const uint8_t *sealed, size_t size, void *plain);
/* Seals and opens once, rightly and wrongly, so that libcrypto does here all that it does at its
 * first use: it looks for its configuration. 0, or -EIO if it has no such cipher. */
int seal_try(void);

#endif
