// SPDX-License-Identifier: Apache-2.0
/* An image's metadata as JSON: the same document on disk and in answers. */
#include <errno.h>
#include <string.h>

#include "runtime/api/blob.h"
#include "runtime/api/exec_merge.h"
#include "runtime/api/images.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

void image_digest_text(const uint8_t *digest, char text[DIGEST_TEXT_SIZE])
{
	memcpy(text, "sha256:", 7);
	text_hex(text + 7, digest, DIGEST_SIZE);
}

int image_digest_parse(const char *text, uint8_t *digest)
{
	if (strncmp(text, "sha256:", 7) != 0)
		return -EINVAL;
	return text_unhex(digest, DIGEST_SIZE, text + 7);
}

static void write_config(struct json_out *o, const struct wire_image_config *c)
{
	json_out_object(o, "config");
	json_out_u64(o, "uid", c->uid);
	json_out_u64(o, "gid", c->gid);
	json_out_array(o, "groups");
	for (uint32_t i = 0; i < c->group_count; i++)
		json_out_u64(o, NULL, c->groups[i]);
	json_out_end_array(o);
	json_out_u64(o, "stop_signal", c->stop_signal);
	json_out_u64(o, "port", c->port);
	json_out_string(o, "cwd", c->cwd);
	blob_write(o, "entrypoint", c->entrypoint, c->entrypoint_count);
	blob_write(o, "cmd", c->cmd, c->cmd_count);
	blob_write(o, "env", c->env, c->env_count);
	blob_write(o, "users", c->users, c->user_count);
	json_out_end_object(o);
}

void image_write(struct json_out *o, const struct image *image)
{
	char text[DIGEST_TEXT_SIZE], when[28];

	image_digest_text(image->digest, text);
	json_out_string(o, "digest", text);
	json_out_u64(o, "bytes", image->bytes);
	json_out_string(o, "imported_at", clock_rfc3339(image->imported_us, when));
	json_out_bool(o, "removing", image->removing);
	json_out_array(o, "layers");
	for (uint32_t i = 0; i < image->layer_count; i++) {
		image_digest_text(image->layers[i], text);
		json_out_string(o, NULL, text);
	}
	json_out_end_array(o);
	write_config(o, &image->config);
}

static int read_u64(const struct json *object, const char *key, uint64_t max, uint64_t *out)
{
	int64_t n;

	if (json_int(json_get(object, key), &n) < 0 || n < 0 || (uint64_t)n > max)
		return -EINVAL;
	*out = (uint64_t)n;
	return 0;
}

static int read_strings(const struct json *object, const char *key, char *field, size_t size,
			uint16_t *count)
{
	struct blob b = {.memory = field, .size = size};
	int r = blob_read(&b, json_get(object, key));

	if (r == 0)
		*count = (uint16_t)b.count;
	return r;
}

static int read_numbers(const struct json *v, struct wire_image_config *c)
{
	const struct json *groups = json_get(v, "groups");
	uint64_t uid, gid, stop_signal, port;

	if (read_u64(v, "uid", 65535, &uid) || read_u64(v, "gid", 65535, &gid) ||
	    read_u64(v, "stop_signal", 64, &stop_signal) || read_u64(v, "port", 65535, &port) ||
	    json_count(groups) > ARRAY_LEN(c->groups))
		return -EINVAL;
	c->uid = (uint32_t)uid;
	c->gid = (uint32_t)gid;
	c->stop_signal = (uint16_t)stop_signal;
	c->port = (uint16_t)port;
	for (size_t i = 0; i < json_count(groups); i++) {
		int64_t n;

		if (json_int(json_at(groups, i), &n) < 0 || n < 0 || n > 65535)
			return -EINVAL;
		c->groups[c->group_count++] = (uint32_t)n;
	}
	return 0;
}

static int read_config(const struct json *v, struct wire_image_config *c)
{
	const char *cwd = json_string(json_get(v, "cwd"));

	if (read_numbers(v, c) || !cwd || text_copy(c->cwd, sizeof(c->cwd), cwd) ||
	    read_strings(v, "entrypoint", c->entrypoint, sizeof(c->entrypoint),
			 &c->entrypoint_count) ||
	    read_strings(v, "cmd", c->cmd, sizeof(c->cmd), &c->cmd_count) ||
	    read_strings(v, "env", c->env, sizeof(c->env), &c->env_count))
		return -EINVAL;
	/* Images of earlier versions have none. */
	if (json_get(v, "users") &&
	    read_strings(v, "users", c->users, sizeof(c->users), &c->user_count))
		return -EINVAL;
	return 0;
}

int image_read(const struct json *document, struct image *out)
{
	const struct json *layers = json_get(document, "layers");
	const char *digest = json_string(json_get(document, "digest"));
	const char *when = json_string(json_get(document, "imported_at"));

	memset(out, 0, sizeof(*out));
	if (!digest || image_digest_parse(digest, out->digest) || !when ||
	    clock_parse_rfc3339(when, &out->imported_us) || json_count(layers) > IMAGE_LAYERS_MAX ||
	    read_u64(document, "bytes", INT64_MAX, &out->bytes))
		return -EINVAL;
	out->removing = json_is_true(json_get(document, "removing"));
	for (size_t i = 0; i < json_count(layers); i++) {
		const char *text = json_string(json_at(layers, i));

		if (!text || image_digest_parse(text, out->layers[i]))
			return -EINVAL;
		out->layer_count++;
	}
	return read_config(json_get(document, "config"), &out->config);
}
