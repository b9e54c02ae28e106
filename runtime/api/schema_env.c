// SPDX-License-Identifier: Apache-2.0
/* env: {"NAME": "value"} or {"NAME": {"secret": "SECRET"}}. */
#include "runtime/api/schema_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/blob.h"
#include "runtime/api/secret_file.h"
#include "runtime/base/mem.h"
#include "runtime/base/sort.h"
#include "runtime/base/text.h"

#define VARIABLE_BYTES_MAX 200

struct pair {
	const char *name;
	const char *value;  /* or NULL */
	const char *secret; /* the name of the secret that has the value, or NULL */
	uint32_t version;   /* of the secret; 0: to be chosen (secret_use.h) */
	bool kept;          /* null was given (answers hold no values): the present value stays */
};

/* {"secret": "NAME"}, with the version that an answer adds. */
static void read_reference(struct pair *pair, const struct json *value)
{
	int64_t version = 0;
	bool versioned = json_get(value, "version") != NULL;

	if (versioned && (json_int(json_get(value, "version"), &version) < 0 || version < 1 ||
			  version > UINT32_MAX))
		return;
	if (json_count(value) == (versioned ? 2 : 1))
		pair->secret = json_string(json_get(value, "secret"));
	pair->version = (uint32_t)version;
}

static void keep_present(struct pair *pair, const struct service_spec *before)
{
	pair->value = blob_find(before->env, before->env_count, pair->name);
	if (!pair->value)
		pair->secret = blob_find(before->secrets, before->secret_count, pair->name);
}

static struct pair pair_of(const char *name, const struct json *value,
			   const struct service_spec *before)
{
	struct pair pair = {.name = name, .value = json_string(value)};

	pair.kept = json_kind(value) == JSON_NULL;
	if (json_kind(value) == JSON_OBJECT)
		read_reference(&pair, value);
	if (pair.kept && before)
		keep_present(&pair, before);
	return pair;
}

static int compare_pairs(const void *a, const void *b)
{
	return strcmp(((const struct pair *)a)->name, ((const struct pair *)b)->name);
}

/* A variable that ebb sets itself may not be set twice. */
bool schema_is_our_variable(const char *name)
{
	return strcmp(name, "PORT") == 0 || strncmp(name, "EBB_", 4) == 0 ||
	       strncmp(name, "LISTEN_", 7) == 0 || strcmp(name, "VERCEL_IPC_PATH") == 0;
}

static const char *pair_fault(const struct pair *pair)
{
	if (!text_is_variable(pair->name, strlen(pair->name)))
		return "is not a name of a variable (letters, digits, _ . - and no digit first)";
	if (schema_is_our_variable(pair->name))
		return "is set by ebb itself (for PORT there is ebb.port)";
	if (pair->secret && !secret_name_valid(pair->secret))
		return "names no secret (letters, digits, _ and -, ..64)";
	if (pair->secret && strlen(pair->name) > VARIABLE_BYTES_MAX)
		return "is too long a name for a variable with a secret (..200 bytes)";
	if (pair->value || pair->secret)
		return NULL;
	return pair->kept ? "is null, which keeps the value there is, and there is none"
			  : "must be a string or {\"secret\": \"NAME\"}";
}

static int add_pair(struct service_spec *spec, struct blob *env, struct blob *secrets,
		    const struct pair *pair)
{
	if (pair->value)
		return blob_add_pair(env, pair->name, pair->value);
	if (secrets->count == SPEC_SECRETS_MAX)
		return -E2BIG;
	spec->secret_versions[secrets->count] = pair->version;
	return blob_add_pair(secrets, pair->name, pair->secret);
}

static void add_pairs(struct service_spec *spec, const struct pair *pairs, size_t count,
		      const char *path, struct problem_list *errors)
{
	struct blob env = {.memory = spec->env, .size = sizeof(spec->env)};
	struct blob secrets = {.memory = spec->secrets, .size = sizeof(spec->secrets)};

	for (size_t i = 0; i < count; i++) {
		if (add_pair(spec, &env, &secrets, &pairs[i]) == 0)
			continue;
		if (pairs[i].value)
			problem_add(errors, path, "is too large (..%d bytes in all)",
				    SPEC_ENV_SIZE);
		else
			problem_add(errors, path,
				    "names too many secrets (..%d of them, ..%d bytes of names)",
				    SPEC_SECRETS_MAX, SPEC_SECRETS_SIZE);
		return;
	}
	spec->env_count = env.count;
	spec->secret_count = secrets.count;
}

static void pair_problem(struct problem_list *errors, const char *path, const char *name,
			 const char *fault)
{
	char at[96];

	snprintf(at, sizeof(at), "%s.%.60s", path, name);
	for (char *c = at; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	problem_add(errors, at, "%s", fault);
}

static void read_env(struct service_spec *spec, const struct service_spec *before,
		     const struct json *value, const char *path, struct problem_list *errors)
{
	size_t count = json_count(value), known = errors->count;
	SCOPED_MEM struct pair *pairs = calloc(count + 1, sizeof(*pairs));

	if (json_kind(value) != JSON_OBJECT || !pairs) {
		problem_add(errors, path, "must be an object of names and strings");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		const char *fault;

		pairs[i] = pair_of(json_key_at(value, i), json_at(value, i), before);
		fault = pair_fault(&pairs[i]);
		if (fault)
			pair_problem(errors, path, pairs[i].name, fault);
	}
	if (errors->count > known)
		return;
	/* An object has no order. Sorted, equal environments are equal bytes. */
	sort_items(pairs, count, sizeof(*pairs), compare_pairs);
	add_pairs(spec, pairs, count, path, errors);
}

/* text: NAME=... */
static void write_pair(struct json_out *o, const char *text, const char *value)
{
	const char *equals = strchr(text, '=');
	SCOPED_MEM char *name = strndup(text, (size_t)(equals - text));

	if (name)
		json_out_string(o, name, value);
	else
		o->failed = true;
}

static void write_reference(struct json_out *o, const char *text, uint32_t version)
{
	const char *equals = strchr(text, '=');
	SCOPED_MEM char *name = strndup(text, (size_t)(equals - text));

	if (!name) {
		o->failed = true;
		return;
	}
	json_out_object(o, name);
	json_out_string(o, "secret", equals + 1);
	if (version)
		json_out_u64(o, "version", version);
	json_out_end_object(o);
}

static void write_env(struct json_out *o, const char *key, const struct service_spec *spec,
		      enum spec_view view)
{
	const char *at = spec->env;

	json_out_object(o, key);
	for (uint32_t i = 0; i < spec->env_count; i++, at += strlen(at) + 1)
		write_pair(o, at, view == SPEC_STORED ? strchr(at, '=') + 1 : NULL);
	at = spec->secrets;
	for (uint32_t i = 0; i < spec->secret_count; i++, at += strlen(at) + 1)
		write_reference(o, at, spec->secret_versions[i]);
	json_out_end_object(o);
}

const struct schema_part schema_env = {read_env, write_env};
