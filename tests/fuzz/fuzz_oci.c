// SPDX-License-Identifier: Apache-2.0
/*
 * The JSON of an image archive: index, manifest, config, and docker's manifest.json. The input is
 * up to nine documents with a NUL byte between them. In a document, "@1" to "@8" stand for the
 * digest of the later document with that number (from 0), so that the fuzzer need not invert
 * SHA-256. This file takes the place of the readers of archive and layers (member.c, flow.c): only
 * the code that reads the documents is under test.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "images/unpack/unpack.h"
#include "runtime/base/text.h"
#include "tests/fuzz/fuzz.h"

#define DOCUMENTS_MAX 9
#define DOCUMENT_MAX  8192

static struct {
	size_t count;
	struct {
		char text[DOCUMENT_MAX];
		size_t size;
		char hex[2 * DIGEST_SIZE + 1];
	} at[DOCUMENTS_MAX];
} documents;

int unpack_fail(struct unpack *u, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(u->err, sizeof(u->err), fmt, ap);
	va_end(ap);
	return err;
}

int member_load(struct unpack *u, const char *name, char **out, size_t *out_size)
{
	size_t n = 0;

	if (strcmp(name, "index.json") != 0 && strcmp(name, "manifest.json") != 0)
		for (n = 1; n < documents.count; n++)
			if (strstr(name, documents.at[n].hex))
				break;
	if (n >= documents.count)
		return -ENOENT;
	*out = calloc(1, documents.at[n].size + 1);
	claim(*out);
	memcpy(*out, documents.at[n].text, documents.at[n].size);
	*out_size = documents.at[n].size;
	return 0;
}

int flow_begin(struct unpack *u)
{
	claim(u->documents[0].text && u->layer_count > 0 && u->layer_count <= IMAGE_LAYERS_MAX);
	return 0;
}

int flow_layer(struct unpack *u, uint32_t index, const char *name, const struct descriptor *blob)
{
	claim(index < u->layer_count);
	claim(strlen(name) < MEMBER_NAME_SIZE || !blob);
	return 0;
}

/* Copies a document, "@n" replaced by the digest of document n. */
static void fill_in(size_t n, const char *text, size_t size)
{
	char *out = documents.at[n].text;
	size_t used = 0;

	for (size_t i = 0; i < size && used + 80 < DOCUMENT_MAX; i++) {
		size_t other = i + 1 < size ? (size_t)(text[i + 1] - '0') : 0;

		if (text[i] != '@' || other <= n || other >= documents.count) {
			out[used++] = text[i];
			continue;
		}
		memcpy(out + used, documents.at[other].hex, 2 * DIGEST_SIZE);
		used += 2 * DIGEST_SIZE;
		i++;
	}
	documents.at[n].size = used;
}

static void take_documents(const char *text, size_t size)
{
	const char *starts[DOCUMENTS_MAX];
	size_t sizes[DOCUMENTS_MAX];

	documents.count = 0;
	while (documents.count < DOCUMENTS_MAX && size > 0) {
		const char *end = memchr(text, '\0', size);
		size_t length = end ? (size_t)(end - text) : size;

		starts[documents.count] = text;
		sizes[documents.count++] = length;
		text += length + (end ? 1 : 0);
		size -= length + (end ? 1 : 0);
	}
	for (size_t n = documents.count; n-- > 0;) { /* earlier ones name later ones */
		uint8_t digest[DIGEST_SIZE];

		fill_in(n, starts[n], sizes[n]);
		claim(sha256_of(documents.at[n].text, documents.at[n].size, digest) == 0);
		text_hex(documents.at[n].hex, digest, DIGEST_SIZE);
	}
}

static void check_blob(const char *blob, size_t size, unsigned int count)
{
	size_t at = 0;

	for (unsigned int i = 0; i < count; i++) {
		claim(at < size && memchr(blob + at, '\0', size - at));
		at += strlen(blob + at) + 1;
	}
}

static void run(int (*unpack)(struct unpack *u), const struct wire_unpack_job *job)
{
	static struct unpack u;
	int r;

	memset(&u, 0, sizeof(u));
	u.job = job;
	r = unpack(&u);
	free(u.documents[0].text);
	free(u.documents[1].text);
	if (r < 0)
		return;
	claim(u.layer_count <= IMAGE_LAYERS_MAX);
	check_blob(u.config.entrypoint, sizeof(u.config.entrypoint), u.config.entrypoint_count);
	check_blob(u.config.cmd, sizeof(u.config.cmd), u.config.cmd_count);
	check_blob(u.config.env, sizeof(u.config.env), u.config.env_count);
	claim(text_terminated(u.config.cwd, sizeof(u.config.cwd)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wire_unpack_job job;

	take_documents((const char *)data, size);
	if (documents.count == 0)
		return 0;
	run(oci_read, &job);
	run(docker_read, &job);
	return 0;
}
