// SPDX-License-Identifier: Apache-2.0
/* The OCI image layout (image-spec image-layout.md, image-index.md, manifest.md). index.json leads
 * to a manifest, maybe through nested indexes; the manifest names a config and layers. */
#include "images/unpack/unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define INDEX_DEPTH_MAX 4
#define REF_NAME        "org.opencontainers.image.ref.name"
#define DOCKER_NAME     "io.containerd.image.name"
#define ATTESTED        "vnd.docker.reference.digest"

/* clang-format off */
static const char *const index_types[] = {
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
};
static const char *const manifest_types[] = {
	"application/vnd.oci.image.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.v2+json",
};
static const char *const config_types[] = {
	"application/vnd.oci.image.config.v1+json",
	"application/vnd.docker.container.image.v1+json",
};
static const char *const layer_types[] = {
	"application/vnd.oci.image.layer.v1.tar",
	"application/vnd.oci.image.layer.v1.tar+gzip",
	"application/vnd.oci.image.layer.v1.tar+zstd",
	"application/vnd.oci.image.layer.nondistributable.v1.tar",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
	"application/vnd.docker.image.rootfs.diff.tar",
	"application/vnd.docker.image.rootfs.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.diff.tar.zstd",
	"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
};
/* clang-format on */

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(text, list[i]) == 0)
			return true;
	return false;
}

static bool platform_fits(const struct json *descriptor)
{
	const struct json *platform = json_get(descriptor, "platform");
	const char *os = json_string(json_get(platform, "os"));
	const char *arch = json_string(json_get(platform, "architecture"));

	return platform_is_ours(os, arch);
}

static const char *ref_name(const struct json *descriptor, const char *key)
{
	return json_string(json_get(json_get(descriptor, "annotations"), key));
}

static bool ref_fits(const struct json *descriptor, const char *wanted)
{
	const char *ref = ref_name(descriptor, REF_NAME);
	const char *name = ref_name(descriptor, DOCKER_NAME);

	return !wanted[0] || (ref && strcmp(ref, wanted) == 0) ||
	       (name && strcmp(name, wanted) == 0);
}

/* Whether the descriptor is that of an image or an index, and not of a signature, a list of parts
 * or an attestation. */
static bool is_image(const struct json *descriptor)
{
	const char *type = json_string(json_get(descriptor, "mediaType"));
	const char *artifact = json_string(json_get(descriptor, "artifactType"));

	return type && (!artifact || !artifact[0]) && !ref_name(descriptor, ATTESTED) &&
	       (is_one_of(type, index_types, ARRAY_LEN(index_types)) ||
		is_one_of(type, manifest_types, ARRAY_LEN(manifest_types)));
}

static bool is_same(const struct json *a, const struct json *b)
{
	const char *x = json_string(json_get(a, "digest")), *y = json_string(json_get(b, "digest"));

	return x && y && strcmp(x, y) == 0;
}

/* Counts the different entries that fit; *out is the first of them. */
static size_t count_fitting(const struct json *manifests, const char *wanted, bool images_only,
			    const struct json **out)
{
	const struct json *found = NULL;
	size_t fit = 0;

	for (size_t i = 0; i < json_count(manifests); i++) {
		const struct json *d = json_at(manifests, i);

		if (!platform_fits(d) || !ref_fits(d, wanted) || (images_only && !is_image(d)) ||
		    (found && is_same(d, found)))
			continue;
		found = found ? found : d;
		fit++;
	}
	*out = found;
	return fit;
}

/* Lists the names of an index, "a, b, c", cut to fit. */
static void list_names(const struct json *manifests, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < json_count(manifests) && used + 1 < size; i++) {
		const char *ref = ref_name(json_at(manifests, i), REF_NAME);

		(void)text_format(buf + used, size - used, "%s%s", i ? ", " : "",
				  ref ? ref : "(no name)");
		used = strlen(buf);
	}
}

/* Finds the one entry that fits. In a nested index this is the first one that fits the platform
 * (OCI image-spec image-index.md). */
static int choose(struct unpack *u, const struct json *index, unsigned int depth,
		  const struct json **out)
{
	const struct json *manifests = json_get(index, "manifests");
	const char *wanted = depth == 0 ? u->job->reference : "";
	size_t fit = count_fitting(manifests, wanted, true, out);
	char names[256];

	if (fit == 0) /* take other kinds, whose error says what they are */
		fit = count_fitting(manifests, wanted, false, out);
	if (fit == 1 || (fit > 1 && depth > 0))
		return 0;
	list_names(manifests, names, sizeof(names));
	if (fit > 1)
		return unpack_fail(u, -EINVAL, "the archive holds several images: name one of: %s",
				   names);
	if (json_count(manifests) == 0)
		return unpack_fail(u, -ENOENT, "the archive's index names no image");
	return unpack_fail(u, -ENOENT, "no image%s%.100s for linux/%s in the archive, only: %s",
			   wanted[0] ? " named " : "", wanted, oci_architecture(), names);
}

static int read_layer(struct unpack *u, const struct json *layers, uint32_t index,
		      struct descriptor *out)
{
	char what[32];
	int r;

	(void)text_format(what, sizeof(what), "layer %" PRIu32, index + 1);
	r = descriptor_read(u, what, json_at(layers, index), out);
	if (r < 0)
		return r;
	if (!is_one_of(out->media_type, layer_types, ARRAY_LEN(layer_types)))
		return unpack_fail(u, -EINVAL, "%s sha256:%.12s: unknown mediaType %.100s", what,
				   out->hex, out->media_type);
	return 0;
}

static int check_layers(struct unpack *u, const struct json *layers)
{
	struct descriptor unused;
	int r = 0;

	if (json_count(layers) != u->layer_count)
		return unpack_fail(u, -EINVAL,
				   "the manifest has %zu layers, the config %" PRIu32 " diff_ids",
				   json_count(layers), u->layer_count);
	for (uint32_t i = 0; i < u->layer_count && r == 0; i++)
		r = read_layer(u, layers, i, &unused);
	return r;
}

static int hand_out_layers(struct unpack *u, const struct json *layers)
{
	char name[MEMBER_NAME_SIZE];
	struct descriptor d;
	int r = 0;

	for (uint32_t i = 0; i < u->layer_count && r == 0; i++) {
		r = read_layer(u, layers, i, &d);
		(void)text_format(name, sizeof(name), "blobs/sha256/%s", d.hex);
		if (r == 0)
			r = flow_layer(u, i, name, &d);
	}
	return r;
}

static int config_descriptor(struct unpack *u, const struct json *manifest, struct descriptor *out)
{
	int r = descriptor_read(u, "config", json_get(manifest, "config"), out);

	if (r < 0)
		return r;
	if (!is_one_of(out->media_type, config_types, ARRAY_LEN(config_types)))
		return unpack_fail(u, -EINVAL, "config sha256:%.12s: unknown mediaType %.100s",
				   out->hex, out->media_type);
	return 0;
}

int oci_describe(struct unpack *u, const struct json *manifest, const struct document *text,
		 struct json **out_config, const char **out_user)
{
	struct json *config = NULL;
	struct descriptor d;
	char err[256];
	int r = config_descriptor(u, manifest, &d);

	if (r == 0)
		r = blob_verify(u, "config", &d, text->text, text->size);
	if (r < 0)
		return r;
	r = json_parse(text->text, text->size, JSON_DEPTH_MAX, &config, err, sizeof(err));
	if (r < 0)
		return unpack_fail(u, r, "config sha256:%.12s: %s", d.hex, err);
	r = config_read(u, config, out_user);
	if (r == 0)
		r = check_layers(u, json_get(manifest, "layers"));
	if (r < 0)
		json_free(config);
	else
		*out_config = config;
	return r;
}

static int load_config(struct unpack *u, const struct json *manifest)
{
	struct json *config = NULL;
	struct descriptor d;
	int r = config_descriptor(u, manifest, &d);

	if (r == 0)
		r = blob_load_json(u, "config", &d, &u->documents[1], &config);
	if (r == 0)
		json_free(config);
	return r;
}

static int read_manifest(struct unpack *u, const struct json *manifest)
{
	struct json *config = NULL;
	const char *user;
	int r = load_config(u, manifest);

	if (r == 0)
		r = oci_describe(u, manifest, &u->documents[1], &config, &user);
	if (r < 0)
		return r;
	json_free(config);
	r = flow_begin(u);
	return r < 0 ? r : hand_out_layers(u, json_get(manifest, "layers"));
}

static int follow(struct unpack *u, const struct json *index, unsigned int depth)
{
	const struct json *chosen;
	struct descriptor d;
	struct json *next;
	bool nested;
	int r = choose(u, index, depth, &chosen);

	if (r == 0)
		r = descriptor_read(u, "manifest", chosen, &d);
	if (r < 0)
		return r;
	nested = is_one_of(d.media_type, index_types, ARRAY_LEN(index_types));
	if (!nested && !is_one_of(d.media_type, manifest_types, ARRAY_LEN(manifest_types)))
		return unpack_fail(u, -EINVAL, "manifest sha256:%.12s: unknown mediaType %.100s",
				   d.hex, d.media_type);
	if (nested && depth >= INDEX_DEPTH_MAX)
		return unpack_fail(u, -ELOOP, "the archive's indexes nest too deep");
	free(u->documents[0].text);
	u->documents[0].text = NULL;
	r = blob_load_json(u, nested ? "index" : "manifest", &d, &u->documents[0], &next);
	if (r < 0)
		return r;
	r = nested ? follow(u, next, depth + 1) : read_manifest(u, next);
	json_free(next);
	return r;
}

int oci_read(struct unpack *u)
{
	SCOPED_MEM char *text = NULL;
	struct json *index;
	char err[256];
	size_t size;
	int r = member_load(u, "index.json", &text, &size);

	if (r < 0)
		return r;
	r = json_parse(text, size, JSON_DEPTH_MAX, &index, err, sizeof(err));
	if (r < 0)
		return unpack_fail(u, r, "index.json: %s", err);
	r = follow(u, index, 0);
	json_free(index);
	return r;
}
