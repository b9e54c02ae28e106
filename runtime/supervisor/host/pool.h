/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses and names of the network of this ebbd: a part of the pool that no other ebbd in
 * this network namespace has. A lock on a file (fcntl(2)) holds the part, and ends with ebbd.
 */
#ifndef EBB_SUPERVISOR_POOL_H
#define EBB_SUPERVISOR_POOL_H

#include "runtime/base/fault.h"
#include "runtime/supervisor/host/config.h"

#define POOL_BITS 20 /* of IPv4: 4,096 addresses */
struct pool {
	int held_fd;   /* owned: the locked file */
	char lock[96]; /* its path */
	uint8_t v4[4], v6[16];
	char prefix[12], table[32];
	uint8_t resolvers[RESOLVERS_MAX][4]; /* of the host */
	uint32_t resolver_count;
};

/* 0 with the pool, or -errno with a sentence. */
int pool_open(const struct config *c, struct pool *out, struct fault *f);
void pool_close(struct pool *p);
/* Whether the settings make sense: 0, or -EINVAL with a sentence. */
int pool_check(const struct config *c, struct fault *f);

#endif
