/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The desired state: services/NAME.json has the current revision of a service,
 * services/NAME.rev/<n>.json has the kept revisions.
 *
 * A change is prepared (its revision is on disk), asked of ebbd, then committed or dropped. A
 * service has at most one change under way.
 */
#ifndef EBB_API_SERVICES_H
#define EBB_API_SERVICES_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/api/service_schema.h"
#include "runtime/api/traffic.h"

#define REVISIONS_KEPT 10
#define ETAG_SIZE      40

/* One immutable version. */
struct revision {
	uint32_t number;
	uint64_t created_us;
	uint8_t digest[DIGEST_SIZE]; /* of its image */
	struct service_spec spec;
};

struct revision_note {
	uint32_t number;
	uint64_t created_us;
	uint8_t digest[DIGEST_SIZE];
};

struct service {
	char name[SERVICE_NAME_SIZE];
	struct revision current; /* number 0: its first change is under way */
	struct revision_note notes[REVISIONS_KEPT + 1]; /* oldest first; includes the current */
	size_t note_count;
	struct traffic traffic; /* earlier revisions that serve beside the current one */
	bool changing;
	bool refused; /* this version does not take its stored settings; error says why */
	char error[ERROR_TEXT_SIZE];       /* why ebbd did not take it when ebb started; or "" */
	char start_error[ERROR_TEXT_SIZE]; /* why its last instance did not get ready; or "" */
};

struct services;
struct fault;

struct deployment_store;

/* Loads <state>/services; state_dir_fd and deployments, whose revisions are kept, are borrowed and
 * may be NULL. 0, or -errno with a sentence in f. */
int services_open(int state_dir_fd, const struct deployment_store *deployments,
		  struct services **out, struct fault *f);
void services_free(struct services *services);
size_t services_count(const struct services *services);
/* Services in the order of their names, those whose first change is under way included. */
struct service *services_at(struct services *services, size_t index);
struct service *services_find(struct services *services, const char *name); /* number != 0 */
/* A service that uses this image in a revision that serves, or with `history` in any kept revision;
 * NULL if there is none. */
const struct service *services_using(struct services *services, const uint8_t *digest,
				     bool history);

/* The number of its next revision: above all of the service, and above those that a kept deployment
 * names, though the service of that name was removed since. */
uint32_t services_next_number(struct services *services, const char *name);

/* Begins a change and sets rev->number. 0, -EBUSY (a change is under way), -EMFILE (SERVICES_MAX)
 * or -errno. */
int services_prepare(struct services *services, const char *name, struct revision *rev);
/* The change is done: the revision is the current one, durably. 0 or -errno. */
int services_commit(struct services *services, const char *name, const struct revision *rev);
/* The change failed: forgets its revision, and the service too if this was its first change. */
void services_drop(struct services *services, const char *name, const struct revision *rev);
/* Writes a prepared revision again, which was changed. 0 or -errno. */
int services_save_kept(struct services *services, const char *name, const struct revision *rev);
/* The change is done, and its revision is kept beside the current one. 0. */
int services_keep(struct services *services, const char *name, const struct revision *rev);
/* Marks a service as changing, without a new revision: 0 or -EBUSY; and ends that. */
int services_hold(struct services *services, const char *name);
void services_release(struct services *services, const char *name);
/* A kept revision is the current one again, durably; the service changes no more. 0 or -errno. */
int services_go_back(struct services *services, const char *name, const struct revision *rev);
/* A service whose first revision was prepared, and not committed, exists. 0 or -errno. */
int services_revive(struct services *services, const char *name, const struct revision *rev);
/* Reads a kept revision from the disk. 0, or -errno: -ENOENT if the revision is not kept, -EINVAL
 * if this version of ebb does not take it. */
int services_load_revision(struct services *services, const char *name, uint32_t number,
			   struct revision *out);
/* Writes the shares of its revisions, durably. 0 or -errno. */
int services_save_traffic(struct services *services, const struct service *s);
/* Whether the disk would take a removal: 0 or -errno. */
int services_can_remove(struct services *services, const char *name);
/* Removes a service that is not changing. 0 or -errno. */
int services_remove(struct services *services, const char *name);

/* The entity tag of RFC 9110 section 8.8.3, with its quotes. */
void revision_etag(const struct revision *rev, char etag[ETAG_SIZE]);
bool revision_same(const struct revision *a, const struct revision *b); /* image and settings */
/* revision_file.c. revision_write adds the keys and values of a revision to an open object.
 * revision_read reads them back: 0; -EINVAL; or REVISION_REFUSED with a sentence in f, for a
 * revision whose settings this version does not take (out then has the readable part). */
#define REVISION_REFUSED 1
void revision_write(struct json_out *o, const char *name, const struct revision *rev,
		    enum spec_view view);
int revision_read(const struct json *document, struct revision *out, struct fault *f);

#endif
