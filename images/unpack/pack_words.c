// SPDX-License-Identifier: Apache-2.0
/* The documents of an exported image (OCI image-spec: config.md, manifest.md, image-index.md). They
 * say all that the store knows of the image. The store does not keep labels, history and volumes,
 * as ebb uses none of them. */
#include "images/unpack/pack.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define MEDIA        "application/vnd.oci.image."
#define REF_NAME_KEY "org.opencontainers.image.ref.name"

/* ---- config ---- */

/* Texts of a fixed field; a text that the field does not end is left out. */
static void put_texts(struct json_out *o, const char *key, const char *field, size_t size,
		      unsigned int count)
{
	const char *end = field + size;

	if (count == 0)
		return;
	json_out_array(o, key);
	for (; count > 0 && memchr(field, '\0', (size_t)(end - field)); count--) {
		json_out_string(o, NULL, field);
		field += strlen(field) + 1;
	}
	json_out_end_array(o);
}

/* Only a login name brings additional groups. config.users has "name:uid:gid:groups:home". */
static bool find_login(const struct wire_image_config *c, char *out, size_t size)
{
	const char *at = c->users, *end = c->users + sizeof(c->users);
	char ids[32];

	(void)text_format(ids, sizeof(ids), ":%" PRIu32 ":%" PRIu32 ":", c->uid, c->gid);
	for (unsigned int n = 0; n < c->user_count && memchr(at, '\0', (size_t)(end - at)); n++) {
		size_t name = strcspn(at, ":");

		if (strncmp(at + name, ids, strlen(ids)) == 0)
			return text_format(out, size, "%.*s", (int)name, at) == 0;
		at += strlen(at) + 1;
	}
	return false;
}

static void put_user(struct json_out *o, const struct wire_image_config *c)
{
	char text[256];

	if (c->uid == 0 && c->gid == 0 && c->group_count == 0)
		return;
	if (c->group_count == 0 || !find_login(c, text, sizeof(text)))
		(void)text_format(text, sizeof(text), "%" PRIu32 ":%" PRIu32, c->uid, c->gid);
	json_out_string(o, "User", text);
}

static void put_settings(struct json_out *o, const struct wire_image_config *c)
{
	char text[24];

	json_out_object(o, "config");
	put_user(o, c);
	if (c->port) {
		(void)text_format(text, sizeof(text), "%u/tcp", c->port);
		json_out_object(o, "ExposedPorts");
		json_out_object(o, text);
		json_out_end_object(o);
		json_out_end_object(o);
	}
	put_texts(o, "Env", c->env, sizeof(c->env), c->env_count);
	put_texts(o, "Entrypoint", c->entrypoint, sizeof(c->entrypoint), c->entrypoint_count);
	put_texts(o, "Cmd", c->cmd, sizeof(c->cmd), c->cmd_count);
	if (c->cwd[0] && text_terminated(c->cwd, sizeof(c->cwd)))
		json_out_string(o, "WorkingDir", c->cwd);
	if (c->stop_signal) {
		(void)text_format(text, sizeof(text), "%u", c->stop_signal);
		json_out_string(o, "StopSignal", text);
	}
	json_out_end_object(o);
}

void pack_config(const struct wire_unpack_image *image, const struct blob *layers,
		 struct json_out *o)
{
	json_out_object(o, NULL);
	json_out_string(o, "architecture", oci_architecture());
	json_out_string(o, "os", "linux");
	put_settings(o, &image->config);
	json_out_object(o, "rootfs");
	json_out_string(o, "type", "layers");
	json_out_array(o, "diff_ids");
	for (uint32_t n = 0; n < image->layer_count; n++) {
		char text[sizeof("sha256:") + 2 * DIGEST_SIZE];

		(void)text_format(text, sizeof(text), "sha256:%s", layers[n].hex);
		json_out_string(o, NULL, text);
	}
	json_out_end_array(o);
	json_out_end_object(o);
	json_out_end_object(o);
}

/* ---- manifest and index ---- */

static void open_descriptor(struct json_out *o, const char *key, const char *type,
			    const struct blob *b)
{
	char digest[sizeof("sha256:") + 2 * DIGEST_SIZE];

	(void)text_format(digest, sizeof(digest), "sha256:%s", b->hex);
	json_out_object(o, key);
	json_out_string(o, "mediaType", type);
	json_out_string(o, "digest", digest);
	json_out_u64(o, "size", b->size);
}

void pack_manifest(const struct blob *config, const struct blob *layers, uint32_t count,
		   struct json_out *o)
{
	json_out_object(o, NULL);
	json_out_u64(o, "schemaVersion", 2);
	json_out_string(o, "mediaType", MEDIA "manifest.v1+json");
	open_descriptor(o, "config", MEDIA "config.v1+json", config);
	json_out_end_object(o);
	json_out_array(o, "layers");
	for (uint32_t n = 0; n < count; n++) {
		open_descriptor(o, NULL, MEDIA "layer.v1.tar", &layers[n]);
		json_out_end_object(o);
	}
	json_out_end_array(o);
	json_out_end_object(o);
}

void pack_index(const struct blob *manifest, const char *reference, struct json_out *o)
{
	json_out_object(o, NULL);
	json_out_u64(o, "schemaVersion", 2);
	json_out_string(o, "mediaType", MEDIA "index.v1+json");
	json_out_array(o, "manifests");
	open_descriptor(o, NULL, MEDIA "manifest.v1+json", manifest);
	if (reference[0]) {
		json_out_object(o, "annotations");
		json_out_string(o, REF_NAME_KEY, reference);
		json_out_end_object(o);
	}
	json_out_end_object(o);
	json_out_end_array(o);
	json_out_end_object(o);
}
