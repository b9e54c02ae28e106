// SPDX-License-Identifier: Apache-2.0
/* HASH names every piece that enters the store. It sees foreign bytes, but only hashes them and
 * passes them on, so the bytes cannot take this process over. */
#include "images/unpack/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/wire/channel.h"

#define DIGEST_TEXT (7 + 2 * DIGEST_SIZE) /* "sha256:<hex>" */

struct passing {
	int control_fd;
	struct sha256 *hash;
	unsigned char block[BLOCK_BYTES];
};

/* ---- names ---- */

/* Makes the next chain id: SHA-256 of "<chain> <diff_id>" (OCI image-spec config.md, "Layer
 * ChainID"). */
static int add_link(uint8_t chain[DIGEST_SIZE], const uint8_t *diff_id)
{
	char text[2 * DIGEST_TEXT + 2];

	memcpy(text, "sha256:", 7);
	text_hex(text + 7, chain, DIGEST_SIZE);
	memcpy(text + DIGEST_TEXT, " sha256:", 8);
	text_hex(text + DIGEST_TEXT + 8, diff_id, DIGEST_SIZE);
	return sha256_of(text, sizeof(text) - 1, chain);
}

static int on_chain(void *self, struct wire_message *m)
{
	const struct passing *p = self;
	struct wire_unpack_chain *c = (void *)m->record;
	int r = c->count > IMAGE_LAYERS_MAX ? -EPROTO : 0;

	for (uint32_t n = 1; n < c->count && r == 0; n++) {
		uint8_t chain[DIGEST_SIZE];

		memcpy(chain, c->ids[n - 1], DIGEST_SIZE);
		r = add_link(chain, c->ids[n]);
		memcpy(c->ids[n], chain, DIGEST_SIZE);
	}
	return r < 0 ? r : wire_send(p->control_fd, WIRE_UNPACK_KEYS, c, sizeof(*c), NULL, 0);
}

/* ---- bytes ---- */

/* Hashes bytes and passes them on. The reader may end before the layer does (EPIPE) and reports why
 * itself; the digest is wanted all the same. */
static int pass(struct passing *p, int from_fd, int *to_fd, uint64_t *bytes)
{
	for (;;) {
		ssize_t n = read(from_fd, p->block, sizeof(p->block));
		int r;

		if (n <= 0)
			return n < 0 ? -errno : 0;
		*bytes += (uint64_t)n;
		r = sha256_update(p->hash, p->block, (size_t)n);
		if (r == 0 && *to_fd >= 0)
			r = fd_write_all(*to_fd, p->block, (size_t)n);
		if (r == -EPIPE)
			fd_close(to_fd);
		else if (r < 0)
			return r;
	}
}

static int on_flow(void *self, struct wire_message *m)
{
	struct passing *p = self;
	struct wire_unpack_digest digest = {0};
	SCOPED_FD from_fd = keep_fd(&m->fds[0]);
	SCOPED_FD to_fd = keep_fd(&m->fds[1]);
	int r = pass(p, from_fd, &to_fd, &digest.bytes);

	if (r == 0)
		r = sha256_final(p->hash, digest.digest);
	/* The digest is sent before to_fd is closed. So ebbd has the digest when the reader, which
	 * waits for the end of the flow, sends its report. */
	return r < 0 ? r
		     : wire_send(p->control_fd, WIRE_UNPACK_DIGEST, &digest, sizeof(digest), NULL,
				 0);
}

int hash_flows(struct unpack *u)
{
	static const struct wire_rule rules[] = {
		{WIRE_UNPACK_CHAIN, sizeof(struct wire_unpack_chain), 1, 0, 0, on_chain},
		{WIRE_UNPACK_FLOW, sizeof(struct wire_unpack_flow), 1, 2, 2, on_flow},
	};
	static struct wire_message m;
	static struct passing p;
	int r;

	p.control_fd = u->control_fd;
	p.hash = sha256_new();
	r = p.hash ? 1 : -ENOMEM;
	while (r > 0) {
		r = wire_recv(u->control_fd, &m);
		if (r > 0 && wire_dispatch(rules, ARRAY_LEN(rules), 1, &p, &m) < 0)
			r = -EPROTO;
	}
	sha256_free(p.hash);
	return r;
}
