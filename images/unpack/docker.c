// SPDX-License-Identifier: Apache-2.0
/* The archives of `docker save`, podman, Bazel, Nix, ko, jib and `skopeo copy ... docker-archive:`.
 * manifest.json names a config, most often by its digest, and layers. Only the diff_ids in the
 * config vouch for the layers. */
#include "images/unpack/unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

static bool has_tag(const struct json *image, const char *wanted)
{
	const struct json *tags = json_get(image, "RepoTags");

	for (size_t i = 0; i < json_count(tags); i++) {
		const char *tag = json_string(json_at(tags, i));

		if (tag && strcmp(tag, wanted) == 0)
			return true;
	}
	return false;
}

static void list_tags(const struct json *images, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < json_count(images) && used + 1 < size; i++) {
		const char *tag = json_string(json_at(json_get(json_at(images, i), "RepoTags"), 0));

		(void)text_format(buf + used, size - used, "%s%s", i ? ", " : "",
				  tag ? tag : "(no name)");
		used = strlen(buf);
	}
}

static int choose(struct unpack *u, const struct json *images, const struct json **out)
{
	const char *wanted = u->job->reference;
	char names[256];

	for (size_t i = 0; i < json_count(images); i++) {
		const struct json *image = json_at(images, i);

		if (wanted[0] ? has_tag(image, wanted) : json_count(images) == 1) {
			*out = image;
			return 0;
		}
	}
	list_tags(images, names, sizeof(names));
	if (wanted[0])
		return unpack_fail(u, -ENOENT, "no image named %.100s in the archive, only: %s",
				   wanted, names);
	return unpack_fail(u, -EINVAL, "the archive holds %zu images%s%s", json_count(images),
			   json_count(images) ? ": name one of: " : "", names);
}

/* Whether the config's name holds its digest: "HEX.json" (docker, podman, Nix), "sha256:HEX"
 * (ko, kaniko, buildpacks) and "blobs/sha256/HEX" (docker from 25 on) do, "config.json" (jib)
 * does not. */
static bool name_is_digest(const char *name, uint8_t digest[DIGEST_SIZE])
{
	const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
	char hex[2 * DIGEST_SIZE + 1];

	if (strncmp(base, "sha256:", 7) == 0)
		base += 7;
	if (strcspn(base, ".") != sizeof(hex) - 1)
		return false;
	memcpy(hex, base, sizeof(hex) - 1);
	hex[sizeof(hex) - 1] = '\0';
	return text_unhex(digest, DIGEST_SIZE, hex) == 0;
}

static int load_config(struct unpack *u, const char *name)
{
	uint8_t found[DIGEST_SIZE], named[DIGEST_SIZE];
	struct document *d = &u->documents[0];
	int r = member_load(u, name, &d->text, &d->size);

	if (r < 0)
		return r;
	if (!name_is_digest(name, named))
		return 0;
	if (sha256_of(d->text, d->size, found) < 0 || memcmp(found, named, DIGEST_SIZE) != 0)
		return unpack_fail(u, -EINVAL,
				   "config %.100s: digest is another: the archive is damaged",
				   name);
	return 0;
}

int docker_describe(struct unpack *u, const struct document *text, struct json **out_config,
		    const char **out_user)
{
	struct json *config;
	char err[256];
	int r = json_parse(text->text, text->size, JSON_DEPTH_MAX, &config, err, sizeof(err));

	if (r < 0)
		return unpack_fail(u, r, "the image's config: %s", err);
	r = config_read(u, config, out_user);
	if (r < 0)
		json_free(config);
	else
		*out_config = config;
	return r;
}

static int check_layers(struct unpack *u, const struct json *layers)
{
	if (json_count(layers) != u->layer_count)
		return unpack_fail(u, -EINVAL,
				   "manifest.json has %zu layers, the config %" PRIu32 " diff_ids",
				   json_count(layers), u->layer_count);
	for (uint32_t i = 0; i < u->layer_count; i++)
		if (!json_string(json_at(layers, i)))
			return unpack_fail(u, -EINVAL,
					   "manifest.json: layer %" PRIu32 " has no name", i + 1);
	return 0;
}

static int hand_out_layers(struct unpack *u, const struct json *layers)
{
	int r = 0;

	for (uint32_t i = 0; i < u->layer_count && r == 0; i++)
		r = flow_layer(u, i, json_string(json_at(layers, i)), NULL);
	return r;
}

static int read_image(struct unpack *u, const struct json *image)
{
	const char *name = json_string(json_get(image, "Config")), *user;
	const struct json *layers = json_get(image, "Layers");
	struct json *config = NULL;
	int r;

	if (!name)
		return unpack_fail(u, -EINVAL, "manifest.json: the image has no Config");
	r = load_config(u, name);
	if (r == 0)
		r = docker_describe(u, &u->documents[0], &config, &user);
	if (r < 0)
		return r;
	json_free(config);
	r = check_layers(u, layers);
	if (r == 0)
		r = flow_begin(u);
	return r < 0 ? r : hand_out_layers(u, layers);
}

int docker_read(struct unpack *u)
{
	SCOPED_MEM char *text = NULL;
	const struct json *image = NULL;
	struct json *images;
	char err[256];
	size_t size;
	int r = member_load(u, "manifest.json", &text, &size);

	if (r < 0)
		return r;
	r = json_parse(text, size, JSON_DEPTH_MAX, &images, err, sizeof(err));
	if (r < 0)
		return unpack_fail(u, r, "manifest.json: %s", err);
	r = choose(u, images, &image);
	if (r == 0)
		r = read_image(u, image);
	json_free(images);
	return r;
}
