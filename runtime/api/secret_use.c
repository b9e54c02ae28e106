// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/secret_use.h"

#include <stdio.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/secrets.h"
#include "runtime/api/services.h"
#include "runtime/base/fault.h"
#include "runtime/base/mem.h"
#include "runtime/base/nearest.h"

/* "env.DATABASE_URL" */
static const char *path_of(const char *pair, char *buf, size_t size)
{
	snprintf(buf, size, "env.%.*s", (int)strcspn(pair, "="), pair);
	return buf;
}

static void refuse_unknown(struct api *api, const char *pair, struct problem_list *errors)
{
	const char *name = strchr(pair, '=') + 1;
	char path[96], question[128];
	struct nearest near;

	nearest_init(&near, name);
	for (size_t i = 0; i < secrets_count(api->secrets); i++)
		nearest_offer(&near, secrets_at(api->secrets, i)->name);
	problem_add(errors, path_of(pair, path, sizeof(path)),
		    "there is no secret \"%s\"; %smake it with `ebb secret set %s`", name,
		    nearest_question(&near, question, sizeof(question)), name);
}

void secrets_pin(struct api *api, struct service_spec *spec, struct problem_list *errors)
{
	const char *pair = spec->secrets;

	for (uint32_t i = 0; i < spec->secret_count; i++, pair += strlen(pair) + 1) {
		const struct secret *s = secrets_find(api->secrets, strchr(pair, '=') + 1);

		if (s)
			spec->secret_versions[i] = secret_newest(s);
		else
			refuse_unknown(api, pair, errors);
	}
}

void secrets_fill(struct api *api, const struct service_spec *spec, struct blob *out,
		  struct problem_list *errors)
{
	char value[SECRET_BYTES_MAX + 1], path[96], variable[256];
	const char *pair = spec->secrets;

	for (uint32_t i = 0; i < spec->secret_count; i++, pair += strlen(pair) + 1) {
		struct fault fault = {0};

		(void)path_of(pair, path, sizeof(path));
		snprintf(variable, sizeof(variable), "%.*s", (int)strcspn(pair, "="), pair);
		if (secrets_read(api->secrets, strchr(pair, '=') + 1, spec->secret_versions[i],
				 value, &fault) < 0)
			problem_add(errors, path, "%s; %s", fault.what, fault.mend);
		else if (blob_add_pair(out, variable, value) < 0)
			problem_add(errors, path,
				    "the values of its secrets are too long (..%zu "
				    "bytes in all)",
				    out->size);
	}
	explicit_bzero(value, sizeof(value));
}

uint32_t secret_of_spec(const struct service_spec *spec, const char *name)
{
	const char *pair = spec->secrets;

	for (uint32_t i = 0; i < spec->secret_count; i++, pair += strlen(pair) + 1)
		if (strcmp(strchr(pair, '=') + 1, name) == 0)
			return spec->secret_versions[i];
	return 0;
}

static bool uses(const struct service_spec *spec, const char *name, uint32_t version)
{
	uint32_t has = secret_of_spec(spec, name);

	return has && (!version || has == version);
}

bool secret_serves(struct api *api, const struct service *s, const char *name, uint32_t version)
{
	SCOPED_MEM struct revision *rev = NULL;

	if (uses(&s->current.spec, name, version))
		return true;
	rev = s->traffic.count ? calloc(1, sizeof(*rev)) : NULL;
	for (size_t i = 0; i < s->traffic.count; i++) {
		/* Without knowing, it counts as used. */
		if (!rev ||
		    services_load_revision(api->services, s->name, s->traffic.shares[i].revision,
					   rev) < 0 ||
		    uses(&rev->spec, name, version))
			return true;
	}
	return false;
}

const struct service *service_changing(struct api *api)
{
	for (size_t i = 0; i < services_count(api->services); i++)
		if (services_at(api->services, i)->changing)
			return services_at(api->services, i);
	return NULL;
}
