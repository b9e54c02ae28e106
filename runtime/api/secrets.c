// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/api/secret_file.h"
#include "runtime/api/state.h"
#include "runtime/base/clock.h"
#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define DIRECTORY "secrets"

struct secrets {
	int state_dir_fd; /* borrowed */
	int dir_fd;       /* -1: there is no secret and no directory */
	struct secret_key key;
	struct secret *items[SECRETS_MAX]; /* by name */
	size_t count;
};

void secrets_free(struct secrets *secrets)
{
	if (!secrets)
		return;
	for (size_t i = 0; i < secrets->count; i++)
		free(secrets->items[i]);
	fd_close(&secrets->dir_fd);
	explicit_bzero(&secrets->key, sizeof(secrets->key));
	free(secrets);
}

size_t secrets_count(const struct secrets *secrets)
{
	return secrets->count;
}

const struct secret *secrets_at(const struct secrets *secrets, size_t index)
{
	return secrets->items[index];
}

uint32_t secret_newest(const struct secret *s)
{
	return s->versions[s->version_count - 1];
}

/* Where the name is, or where it would have to be. */
static size_t place_of(const struct secrets *secrets, const char *name, bool *found)
{
	size_t i = 0;
	int order = 1;

	while (i < secrets->count && (order = strcmp(secrets->items[i]->name, name)) < 0)
		i++;
	*found = i < secrets->count && order == 0;
	return i;
}

static struct secret *find(const struct secrets *secrets, const char *name)
{
	bool found;
	size_t i = place_of(secrets, name, &found);

	return found ? secrets->items[i] : NULL;
}

const struct secret *secrets_find(const struct secrets *secrets, const char *name)
{
	return find(secrets, name);
}

static int insert(struct secrets *secrets, const char *name, struct secret **out)
{
	bool found;
	size_t i = place_of(secrets, name, &found);
	struct secret *s;

	if (found) {
		*out = secrets->items[i];
		return 0;
	}
	if (secrets->count == SECRETS_MAX)
		return -ENOSPC;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	must(text_copy(s->name, sizeof(s->name), name) == 0);
	memmove(secrets->items + i + 1, secrets->items + i,
		(secrets->count - i) * sizeof(*secrets->items));
	secrets->items[i] = s;
	secrets->count++;
	*out = s;
	return 0;
}

static void take_out(struct secrets *secrets, const char *name)
{
	bool found;
	size_t i = place_of(secrets, name, &found);

	must(found);
	free(secrets->items[i]);
	secrets->count--;
	memmove(secrets->items + i, secrets->items + i + 1,
		(secrets->count - i) * sizeof(*secrets->items));
}

static int add_version(struct secret *s, uint32_t version)
{
	size_t at = s->version_count;

	if (at == SECRET_VERSIONS_MAX)
		return -EMFILE;
	while (at > 0 && s->versions[at - 1] > version)
		at--;
	memmove(s->versions + at + 1, s->versions + at, (s->version_count - at) * sizeof(uint32_t));
	s->versions[at] = version;
	s->version_count++;
	return 0;
}

static bool has_version(const struct secret *s, uint32_t version)
{
	for (size_t i = 0; i < s->version_count; i++)
		if (s->versions[i] == version)
			return true;
	return false;
}

static int remove_version(struct secrets *secrets, struct secret *s, size_t at)
{
	char file[SECRET_FILE_SIZE];
	int r;

	secret_file_name(file, s->name, s->versions[at]);
	r = state_remove(secrets->dir_fd, file);
	if (r < 0)
		return r;
	s->version_count--;
	memmove(s->versions + at, s->versions + at + 1, (s->version_count - at) * sizeof(uint32_t));
	return 0;
}

/* The directory goes with the last secret. */
static void drop_empty_directory(struct secrets *secrets)
{
	if (secrets->count > 0 || secrets->dir_fd < 0)
		return;
	fd_close(&secrets->dir_fd);
	(void)unlinkat(secrets->state_dir_fd, DIRECTORY, AT_REMOVEDIR);
}

/* ---- changes ---- */

static int write_version(struct secrets *secrets, const struct secret *s, const char *value,
			 uint64_t now_us)
{
	const struct secret_id id = {
		.name = s->name,
		.version = s->version_count ? secret_newest(s) + 1 : 1,
		.set_us = now_us,
	};

	if (secrets->dir_fd < 0)
		secrets->dir_fd = state_dir(secrets->state_dir_fd, DIRECTORY);
	return secrets->dir_fd < 0 ? secrets->dir_fd
				   : secret_file_write(secrets->dir_fd, &secrets->key, &id, value);
}

static int refuse(struct fault *f, int err, const char *name)
{
	if (err == -EMFILE) {
		(void)fault_say(f, err, "secret '%s' has %d versions in use", name,
				SECRET_VERSIONS_MAX);
		fault_mend(f, "redeploy the services that use old ones: ebb secret ls");
	} else if (err == -ENOSPC) {
		(void)fault_say(f, err, "there is no room for secret '%s' (..%d secrets)", name,
				SECRETS_MAX);
		fault_mend(f, "remove others, or free space in the state directory");
	} else {
		(void)fault_errno(f, err, "secret '%s' cannot be saved", name);
		fault_mend(f, "look after the state directory and set it again");
	}
	return err;
}

int secrets_set(struct secrets *secrets, const char *name, const char *value, struct fault *f)
{
	uint64_t now_us = clock_real_us();
	struct secret *s;
	int r = secret_key_there(&secrets->key, f);

	if (r < 0)
		return r;
	r = insert(secrets, name, &s);
	if (r < 0)
		return refuse(f, r, name);
	r = s->version_count == SECRET_VERSIONS_MAX ? -EMFILE
						    : write_version(secrets, s, value, now_us);
	if (r == 0) {
		must(add_version(s, s->version_count ? secret_newest(s) + 1 : 1) == 0);
		s->set_us = now_us;
		return 0;
	}
	if (s->version_count == 0)
		take_out(secrets, name);
	drop_empty_directory(secrets);
	return refuse(f, r, name);
}

int secrets_read(const struct secrets *secrets, const char *name, uint32_t version, char *value,
		 struct fault *f)
{
	const struct secret *s = find(secrets, name);
	const struct secret_id id = {.name = name, .version = version};

	if (s && has_version(s, version))
		return secret_file_read(secrets->dir_fd, &secrets->key, &id, value, f);
	if (s)
		(void)fault_say(f, -ENOENT, "version %u of secret '%s' is not kept any more",
				version, name);
	else
		(void)fault_say(f, -ENOENT, "there is no secret '%s'", name);
	fault_mend(f, s ? "deploy the service again" : "ebb secret set makes it");
	return -ENOENT;
}

void secrets_prune(struct secrets *secrets, const char *name,
		   bool (*keep)(void *ctx, uint32_t version), void *ctx)
{
	struct secret *s = find(secrets, name);

	for (size_t i = 0; s && i + 1 < s->version_count;)
		if (keep(ctx, s->versions[i]) || remove_version(secrets, s, i) < 0)
			i++;
}

/* The oldest goes first: a power cut leaves the newest, never an older one in its place. */
int secrets_remove(struct secrets *secrets, const char *name)
{
	struct secret *s = find(secrets, name);
	int r = 0;

	while (r == 0 && s && s->version_count > 0)
		r = remove_version(secrets, s, 0);
	if (r < 0)
		return r;
	if (s)
		take_out(secrets, name);
	drop_empty_directory(secrets);
	return 0;
}

/* ---- loading ---- */

/* Files that are no secret by their name are left alone. */
static int load_one(void *ctx, const char *file)
{
	struct secrets *secrets = ctx;
	char name[SECRET_NAME_SIZE];
	struct secret *s;
	uint32_t version;
	int r;

	if (secret_file_parse(file, name, &version) < 0)
		return 0;
	r = insert(secrets, name, &s);
	return r < 0 ? r : add_version(s, version);
}

int secrets_open(int state_dir_fd, struct wire_api_config *config, struct secrets **out,
		 struct fault *f)
{
	struct secrets *secrets = calloc(1, sizeof(*secrets));
	int r = 0;

	if (!secrets)
		return fault_errno(f, -ENOMEM, "secrets");
	secrets->state_dir_fd = state_dir_fd;
	secret_key_take(&secrets->key, config);
	secrets->dir_fd =
		openat(state_dir_fd, DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (secrets->dir_fd < 0 && errno != ENOENT)
		r = -errno;
	if (secrets->dir_fd >= 0)
		r = state_list(secrets->dir_fd, ".json", load_one, secrets);
	if (r < 0) {
		fault_errno(f, r, "secrets");
		secrets_free(secrets);
		return r;
	}
	for (size_t i = 0; i < secrets->count; i++) {
		struct secret *s = secrets->items[i];

		s->set_us = secret_file_time(secrets->dir_fd, s->name, secret_newest(s));
	}
	*out = secrets;
	return 0;
}
