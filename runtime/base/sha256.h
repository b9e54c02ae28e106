/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4) by the EVP interface of libcrypto (EVP_DigestInit(3)); sha256.c and
 * seal.c are the files that include OpenSSL. */
#ifndef EBB_BASE_SHA256_H
#define EBB_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

struct sha256; /* one running hash */

/* NULL when libcrypto has no SHA-256 or no memory. */
struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *hash); /* NULL is fine */
/* Adds bytes to the message. 0 or -EIO. */
int sha256_update(struct sha256 *hash, const void *bytes, size_t size);
/* Writes the digest and readies the object for another message. 0 or -EIO. */
int sha256_final(struct sha256 *hash, uint8_t digest[SHA256_BYTES]);
/* The digest of these bytes in one call. 0 or -EIO. */
int sha256_of(const void *bytes, size_t size, uint8_t digest[SHA256_BYTES]);

#endif
