// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/services.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/api/deployments.h"
#include "runtime/api/state.h"
#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

struct services {
	int dir_fd;
	struct service *items[SERVICES_MAX]; /* by name */
	size_t count;
	const struct deployment_store *deployments;
	struct fault *fault; /* while loading */
};

void services_free(struct services *services)
{
	if (!services)
		return;
	for (size_t i = 0; i < services->count; i++)
		free(services->items[i]);
	fd_close(&services->dir_fd);
	free(services);
}

size_t services_count(const struct services *services)
{
	return services->count;
}

struct service *services_at(struct services *services, size_t index)
{
	return services->items[index];
}

/* Where the name is, or where it would have to be. */
static size_t place_of(const struct services *services, const char *name, bool *found)
{
	size_t i = 0;
	int order = 1;

	while (i < services->count && (order = strcmp(services->items[i]->name, name)) < 0)
		i++;
	*found = i < services->count && order == 0;
	return i;
}

static struct service *find(struct services *services, const char *name)
{
	bool found;
	size_t i = place_of(services, name, &found);

	return found ? services->items[i] : NULL;
}

struct service *services_find(struct services *services, const char *name)
{
	struct service *s = find(services, name);

	return s && s->current.number ? s : NULL;
}

static int insert(struct services *services, const char *name, struct service **out)
{
	bool found;
	size_t i = place_of(services, name, &found);
	struct service *s;

	must(!found);
	if (services->count == SERVICES_MAX)
		return -EMFILE;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	must(text_copy(s->name, sizeof(s->name), name) == 0);
	memmove(services->items + i + 1, services->items + i,
		(services->count - i) * sizeof(*services->items));
	services->items[i] = s;
	services->count++;
	*out = s;
	return 0;
}

static void take_out(struct services *services, const char *name)
{
	bool found;
	size_t i = place_of(services, name, &found);

	must(found);
	free(services->items[i]);
	services->count--;
	memmove(services->items + i, services->items + i + 1,
		(services->count - i) * sizeof(*services->items));
}

static bool gets_traffic(const struct service *s, uint32_t revision)
{
	for (size_t i = 0; i < s->traffic.count; i++)
		if (s->traffic.shares[i].revision == revision)
			return true;
	return false;
}

/* A revision that serves, or may serve again. */
static bool is_needed(struct services *services, const struct service *s, uint32_t number)
{
	return number == s->current.number ||
	       (services->deployments && deployments_have(services->deployments, s->name, number));
}

const struct service *services_using(struct services *services, const uint8_t *digest, bool history)
{
	for (size_t i = 0; i < services->count; i++) {
		const struct service *s = services->items[i];

		if (memcmp(s->current.digest, digest, DIGEST_SIZE) == 0)
			return s;
		for (size_t k = 0; k < s->note_count; k++)
			if ((history || gets_traffic(s, s->notes[k].number) ||
			     is_needed(services, s, s->notes[k].number)) &&
			    memcmp(s->notes[k].digest, digest, DIGEST_SIZE) == 0)
				return s;
	}
	return NULL;
}

/* ---- files ---- */

static int revision_dir(struct services *services, const char *name)
{
	char dir[SERVICE_NAME_SIZE + 8];

	snprintf(dir, sizeof(dir), "%s.rev", name);
	return state_dir(services->dir_fd, dir);
}

static int save(int dir_fd, const char *file, const char *name, const struct revision *rev)
{
	struct json_out o;
	int r;

	json_out_init(&o);
	json_out_object(&o, NULL);
	revision_write(&o, name, rev, SPEC_STORED);
	json_out_end_object(&o);
	r = state_write_json(dir_fd, file, &o);
	json_out_fini(&o);
	return r;
}

static int load(int dir_fd, const char *file, struct revision *out, struct fault *f)
{
	struct json *document = NULL;
	int r = state_read_json(dir_fd, file, &document, f);

	if (r == 0)
		r = revision_read(document, out, f);
	json_free(document);
	return r;
}

static int remove_revision(struct services *services, const char *name, uint32_t number)
{
	SCOPED_FD dir_fd = revision_dir(services, name);
	char file[24];

	snprintf(file, sizeof(file), "%u.json", number);
	return dir_fd < 0 ? dir_fd : state_remove(dir_fd, file);
}

int services_load_revision(struct services *services, const char *name, uint32_t number,
			   struct revision *out)
{
	SCOPED_FD dir_fd = revision_dir(services, name);
	char file[24];
	int r;

	snprintf(file, sizeof(file), "%u.json", number);
	if (dir_fd < 0)
		return dir_fd;
	r = load(dir_fd, file, out, NULL);
	return r == REVISION_REFUSED ? -EINVAL : r;
}

/* ---- changes ---- */

static void add_note(struct service *s, const struct revision *rev)
{
	size_t at = s->note_count;

	must(at < ARRAY_LEN(s->notes));
	while (at > 0 && s->notes[at - 1].number > rev->number)
		at--;
	memmove(s->notes + at + 1, s->notes + at, (s->note_count - at) * sizeof(*s->notes));
	s->notes[at] = (struct revision_note){.number = rev->number, .created_us = rev->created_us};
	memcpy(s->notes[at].digest, rev->digest, DIGEST_SIZE);
	s->note_count++;
}

/* Only the newest are kept, and those of deployments; the history is not the state, so a file that
 * stays is no error. */
static void prune_notes(struct services *services, struct service *s)
{
	size_t at = 0;

	while (s->note_count > REVISIONS_KEPT && is_needed(services, s, s->notes[at].number))
		at++;
	must(at < s->note_count); /* DEPLOYMENTS_KEPT is less */
	if (s->note_count <= REVISIONS_KEPT)
		return;
	(void)remove_revision(services, s->name, s->notes[at].number);
	s->note_count--;
	memmove(s->notes + at, s->notes + at + 1, (s->note_count - at) * sizeof(*s->notes));
}

static int save_revision(struct services *services, const char *name, const struct revision *rev)
{
	SCOPED_FD dir_fd = revision_dir(services, name);
	char file[24];

	snprintf(file, sizeof(file), "%u.json", rev->number);
	return dir_fd < 0 ? dir_fd : save(dir_fd, file, name, rev);
}

uint32_t services_next_number(struct services *services, const char *name)
{
	const struct service *s = find(services, name);
	uint32_t noted = s && s->note_count ? s->notes[s->note_count - 1].number : 0;
	uint32_t deployed =
		services->deployments ? deployments_last(services->deployments, name) : 0;

	return (noted > deployed ? noted : deployed) + 1;
}

int services_prepare(struct services *services, const char *name, struct revision *rev)
{
	struct service *s = find(services, name);
	int r;

	if (s && s->changing)
		return -EBUSY;
	if (!s) {
		r = insert(services, name, &s);
		if (r < 0)
			return r;
	}
	rev->number = services_next_number(services, name);
	s->changing = true;
	r = save_revision(services, name, rev);
	if (r < 0)
		services_drop(services, name, rev);
	return r;
}

void services_drop(struct services *services, const char *name, const struct revision *rev)
{
	struct service *s = find(services, name);
	char dir[SERVICE_NAME_SIZE + 8];

	must(s && s->changing);
	s->changing = false;
	(void)remove_revision(services, name, rev->number);
	if (s->current.number)
		return;
	snprintf(dir, sizeof(dir), "%s.rev", name);
	(void)unlinkat(services->dir_fd, dir, AT_REMOVEDIR);
	take_out(services, name);
}

int services_commit(struct services *services, const char *name, const struct revision *rev)
{
	struct service *s = find(services, name);
	char file[SERVICE_NAME_SIZE + 8];
	int r;

	must(s && s->changing);
	snprintf(file, sizeof(file), "%s.json", name);
	r = save(services->dir_fd, file, name, rev);
	if (r < 0) {
		services_drop(services, name, rev);
		return r;
	}
	s->changing = s->refused = false;
	s->error[0] = s->start_error[0] = '\0';
	s->current = *rev;
	add_note(s, rev);
	prune_notes(services, s);
	return 0;
}

int services_save_kept(struct services *services, const char *name, const struct revision *rev)
{
	return save_revision(services, name, rev);
}

int services_keep(struct services *services, const char *name, const struct revision *rev)
{
	struct service *s = find(services, name);

	must(s && s->changing && s->current.number);
	s->changing = false;
	add_note(s, rev);
	prune_notes(services, s);
	return 0;
}

int services_hold(struct services *services, const char *name)
{
	struct service *s = services_find(services, name);

	must(s);
	if (s->changing)
		return -EBUSY;
	s->changing = true;
	return 0;
}

void services_release(struct services *services, const char *name)
{
	struct service *s = services_find(services, name);

	must(s && s->changing);
	s->changing = false;
}

int services_go_back(struct services *services, const char *name, const struct revision *rev)
{
	struct service *s = services_find(services, name);
	char file[SERVICE_NAME_SIZE + 8];
	int r;

	must(s);
	s->changing = false;
	(void)text_format(file, sizeof(file), "%s.json", name);
	r = save(services->dir_fd, file, name, rev);
	if (r < 0)
		return r;
	s->refused = false;
	s->error[0] = s->start_error[0] = '\0';
	s->current = *rev;
	return 0;
}

int services_revive(struct services *services, const char *name, const struct revision *rev)
{
	struct service *s;
	int r = insert(services, name, &s);

	if (r < 0)
		return r;
	s->changing = true;
	return services_commit(services, name, rev);
}

int services_save_traffic(struct services *services, const struct service *s)
{
	return traffic_save(services->dir_fd, s->name, &s->traffic);
}

/* NAME.json goes first: from then on the service does not exist, even if other files stay. */
/* A file that is renamed to its own name stays as it is, and on a disk that takes no change the
 * call fails (rename(2)). */
int services_can_remove(struct services *services, const char *name)
{
	char file[SERVICE_NAME_SIZE + 8];

	snprintf(file, sizeof(file), "%s.json", name);
	return renameat(services->dir_fd, file, services->dir_fd, file) < 0 ? -errno : 0;
}

int services_remove(struct services *services, const char *name)
{
	char file[SERVICE_NAME_SIZE + 8];
	int r;

	snprintf(file, sizeof(file), "%s.json", name);
	r = state_remove(services->dir_fd, file);
	if (r < 0)
		return r;
	(void)traffic_save(services->dir_fd, name, &(struct traffic){0});
	take_out(services, name);
	snprintf(file, sizeof(file), "%s.rev", name);
	return fd_rmtree_at(services->dir_fd, file);
}

/* ---- loading ---- */

/* A service whose settings an earlier version of ebb took and this one refuses counts as failed;
 * the other services go on. A NAME.json that holds no revision at all is damage and ends the start.
 * A revision file that cannot be read is lost history and ends nothing. */
struct note_loading {
	struct services *services;
	struct service *service;
	int dir_fd;
};

static int load_note(void *ctx, const char *file)
{
	struct note_loading *l = ctx;
	struct service *s = l->service;
	struct revision rev;

	/* A number above the current one was prepared and never committed, unless a deployment
	 * has it. */
	if (s->note_count == REVISIONS_KEPT + 1 || load(l->dir_fd, file, &rev, NULL) < 0)
		return 0;
	if (rev.number > s->current.number && !is_needed(l->services, s, rev.number))
		(void)state_remove(l->dir_fd, file);
	else
		add_note(s, &rev);
	return 0;
}

static int load_service(void *ctx, const char *file)
{
	struct services *services = ctx;
	char name[SERVICE_NAME_SIZE + 8];
	struct fault fault = {0};
	struct revision rev;
	struct service *s = NULL;
	bool refused;
	int r = text_format(name, sizeof(name), "%.*s", (int)(strlen(file) - 5), file);

	if (r < 0 || !text_is_label(name))
		r = fault_say(&fault, -EINVAL, "it is not named as a service can be");
	else
		r = load(services->dir_fd, file, &rev, &fault);
	refused = r == REVISION_REFUSED;
	if (r >= 0)
		r = insert(services, name, &s);
	if (r < 0) {
		fault_errno(&fault, r, "it cannot be kept");
		fault_at(&fault, "services/%s", file);
		*services->fault = fault;
		return r;
	}
	s->current = rev;
	s->refused = refused;
	if (refused)
		(void)text_format(s->error, sizeof(s->error),
				  "its stored settings are refused: %s; deploy it again",
				  fault.what);
	return 0;
}

static bool is_noted(const struct service *s, uint32_t number)
{
	for (size_t i = 0; i < s->note_count; i++)
		if (s->notes[i].number == number)
			return true;
	return false;
}

static void load_notes(struct services *services, struct service *s)
{
	SCOPED_FD dir_fd = revision_dir(services, s->name);
	struct note_loading l = {.services = services, .service = s, .dir_fd = dir_fd};

	if (dir_fd >= 0)
		(void)state_list(dir_fd, ".json", load_note, &l);
	if (!is_noted(s, s->current.number)) {
		prune_notes(services, s);
		add_note(s, &s->current);
	}
}

int services_open(int state_dir_fd, const struct deployment_store *deployments,
		  struct services **out, struct fault *f)
{
	struct services *services = calloc(1, sizeof(*services));
	int r;

	if (!services)
		return fault_errno(f, -ENOMEM, "services");
	services->fault = f;
	services->deployments = deployments;
	services->dir_fd = state_dir(state_dir_fd, "services");
	r = services->dir_fd < 0 ? services->dir_fd : 0;
	if (r == 0)
		r = state_list(services->dir_fd, ".json", load_service, services);
	services->fault = NULL;
	if (r < 0) {
		fault_errno(f, r, "services");
		services_free(services);
		return r;
	}
	for (size_t i = 0; i < services->count; i++) {
		load_notes(services, services->items[i]);
		(void)traffic_load(services->dir_fd, services->items[i]->name,
				   &services->items[i]->traffic);
	}
	*out = services;
	return 0;
}
