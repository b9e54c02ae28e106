/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of a service as the API keeps them: read from JSON, checked against their bounds and
 * written as JSON again, by the rows of runtime/settings/. Pure: no files, no wire.
 */
#ifndef EBB_API_SERVICE_SCHEMA_H
#define EBB_API_SERVICE_SCHEMA_H

#include <stdint.h>

#include "runtime/api/problem.h"
#include "runtime/base/json.h"
#include "runtime/settings/settings.h"
#include "runtime/wire/records.h"

#define SPEC_ENV_SIZE      SETTING_ENV_BYTES
#define SPEC_COMMAND_SIZE  8192
#define SPEC_SECRETS_MAX   32
#define SPEC_VARIABLE_SIZE 128 /* of a variable that a binding sets */
#define SPEC_SECRETS_SIZE  4096

/* Has no padding and no pointers and is zeroed before it is filled, so that two specs are equal
 * exactly if memcmp says so. env and command are blobs as in the wire records (blob.h); env is
 * sorted by name. */
struct service_spec {
	uint32_t memory_mb, max_duration_ms;
	uint32_t concurrency_max; /* 0 = auto */
	uint32_t instances_min, instances_max;
	uint32_t freeze_after_ms; /* 0 = auto */
	uint32_t hibernate_ms;    /* 0 = off */
	uint32_t init_timeout_ms, stop_grace_ms;
	uint32_t cpu_milli; /* 0 = auto: by memory */
	uint32_t pids_max, scratch_mb;
	uint32_t port;     /* 0 = what the image says, else 8080 */
	uint32_t timers;   /* index of the word */
	uint32_t arrivals; /* likewise: enum wire_arrivals */
	uint32_t io_uring; /* 0 or 1 */
	uint32_t seccomp;  /* 0 default, 1 strict */
	uint32_t upstream; /* enum wire_upstream */
	uint32_t host_count, env_count, command_count;
	uint32_t is_private, body_kb_max; /* body_kb_max 0 = any */
	uint32_t binding_count;
	struct spec_binding {
		char service[SERVICE_NAME_SIZE], variable[SPEC_VARIABLE_SIZE];
		/* Of that service when this revision was made; 0: it was not there yet. */
		uint32_t revision;
	} bindings[BINDINGS_MAX];
	uint32_t schedule_count;
	/* crons and schedules, in the order of the document. */
	struct spec_schedule {
		uint32_t is_cron; /* of the list crons: its name is its path */
		uint32_t method, overlap, missed, jitter_s, retries; /* as on the wire */
		char name[SCHEDULE_NAME_SIZE], path[SCHEDULE_PATH_SIZE];
		char expression[SCHEDULE_TEXT_SIZE], zone[SCHEDULE_ZONE_SIZE];
		char topic[QUEUE_NAME_SIZE]; /* a run is a message there; "": it calls the path */
	} schedules[SCHEDULES_MAX];
	uint32_t trigger_count;
	struct spec_trigger {
		uint32_t deliveries_max, retry_after_s, initial_delay_s, concurrency_max;
		char topic[QUEUE_NAME_SIZE], consumer[QUEUE_NAME_SIZE];
		char path[SCHEDULE_PATH_SIZE];
	} triggers[TRIGGERS_MAX];
	char queues[SERVICE_NAME_SIZE]; /* namespace; "": none, or that of its name with triggers */
	/* Variables whose value is a secret: VARIABLE=SECRET in secrets, sorted, each with the
	 * version that this revision has. */
	uint32_t secret_count, secret_versions[SPEC_SECRETS_MAX];
	struct wire_egress egress;
	uint32_t capabilities; /* SPEC_CAPABILITIES_DEFAULT, or bits of enum wire_capability */
	char image[IMAGE_NAME_SIZE];
	char runtime[SETTING_RUNTIME_BYTES + 1]; /* for people to see; nothing follows from it */
	char prefix[PATH_PREFIX_SIZE];
	char hosts[SERVICE_HOSTS_MAX][HOST_NAME_SIZE];
	char env[SPEC_ENV_SIZE];
	char command[SPEC_COMMAND_SIZE];
	char secrets[SPEC_SECRETS_SIZE];
	char user[SETTING_USER_BYTES + 1]; /* "" = the image's */
};

/* No list of capabilities was given: user 0 has all that ebb grants, other users have none. */
#define SPEC_CAPABILITIES_DEFAULT 0
#define SPEC_CAPABILITIES_GIVEN   (1u << 31) /* a list was given, which may be empty */

/* Answers hold no value of a variable: null for each, or the name of its secret. */
enum spec_view { SPEC_STORED, SPEC_SHOWN };

/* Reads a document. before is the present service, or NULL: a variable that is null keeps the value
 * it has there. Faults go to errors; unknown keys and keys without effect go to warnings; both
 * lists must be zeroed. out is good if errors->count stays 0. */
void service_spec_read(const struct json *document, const struct service_spec *before,
		       struct service_spec *out, struct problem_list *errors,
		       struct problem_list *warnings);
/* Whether two specs are the same but for the revisions that their bindings found. */
bool service_spec_same(const struct service_spec *a, const struct service_spec *b);
/* Every key with its value, into an open object. */
void service_spec_write(struct json_out *o, const struct service_spec *spec, enum spec_view view);

#endif
