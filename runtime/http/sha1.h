/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-1 (FIPS 180-4), for Sec-WebSocket-Accept only. There it protects nothing: it shows that the
 * other side understood the question. This is code of our own, because libcrypto would add
 * megabytes to the static gateway for one short text. Never use it for anything else.
 */
#ifndef EBB_HTTP_SHA1_H
#define EBB_HTTP_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_BYTES 20

/* Writes the 20 bytes of the digest. */
void sha1(const void *data, size_t size, uint8_t out[SHA1_BYTES]);

#endif
