// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/seal.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/evp.h>

static bool begin(EVP_CIPHER_CTX *ctx, const struct seal *s, int encrypt)
{
	int written;

	return ctx &&
	       EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, s->key, s->nonce, encrypt) == 1 &&
	       EVP_CipherUpdate(ctx, NULL, &written, s->about, (int)s->about_size) == 1;
}

int seal_close(const struct seal *s, const void *plain, size_t size, uint8_t *sealed)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int written, last;
	bool good =
		size < INT_MAX && begin(ctx, s, 1) &&
		EVP_CipherUpdate(ctx, sealed, &written, plain, (int)size) == 1 &&
		EVP_CipherFinal_ex(ctx, sealed + written, &last) == 1 &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, SEAL_TAG_BYTES, sealed + size) == 1;

	EVP_CIPHER_CTX_free(ctx);
	return good ? 0 : -EIO;
}

int seal_open(const struct seal *s, const uint8_t *sealed, size_t size, void *plain)
{
	EVP_CIPHER_CTX *ctx;
	uint8_t tag[SEAL_TAG_BYTES];
	int written = 0, last;
	bool good;

	if (size < SEAL_TAG_BYTES || size >= INT_MAX)
		return -EBADMSG;
	size -= SEAL_TAG_BYTES;
	memcpy(tag, sealed + size, sizeof(tag));
	ctx = EVP_CIPHER_CTX_new();
	good = begin(ctx, s, 0) && EVP_CipherUpdate(ctx, plain, &written, sealed, (int)size) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, sizeof(tag), tag) == 1 &&
	       EVP_CipherFinal_ex(ctx, (uint8_t *)plain + written, &last) == 1;
	EVP_CIPHER_CTX_free(ctx);
	if (!good)
		explicit_bzero(plain, size);
	return good ? 0 : -EBADMSG;
}

int seal_try(void)
{
	static const uint8_t zeros[SEAL_KEY_BYTES];
	const struct seal s = {.key = zeros, .nonce = zeros, .about = "", .about_size = 0};
	uint8_t sealed[4 + SEAL_TAG_BYTES];
	char opened[4];

	if (seal_close(&s, "ebb", 4, sealed) < 0 ||
	    seal_open(&s, sealed, sizeof(sealed), opened) < 0 || memcmp(opened, "ebb", 4) != 0)
		return -EIO;
	sealed[0] ^= 1;
	return seal_open(&s, sealed, sizeof(sealed), opened) == -EBADMSG ? 0 : -EIO;
}
