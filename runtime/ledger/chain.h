/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash chain: hash = SHA-256(encoding of the row). The encoding has the hash of the row before
 * right behind CHAIN_MAGIC. docs/ledger.md describes the encoding byte by byte.
 */
#ifndef EBB_LEDGER_CHAIN_H
#define EBB_LEDGER_CHAIN_H

#include "runtime/ledger/entry.h"

/* The first three bytes of each encoding; the format of the row is the fourth. */
#define CHAIN_MAGIC     "ebb"
#define CHAIN_BYTES_MAX 512

/* Hashes a row (its own hash field is not read). 0 or -EIO. */
int chain_hash(const struct entry *e, uint8_t hash[SHA256_BYTES]);

#endif
