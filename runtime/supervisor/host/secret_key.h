/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key of this host, with which ebb-api seals secrets. ebbd keeps the file, because its owner is
 * root; ebb-api gets the key with its settings and keeps it in memory only. A key is random bytes,
 * so nothing is parsed.
 *
 * The key is a credential of systemd (systemd.exec(5), CREDENTIALS_DIRECTORY) if there is one
 * called SECRET_KEY_CREDENTIAL, else a file. The file is made when there is none, unless secrets
 * are stored already: they were sealed with a key that is lost, and a new one could not open them.
 */
#ifndef EBB_SUPERVISOR_SECRET_KEY_H
#define EBB_SUPERVISOR_SECRET_KEY_H

#include "runtime/supervisor/host/config.h"

#define SECRET_KEY_CREDENTIAL "ebb.secret-key"

struct fault;
/* Reads the key, or makes it. 0, or -errno with a sentence and its mend. Blocks on the disk. */
int secret_key_load(const struct config *c, uint8_t key[SECRET_KEY_BYTES], struct fault *f);

#endif
