// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/sha256.h"

#include <errno.h>
#include <openssl/evp.h>

static EVP_MD_CTX *context(struct sha256 *hash)
{
	return (EVP_MD_CTX *)hash;
}

struct sha256 *sha256_new(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(ctx);
		ctx = NULL;
	}
	return (struct sha256 *)ctx;
}

void sha256_free(struct sha256 *hash)
{
	EVP_MD_CTX_free(context(hash));
}

int sha256_update(struct sha256 *hash, const void *bytes, size_t size)
{
	return EVP_DigestUpdate(context(hash), bytes, size) == 1 ? 0 : -EIO;
}

int sha256_final(struct sha256 *hash, uint8_t digest[SHA256_BYTES])
{
	if (EVP_DigestFinal_ex(context(hash), digest, NULL) != 1 ||
	    EVP_DigestInit_ex(context(hash), EVP_sha256(), NULL) != 1)
		return -EIO;
	return 0;
}

int sha256_of(const void *bytes, size_t size, uint8_t digest[SHA256_BYTES])
{
	return EVP_Digest(bytes, size, digest, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}
