// SPDX-License-Identifier: Apache-2.0
/* bindings: [{"type": "service", "service": NAME, "format": "url", "env": VARIABLE}]. */
#include "runtime/api/schema_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/api/blob.h"
#include "runtime/base/text.h"

/* A member that has one possible value, or is absent. */
static bool is_word(const struct json *value, const char *word)
{
	return json_kind(value) == JSON_NULL ||
	       (json_string(value) && strcmp(json_string(value), word) == 0);
}

static const char *member_fault(const struct json *item)
{
	static const char *const known[] = {"type", "service", "format", "env", "revision"};

	for (size_t i = 0; i < json_count(item); i++) {
		bool found = false;

		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			found |= strcmp(json_key_at(item, i), known[k]) == 0;
		if (!found)
			return "has an unknown key (type, service, format, env)";
	}
	if (!is_word(json_get(item, "type"), "service"))
		return "has a type that is not offered (\"service\")";
	return is_word(json_get(item, "format"), "url")
		       ? NULL
		       : "has a format that is not offered (\"url\")";
}

static const char *variable_fault(const struct service_spec *spec, const char *name)
{
	if (!name || !text_is_variable(name, strlen(name)))
		return "has an env that is no name of a variable (letters, digits, _ . - and no "
		       "digit first)";
	if (strlen(name) >= SPEC_VARIABLE_SIZE)
		return "has an env that is too long (..127 bytes)";
	if (schema_is_our_variable(name))
		return "has an env that ebb itself sets";
	if (blob_find(spec->env, spec->env_count, name) ||
	    blob_find(spec->secrets, spec->secret_count, name))
		return "has an env that the service sets itself";
	for (uint32_t i = 0; i < spec->binding_count; i++)
		if (strcmp(spec->bindings[i].variable, name) == 0)
			return "has the env of another binding";
	return NULL;
}

/* env stands before bindings in the table of settings, so spec has it already. */
static const char *read_one(struct service_spec *spec, const struct json *item)
{
	struct spec_binding *b = &spec->bindings[spec->binding_count];
	const char *service = json_string(json_get(item, "service"));
	const char *variable = json_string(json_get(item, "env"));
	const char *fault =
		json_kind(item) == JSON_OBJECT ? member_fault(item) : "is not an object";
	int64_t revision = 0;

	if (!fault && (!service || !text_is_label(service)))
		fault = "has a service that is no name of one ([a-z0-9-], ..63)";
	if (!fault)
		fault = variable_fault(spec, variable);
	if (!fault && json_get(item, "revision") &&
	    (json_int(json_get(item, "revision"), &revision) < 0 || revision < 0 ||
	     revision > UINT32_MAX))
		fault = "has a revision that is none";
	if (fault)
		return fault;
	(void)text_copy(b->service, sizeof(b->service), service);
	(void)text_copy(b->variable, sizeof(b->variable), variable);
	b->revision = (uint32_t)revision;
	spec->binding_count++;
	return NULL;
}

static void read_bindings(struct service_spec *spec, const struct service_spec *before,
			  const struct json *value, const char *path, struct problem_list *errors)
{
	if (json_kind(value) != JSON_ARRAY) {
		problem_add(errors, path, "must be a list of bindings");
		return;
	}
	if (json_count(value) > BINDINGS_MAX) {
		problem_add(errors, path, "%zu bindings are too many (..%d)", json_count(value),
			    BINDINGS_MAX);
		return;
	}
	for (size_t i = 0; i < json_count(value); i++) {
		const char *fault = read_one(spec, json_at(value, i));
		char at[96];

		snprintf(at, sizeof(at), "%s[%zu]", path, i);
		if (fault)
			problem_add(errors, at, "%s", fault);
	}
}

static void write_bindings(struct json_out *o, const char *key, const struct service_spec *spec,
			   enum spec_view view)
{
	json_out_array(o, key);
	for (uint32_t i = 0; i < spec->binding_count; i++) {
		const struct spec_binding *b = &spec->bindings[i];

		json_out_object(o, NULL);
		json_out_string(o, "type", "service");
		json_out_string(o, "service", b->service);
		json_out_string(o, "format", "url");
		json_out_string(o, "env", b->variable);
		if (b->revision)
			json_out_u64(o, "revision", b->revision);
		json_out_end_object(o);
	}
	json_out_end_array(o);
}

const struct schema_part schema_bindings = {read_bindings, write_bindings};
