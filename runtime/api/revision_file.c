// SPDX-License-Identifier: Apache-2.0
/* A revision as JSON, on disk with all its values, in answers without those of variables. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/api/images.h"
#include "runtime/api/services.h"
#include "runtime/base/clock.h"
#include "runtime/base/fault.h"
#include "runtime/base/text.h"

bool revision_same(const struct revision *a, const struct revision *b)
{
	return memcmp(a->digest, b->digest, sizeof(a->digest)) == 0 &&
	       service_spec_same(&a->spec, &b->spec);
}

void revision_etag(const struct revision *rev, char etag[ETAG_SIZE])
{
	/* The settings are not hashed, because a hash of a short value tells the value. Number and
	 * time name the revision, and a revision never changes. */
	uint64_t hash = text_hash(rev->digest, sizeof(rev->digest)) ^
			text_hash(&rev->created_us, sizeof(rev->created_us));

	snprintf(etag, ETAG_SIZE, "\"%u-%016" PRIx64 "\"", rev->number, hash);
}

void revision_write(struct json_out *o, const char *name, const struct revision *rev,
		    enum spec_view view)
{
	char text[DIGEST_TEXT_SIZE], when[28];

	image_digest_text(rev->digest, text);
	json_out_string(o, "name", name);
	json_out_u64(o, "revision", rev->number);
	json_out_string(o, "digest", text);
	json_out_string(o, "created_at", clock_rfc3339(rev->created_us, when));
	service_spec_write(o, &rev->spec, view);
}

int revision_read(const struct json *document, struct revision *out, struct fault *f)
{
	const char *digest = json_string(json_get(document, "digest"));
	const char *when = json_string(json_get(document, "created_at"));
	struct problem_list errors = {0}, warnings = {0};
	int64_t number;

	memset(out, 0, sizeof(*out));
	if (json_int(json_get(document, "revision"), &number) < 0 || number < 1 ||
	    number > UINT32_MAX || !digest || image_digest_parse(digest, out->digest) || !when ||
	    clock_parse_rfc3339(when, &out->created_us))
		return fault_say(f, -EINVAL, "it does not hold a revision of a service");
	out->number = (uint32_t)number;
	service_spec_read(document, NULL, &out->spec, &errors, &warnings);
	if (errors.count == 0)
		return 0;
	fault_say(f, -EINVAL, "%s %s", errors.items[0].path, errors.items[0].message);
	return REVISION_REFUSED;
}
