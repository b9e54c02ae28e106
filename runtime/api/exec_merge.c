// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/exec_merge.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "runtime/api/blob.h"
#include "runtime/api/exec_limits.h"
#include "runtime/api/exec_user.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define PORT_DEFAULT 8080
#define HEAP_WORD    "{heap_mb}"
#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

bool image_config_valid(const struct wire_image_config *c)
{
	return c->uid <= 65535 && c->gid <= 65535 && c->group_count <= ARRAY_LEN(c->groups) &&
	       c->stop_signal <= 64 && text_terminated(c->cwd, sizeof(c->cwd)) &&
	       blob_bytes(c->entrypoint, sizeof(c->entrypoint), c->entrypoint_count) >= 0 &&
	       blob_bytes(c->cmd, sizeof(c->cmd), c->cmd_count) >= 0 &&
	       blob_bytes(c->env, sizeof(c->env), c->env_count) >= 0 &&
	       blob_bytes(c->users, sizeof(c->users), c->user_count) >= 0;
}

bool image_is_own_runtime(const struct wire_image_config *image)
{
	const char *value = blob_find(image->env, image->env_count, "EBB_RUNTIME");

	return value && strcmp(value, "1") == 0;
}

static int add_all(struct blob *to, const char *field, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++, field += strlen(field) + 1)
		if (blob_add(to, field) < 0)
			return -E2BIG;
	return 0;
}

static int merge_argv(const struct wire_image_config *image, const struct service_spec *spec,
		      struct wire_exec *out)
{
	struct blob argv = {.memory = out->argv, .size = sizeof(out->argv)};
	int r;

	if (spec->command_count > 0) {
		r = add_all(&argv, spec->command, spec->command_count);
	} else {
		r = add_all(&argv, image->entrypoint, image->entrypoint_count);
		if (r == 0)
			r = add_all(&argv, image->cmd, image->cmd_count);
	}
	if (r == 0 && (argv.count == 0 || !*out->argv))
		return -ENOENT;
	out->argc = (uint16_t)argv.count;
	return r;
}

/* The variables that nobody but ebb sets. */
static int add_ours(struct blob *env, const char *service, uint32_t revision, uint32_t port)
{
	char number[16];
	int r;

	snprintf(number, sizeof(number), "%u", port);
	r = blob_add_pair(env, "PORT", number);
	if (r == 0)
		r = blob_add_pair(env, "EBB_SERVICE", service);
	snprintf(number, sizeof(number), "%u", revision);
	return r == 0 ? blob_add_pair(env, "EBB_REVISION", number) : r;
}

static bool has(const struct blob *env, const char *name)
{
	return blob_find(env->memory, env->count, name) != NULL;
}

/* Variables that only ebb sets for an instance, never its image. */
static bool is_reserved(const char *name)
{
	return strncmp(name, "EBB_", 4) == 0 || strncmp(name, "LISTEN_", 7) == 0 ||
	       strcmp(name, "VERCEL_IPC_PATH") == 0;
}

static int add_with_heap(struct blob *env, const char *text, uint32_t memory_mb)
{
	const char *word = strstr(text, HEAP_WORD);
	char filled[4096];

	if (!word)
		return blob_add(env, text);
	if (text_format(filled, sizeof(filled), "%.*s%u%s", (int)(word - text), text,
			exec_heap_mb(memory_mb), word + strlen(HEAP_WORD)) < 0)
		return -E2BIG;
	return blob_add(env, filled);
}

static int add_image_text(struct blob *env, const char *text, const struct wire_image_config *image,
			  const struct service_spec *spec)
{
	if (image_is_own_runtime(image))
		return add_with_heap(env, text, spec->memory_mb);
	return blob_add(env, text);
}

/* Adds the image's variables that are not there yet, so the first one wins. */
static int add_image_env(struct blob *env, const struct wire_image_config *image,
			 const struct service_spec *spec)
{
	const char *at = image->env;

	for (uint32_t i = 0; i < image->env_count; i++, at += strlen(at) + 1) {
		const char *equals = strchr(at, '=');
		char name[256];

		if (!equals || equals == at ||
		    text_format(name, sizeof(name), "%.*s", (int)(equals - at), at) < 0)
			continue; /* not NAME=value, or a name of more than 255 bytes */
		if (!has(env, name) && !is_reserved(name) &&
		    add_image_text(env, at, image, spec) < 0)
			return -E2BIG;
	}
	return 0;
}

static int merge_env(const struct wire_image_config *image, const struct service_spec *spec,
		     const struct blob *given, const char *service, uint32_t revision,
		     struct wire_exec *out)
{
	struct blob env = {.memory = out->env, .size = sizeof(out->env)};
	int r = add_ours(&env, service, revision, out->port);
	char home[256];

	if (r == 0)
		r = add_all(&env, spec->env, spec->env_count);
	if (r == 0 && given)
		r = add_all(&env, given->memory, given->count);
	if (r == 0)
		r = add_image_env(&env, image, spec);
	/* ebb's own runtimes have their limits in the variables of their images ({heap_mb}). */
	if (r == 0 && !image_is_own_runtime(image))
		r = exec_limits_add(&env, spec);
	if (r == 0 && !has(&env, "PATH"))
		r = blob_add_pair(&env, "PATH", PATH_DEFAULT);
	exec_home(image, out->uid, home, sizeof(home));
	if (r == 0 && !has(&env, "HOME"))
		r = blob_add_pair(&env, "HOME", home);
	out->envc = (uint16_t)env.count;
	return r;
}

uint32_t exec_port(const struct wire_image_config *image, const struct service_spec *spec)
{
	return spec->port ? spec->port : image->port ? image->port : PORT_DEFAULT;
}

void exec_merge(const struct wire_image_config *image, const struct service_spec *spec,
		const struct blob *given, const char *service, uint32_t revision,
		struct wire_exec *out, struct problem_list *errors)
{
	int r;

	memset(out, 0, sizeof(*out));
	exec_user(image, spec, out, errors);
	out->stop_signal = image->stop_signal ? image->stop_signal : SIGTERM;
	out->port = (uint16_t)exec_port(image, spec);
	if (text_copy(out->cwd, sizeof(out->cwd), *image->cwd ? image->cwd : "/") < 0 ||
	    *out->cwd != '/')
		problem_add(errors, "image", "its working directory is not an absolute path");
	r = merge_argv(image, spec, out);
	if (r == -ENOENT)
		problem_add(errors, "command",
			    "is missing, and the image has neither entrypoint nor cmd");
	else if (r < 0)
		problem_add(errors, "command",
			    "is too long together with the image's (..%zu bytes)",
			    sizeof(out->argv));
	if (merge_env(image, spec, given, service, revision, out) < 0)
		problem_add(errors, "env", "is too large together with the image's (..%zu bytes)",
			    sizeof(out->env));
}
